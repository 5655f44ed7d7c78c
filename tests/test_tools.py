"""Without a tool the run passes and says what is missing; in CI it fails."""

import os
import subprocess
import sys
from pathlib import Path

TEST = """
import pytest

@pytest.fixture
def never_made():
    raise AssertionError

@pytest.mark.needs("nginx")
def test_a(never_made): ...

@pytest.mark.needs("nginx")
def test_b(never_made): ...

def test_c(): ...
"""


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(TEST, "utf-8")
    others = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tools", "-p", "no:cacheprovider", "test_it.py"],
        cwd=folder,
        env={**others, "PATH": str(folder), "PYTHONPATH": str(Path(__file__).parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_tool_its_tests_are_skipped_and_the_last_lines_say_so(tmp_path):
    done = run(tmp_path)
    assert 0 == done.returncode, done.stdout
    assert "1 passed, 2 skipped" in done.stdout
    assert "nginx is missing: 2 tests were skipped; on Debian: apt-get install nginx-light" in done.stdout


def test_in_ci_a_missing_tool_is_a_failure(tmp_path):
    done = run(tmp_path, CI="1")
    assert 1 == done.returncode, done.stdout
    assert "1 passed, 2 errors" in done.stdout


def test_with_the_tool_its_tests_run(tmp_path):
    (tmp_path / "nginx").touch(mode=0o755)
    assert "1 passed, 2 errors" in run(tmp_path).stdout  # the fixture that must not be made
