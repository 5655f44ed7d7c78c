"""Run the library's tests on CPython 3.14 with no such interpreter installed: ``python -m py314 [pytest's arguments]``.

Pyodide is CPython 3.14 in WebAssembly, and runs in Node. It is fetched once, with the packages that the tests need.
"""

import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import tools
from packaging.requirements import Requirement

PROJECT: Final = Path(__file__).parents[2]
CACHE: Final = PROJECT / ".cache/py314"

FROM_NPM: Final = ("pyodide@314.0.7", "ws@8.23.0")
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


def fetch(npm: str, wanted: list[str]) -> None:
    """Fill the cache. Installing would look at the Python that runs pip, so the wheels are downloaded and unpacked."""
    print("Fetching Pyodide and the packages into .cache/py314 (once, about half a minute) ...", flush=True)
    subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", CACHE, *FROM_NPM], check=True)
    wheels = CACHE / "wheels"
    where = ["--python-version", "3.14", "--implementation", "cp", "--abi", "cp314"]
    where += ["--platform", "pyemscripten_2026_0_wasm32", "--platform", "any"]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--only-binary=:all:", *where, "-d", wheels, *wanted], check=True)
    for wheel in wheels.glob("*.whl"):
        with ZipFile(wheel) as archive:
            archive.extractall(CACHE / "packages")


def main() -> int:
    found = {tool: tools.program(tool) for tool in ("node", "npm")}
    for tool, program in found.items():
        if program is None:
            sys.exit(f"{tool} is missing; {tools.REMEDIES[tool]}")
    CACHE.mkdir(parents=True, exist_ok=True)
    ready, wanted = CACHE / "ready", versions()
    content = "\n".join([*FROM_NPM, *wanted])
    if not ready.exists() or ready.read_text("utf-8") != content:
        for old in ("packages", "wheels"):
            shutil.rmtree(CACHE / old, ignore_errors=True)
        fetch(found["npm"], wanted)
        ready.write_text(content, "utf-8")
    print("Starting CPython 3.14 in Node (about ten seconds) ...", flush=True)
    inside = Path(__file__).with_name("inside.mjs")
    resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    folders = [CACHE / "node_modules/pyodide", CACHE / "packages", PROJECT]
    command = [found["node"], f"--stack-size={(STACK - 3 * 1024**2) // 1024}", inside, *folders, *sys.argv[1:]]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
