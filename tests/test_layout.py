"""The house rules that a program can check: each module imports only what stands below it, and nothing is misnamed."""

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest
from checks import prose
from markdown_it import MarkdownIt

from reference_ws.guide.glossary import read_terms
from reference_ws.guide.pages import Fence, Page, read_page
from reference_ws.guide.words.catalogs import LANGUAGES

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


READMES = ["README.md", *(f"README.{language}.md" for language in LANGUAGES)]
# What README lets its reader write, and what the commands make.
NOT_IN_THE_CHECKOUT = ("echo.py", ".venv/", "build/", "assets/python/")
FILE = r"`((?:[\w.<>-]+/)*[\w.<>-]+\.(?:md|po|py|toml|txt|yml)|(?:[\w.<>-]+/)+[\w.<>-]*)`"


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md", "SECURITY.md"])
def test_the_files_that_the_front_pages_name_are_there(name):
    named = [
        file for file in re.findall(FILE, (ROOT / name).read_text("utf-8")) if not file.startswith(NOT_IN_THE_CHECKOUT)
    ]
    patterns = {file: re.sub(r"<\w+>|NAME", "*", file).rstrip("/") for file in named}

    assert named
    assert [] == [file for file, pattern in patterns.items() if not [*ROOT.glob(pattern), *PACKAGE.glob(pattern)]]


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_what_the_front_pages_link_to_is_there(name):
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", (ROOT / name).read_text("utf-8"))
    assert [] == [target for target in targets if not (ROOT / target).is_file()]


@pytest.mark.parametrize("name", READMES[1:])
def test_a_readme_has_the_commands_and_the_samples_of_the_english_one(name):
    english, translated = (
        [(token.info, token.content) for token in MarkdownIt().parse((ROOT / each).read_text("utf-8")) if token.info]
        for each in ("README.md", name)
    )
    assert english == translated


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_prose_of_a_readme_keeps_the_rules_of_the_pages(language):
    path = ROOT / f"README.{language}.md"
    tokens = [token for token in MarkdownIt().parse(path.read_text("utf-8")) if token.info]
    fences = [Fence(token.info, {}, token.content, token.map[0] + 1, "") for token in tokens]
    page = Page(language, "README", path, "reference_ws", tuple(fences), ())

    assert [] == list(prose.check(page, read_terms(ROOT / "docs")))


ADVANTAGE = r"^\| .* \| `([a-z-]+)` \|$"


@pytest.mark.parametrize("name", READMES)
def test_what_the_readmes_say_against_starlette_is_run_with_both_libraries(name):
    named = re.findall(ADVANTAGE, (ROOT / name).read_text("utf-8"), re.MULTILINE)
    source = (ROOT / "tests/starlette/test_differences.py").read_text("utf-8")

    assert re.findall(ADVANTAGE, (ROOT / "README.md").read_text("utf-8"), re.MULTILINE) == named
    assert len(named) == 6
    assert [] == [each for each in named if f"\ndef {each.replace('-', '_')}(library: Library)" not in source]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sections_that_a_readme_links_to_are_there(language):
    linked = re.findall(r"\]\(docs/(\w+)/([\w-]+)\.md#([\w-]+)\)", (ROOT / f"README.{language}.md").read_text("utf-8"))
    pages = {name: read_page(ROOT / "docs" / language / f"{name}.md") for _, name, _ in linked}

    assert len(linked) == 7  # a lesson for each advantage, and the list of all differences
    assert {language} == {each for each, _, _ in linked}
    assert [] == [
        (name, anchor) for _, name, anchor in linked if anchor not in {each.anchor for each in pages[name].headings}
    ]


def test_the_constraints_are_exact_versions_without_addresses():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    only = r"python_version (<|>=) \"3\.\d+\"|sys_platform == \"emscripten\""
    exact = rf"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*( ; ({only}))?"
    assert [] == [line for line in lines if not re.fullmatch(rf"#.*|{exact}", line)]
