"""What type checkers say of the documented spellings, and of common mistakes."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPELLINGS = ROOT / "tests/typing/spellings.py"
WRONG = {
    number for number, line in enumerate(SPELLINGS.read_text("utf-8").splitlines(), 1) if line.endswith("  # wrong")
}


def run(*command):
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=ROOT, timeout=600
    )
    return done.stdout, done.stderr


def test_mypy_finds_the_mistakes_and_nothing_else():
    told, errors = run("mypy", "--strict", "--cache-dir=.cache/mypy", "--follow-imports=silent", str(SPELLINGS))
    found = {int(number): told for number, told in re.findall(r"spellings\.py:(\d+): error: (.*)", told)}
    assert found.keys() == WRONG, (found, told[-2000:], errors)


@pytest.mark.skipif(find_spec("basedpyright") is None, reason="basedpyright is not installed")
def test_pyright_finds_the_mistakes_and_nothing_else(tmp_path):
    settings = {"include": [str(SPELLINGS)], "extraPaths": [str(ROOT)], "typeCheckingMode": "strict"}
    # Pyright's own rules, not those that basedpyright adds. That some types are unknown is what Any is for.
    unknown = ("Parameter", "Argument", "Variable", "Member", "Lambda")
    settings |= {f"reportUnknown{kind}Type": False for kind in unknown}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    told, errors = run("basedpyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path))
    report = json.loads(told)
    found = {
        each["range"]["start"]["line"] + 1: (each.get("rule"), each["message"])
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    }
    assert report["summary"]["filesAnalyzed"] >= 1, errors
    assert found.keys() == WRONG, found
