"""Run the library's tests on CPython 3.14 with no such interpreter installed: ``python -m py314 [pytest's arguments]``.

Pyodide is CPython 3.14 in WebAssembly, and runs in Node. It is fetched once, with the packages that the tests need.
Without arguments all examples of all pages are played too, as in a reader's browser, and what is told is compared.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import tools
from packaging.requirements import Requirement
from py314.playing import play_all

from reference_ws.guide.lab import runtime
from reference_ws.guide.pages import read_page

PROJECT: Final = Path(__file__).parents[2]
CACHE: Final = PROJECT / ".cache/py314"
LAB: Final = PROJECT / ".cache/lab"
PYODIDE: Final = runtime.node_modules(LAB) / "pyodide"
WHEELS: Final = (
    "anyio", "attrs", "click", "h11", "httpx2", "httpx2-jsfetch", "hypothesis", "idna", "iniconfig",
    "Markdown", "msgspec", "packaging", "pluggy", "Pygments", "pymdown-extensions", "pytest",
    "sortedcontainers", "starlette", "sybil", "typing_extensions", "uvicorn", "babel", "websockets",
)  # fmt: skip
"""Names in constraints.txt, which has the versions."""
PLATFORM: Final = {"python_version": "3.14", "python_full_version": "3.14.2", "sys_platform": "emscripten"}


STACK: Final = 63 * 1024**2
"""Bytes: in Node's own megabyte a deep recursion overruns the stack, which ends the interpreter."""


def versions() -> list[str]:
    """Read what constraints.txt says for this platform: pip would read it for the Python that runs pip."""
    lines = (PROJECT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    chosen = {pin.name: pin for pin in pins if pin.marker is None or pin.marker.evaluate(PLATFORM)}
    return [f"{name}{chosen[name].specifier}" for name in WHEELS]


def fetch() -> None:
    """Fill the caches with what they lack."""
    runtime.fetch(LAB)
    CACHE.mkdir(parents=True, exist_ok=True)
    ready, wanted = CACHE / "ready", versions()
    if ready.exists() and ready.read_text("utf-8") == "\n".join(wanted):
        return
    print("Fetching the packages into .cache/py314 (once, about half a minute) ...", flush=True)
    shutil.rmtree(CACHE / "packages", ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        runtime.wheels(wanted, Path(folder))
        for wheel in Path(folder).glob("*.whl"):
            with ZipFile(wheel) as archive:
                archive.extractall(CACHE / "packages")
    ready.write_text("\n".join(wanted), "utf-8")


def run(node: str, script: str, *arguments: str | Path) -> int:
    """Run one of the scripts beside this file in Node."""
    command = [node, f"--stack-size={(STACK - 3 * 1024**2) // 1024}", Path(__file__).with_name(script), PYODIDE]
    return subprocess.run([*command, *arguments], check=False).returncode


def play_examples(node: str) -> int:
    """Play all examples here and there; what is told has to be the same.

    Where an application waits may depend on the order of a set of its connections, and how Python words its own
    exceptions on its version.
    """
    pages = [page for page in map(read_page, sorted(PROJECT.glob("docs/??/*.md"))) if page.examples]
    given = json.dumps(
        [
            {
                "name": page.name,
                "language": page.language,
                "source": page.path.read_text("utf-8"),
                "examples": len(page.examples),
            }
            for page in pages
        ]
    )
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        archive, wanted, told = (Path(name, each) for each in ("packages.zip", "pages.json", "told.json"))
        archive.write_bytes(runtime.packages(LAB))
        wanted.write_text(given, "utf-8")
        if code := run(node, "stage.mjs", runtime.compiled_files(LAB) / "python_stdlib.zip", archive, wanted, told):
            return code
        there = json.loads(told.read_bytes())
    differ = 0
    for page, *both in zip(pages, json.loads(play_all(given)), there, strict=True):
        for messages in both:
            for message in messages:
                message.pop("waits", None)
                for raised in message.get("raised", ()):
                    raised["text"] = raised["text"].partition(":")[0]
        here_only = [message for message in both[0] if message not in both[1]]
        if here_only or len(both[0]) != len(both[1]):
            differ += 1
            print(f"{page.file}: differs from what is told in Pyodide, first: {here_only[:1]}")
    print(f"The examples of {len(pages)} pages were played in Pyodide as in a browser: {differ} pages differ.")
    return int(differ > 0)


def main() -> int:
    node = tools.program("node")
    if node is None:
        sys.exit(f"node is missing; {tools.REMEDIES['node']}")
    try:
        fetch()
    except runtime.RuntimeMissingError as error:
        sys.exit(str(error))
    print("Starting CPython 3.14 in Node (about ten seconds) ...", flush=True)
    resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    code = run(node, "inside.mjs", CACHE / "packages", PROJECT, *sys.argv[1:])
    return code or (0 if sys.argv[1:] else play_examples(node))


if __name__ == "__main__":
    sys.exit(main())
