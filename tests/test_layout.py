"""The house rules that a program can check: each module imports only what stands below it, and nothing is misnamed."""

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reference_ws"

# Each layer may import the ones before it; modules of one layer may import each other.
LAYERS = [
    {"lifecycle"},
    {"ahead", "errors", "finding", "typed"},
    {"codec"},
    {"connection"},
    {"websocket"},
    {"context", "parameters", "rooms"},
    {"binding"},
    {"views", "conversation"},
    {"routing"},
    {"application", "guards"},
]
CORE = {module for layer in LAYERS for module in layer}
# The second wing stands on the ASGI interface alone; the third on everything, and nothing imports it.
ALLOWED = {
    **{module: {m for layer in LAYERS[: n + 1] for m in layer} for n, layer in enumerate(LAYERS) for module in layer},
    "testing": {"lifecycle", "testing"},
    "transcript": {"lifecycle", "testing", "transcript"},
    "guide": {*CORE, "__version__", "testing", "transcript", "guide"},
}
CORE_LIBRARIES = {"anyio", "msgspec", "redis", "starlette"}
STANDARD = {
    "annotationlib",
    "asyncio",
    "bisect",
    "copy",
    "collections",
    "contextlib",
    "contextvars",
    "copyreg",
    "dataclasses",
    "difflib",
    "functools",
    "inspect",
    "json",
    "math",
    "re",
    "traceback",
}
STANDARD |= {"__future__", "time", "urllib", "enum", "itertools", "logging", "sys", "types", "typing"}


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(module, source):
    for name in imports(source):
        top, *rest = name.split(".")
        if top == "reference_ws":
            if module not in ("__init__", "__main__") and rest[0] not in ALLOWED[module]:
                yield name
        elif module in CORE and top not in CORE_LIBRARIES | STANDARD:
            yield name


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "reference_ws",
            "URL Address App AsyncResource CloseError ConnectionOver Cookie Depends Header Ignore LifecycleError"
            " NoConnectionError ParameterError Path Query Router Routes SocketRoute SocketView WebSocket"
            " WebSocketDataError WebSocketDisconnect WebSocketException WebSocketRoute WebSocketState"
            " WebSocketTypeError use websocket",
        ),
        (
            "reference_ws.testing",
            "Client DeadlockError HandshakeRefused HeldTimeLoop InMemoryConnection TestClient connect handshake"
            " run_in_held_time",
        ),
        (
            "reference_ws.transcript",
            "Recorder Report Transcript TranscriptError TranscriptFailure check format_step format_transcript mermaid"
            " parse play svg",
        ),
        ("reference_ws.guards", "LimitGuard OriginGuard"),
        (
            "reference_ws.lifecycle",
            "CLOSE_CODES ERRORS RECEIVE SEND CloseCode WebSocketState allowed close_code",
        ),
    ],
)
def test_the_public_names_stay(module, names):
    public = importlib.import_module(module)
    assert set() == set(names.split()) - set(public.__all__)
    assert [] == [name for name in public.__all__ if getattr(public, name, None) is None]


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_below_it(path):
    assert [] == list(forbidden(module_of(path), path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lifecycle", "from reference_ws import websocket"),
        ("websocket", "from reference_ws.routing import Router"),
        ("transcript", "from reference_ws.application import App"),
        ("routing", "import uvicorn"),
    ],
)
def test_a_forbidden_import_is_found(module, source):
    assert [] != list(forbidden(module, source))


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name]


def test_no_module_has_a_name_that_says_nothing():
    names = {Path(name).stem for name in tracked_files() if name.endswith(".py")}
    assert set() == names & {"utils", "util", "helpers", "common", "misc"}


def test_the_top_level_holds_what_was_asked_for():
    tops = {name.split("/")[0] for name in tracked_files()}
    assert {"pyproject.toml", "reference_ws", "docs", "tests", "mkdocs.yml", "locales"} <= tops


# What README lets its reader write, and what the commands make.
NOT_IN_THE_CHECKOUT = ("echo.py", ".venv/", "build/", "assets/python/")
FILE = r"`((?:[\w.<>-]+/)*[\w.<>-]+\.(?:md|po|py|toml|txt|yml)|(?:[\w.<>-]+/)+[\w.<>-]*)`"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_files_that_the_front_pages_name_are_there(name):
    named = [
        file for file in re.findall(FILE, (ROOT / name).read_text("utf-8")) if not file.startswith(NOT_IN_THE_CHECKOUT)
    ]
    patterns = {file: re.sub(r"<\w+>|NAME", "*", file).rstrip("/") for file in named}

    assert named
    assert [] == [file for file, pattern in patterns.items() if not [*ROOT.glob(pattern), *PACKAGE.glob(pattern)]]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_what_the_front_pages_link_to_is_there(name):
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", (ROOT / name).read_text("utf-8"))
    assert [] == [target for target in targets if not (ROOT / target).is_file()]


def test_the_constraints_are_exact_versions_without_addresses():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    only = r"python_version (<|>=) \"3\.\d+\"|sys_platform == \"emscripten\""
    exact = rf"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*( ; ({only}))?"
    assert [] == [line for line in lines if not re.fullmatch(rf"#.*|{exact}", line)]
