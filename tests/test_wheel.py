"""All that a reader gets works from an installed wheel, in an empty folder, far from the checkout."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from server import WAIT_S, in_process, in_thread
from wheel import ROOT, of_a_reader

import reference_ws
from reference_ws.guide.words.catalogs import LANGUAGES

APP = """\
from reference_ws import App, WebSocket

app = App()


@app.router.websocket("/hello")
async def hello(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("hello")
"""
TRANSCRIPT = """\
-> connect /hello
<- accept
<- text "hello"
<- close
"""


@pytest.fixture
def reader(tmp_path):
    return of_a_reader(tmp_path)


@pytest.fixture
def run(install, reader):
    """Run the installed command: exit code, stdout, stderr."""

    def run_command(*arguments: str, extra: str = "serve") -> tuple[int, str, str]:
        command = [install(extra) / "bin" / "reference-ws", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S, **reader)
        return done.returncode, done.stdout, done.stderr

    return run_command


def test_the_package_is_the_installed_one(installed, reader):
    code = "import reference_ws; print(reference_ws.__file__)"
    file = subprocess.check_output([installed / "bin" / "python", "-c", code], text=True, **reader)

    assert Path(file.strip()).is_relative_to(installed)


def test_the_wheel_carries_pages_and_catalogs_as_they_are(installed):
    (package,) = installed.glob("lib/python*/site-packages/reference_ws")

    for inside, folder in {"_source/docs": ROOT / "docs", "_locales": ROOT / "locales"}.items():
        expected = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
        got = {
            path.relative_to(package / inside): path.read_bytes()
            for path in (package / inside).rglob("*.*")
            if path.is_file()
        }
        assert expected == got
    assert (ROOT / "mkdocs.yml").read_bytes() == (package / "_source" / "mkdocs.yml").read_bytes()
    assert (package / "py.typed").is_file()


def test_the_version_stands_once(told, run):
    assert reference_ws.__version__ == told["Version"]
    assert (0, f"reference-ws {told['Version']}\n", "") == run("--version")


def test_extras_are_for_users_only(told):
    assert ["cli", "rooms", "serve", "sockets"] == sorted(told.get_all("Provides-Extra"))


def test_the_description_links_to_nothing_that_only_a_checkout_has(told):
    readme, description = (ROOT / "README.md").read_text("utf-8"), told.get_payload()

    assert [] == [link for link in links(description) if not re.match("https?://", link)]
    assert [link for link in links(readme) if re.match("https?://", link)] == links(description)
    assert "CONTRIBUTING.md says" in description
    assert "![" not in description


def links(markdown):
    """List what a Markdown text's links and pictures lead to."""
    inline = [child for token in MarkdownIt().parse(markdown) for child in token.children or ()]
    return [target for token in inline if (target := token.attrGet("href") or token.attrGet("src"))]


# --- extras -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    """Serve the application over sockets; gives ``ws://127.0.0.1:PORT``."""
    names = {}
    exec(APP, names)
    with in_thread(names["app"]) as url:
        yield url


def python(environment, code, reader):
    command = [environment / "bin" / "python", "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S, **reader)


def test_without_an_extra_the_library_is_all_there(install, reader):
    code = f"import mine, anyio; from reference_ws.testing import connect\n{CHECK}"
    (reader["cwd"] / "mine.py").write_text(APP, "utf-8")

    done = python(install(), code, reader)

    assert (0, "4\n", "") == (done.returncode, done.stdout, done.stderr)


CHECK = f"""
from reference_ws.transcript import check, mermaid, parse, svg
svg(parse({TRANSCRIPT!r})), mermaid(parse({TRANSCRIPT!r}))
print(len(anyio.run(check, mine.app, {TRANSCRIPT!r}).played))
"""


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_without_an_extra_the_command_says_what_is_missing(run, arguments):
    code, output, errors = run(*arguments, extra="")

    assert (2, "") == (code, output)
    remedy = "run `pip install 'reference-ws[cli]'`, or 'reference-ws[serve]' for the documentation too"
    assert re.fullmatch(rf"reference-ws: \w+ is not installed: {re.escape(remedy)}\n", errors)


def test_without_websockets_a_player_over_sockets_says_what_is_missing(install, reader):
    code = (
        "import anyio; from reference_ws.transcript import check; anyio.run(check, 'ws://127.0.0.1:1', '-> connect /')"
    )

    assert "run `pip install 'reference-ws[sockets]'`\n" in python(install(), code, reader).stderr


def test_pygments_is_left_as_it_was_whatever_extra_is_installed(install, reader):
    code = """
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound
print(get_lexer_by_name("transcript").name)
try:
    get_lexer_by_name("nobody's")
except ClassNotFound:
    print("not found")
"""
    done = python(install("cli"), code, reader)

    assert ("Transcript\nnot found\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_the_extra_cli_the_command_speaks(run, language):
    help_, explanation = (
        run("--lang", language, *arguments, extra="cli") for arguments in (["--help"], ["explain", "1006"])
    )

    assert [(0, "")] * 2 == [result[::2] for result in (help_, explanation)]


def test_with_the_extra_cli_a_person_plays_transcripts_in_memory_and_over_sockets(run, tmp_path, server):
    (tmp_path / "mine.py").write_text(APP, "utf-8")
    (tmp_path / "mine.ws").write_text(TRANSCRIPT, "utf-8")
    (tmp_path / "mine.md").write_text(f"```python\n{APP}```\n\n```transcript\n{TRANSCRIPT}```\n", "utf-8")
    played = "1 transcript, 4 steps as written\n"

    for target in (["mine.ws", "--app", "mine:app"], ["mine.md"], ["mine.ws", "--url", server]):
        assert (0, f"{target[0]}: {played}", "") == run("play", *target, "-q", extra="cli")


def test_with_the_extra_cli_a_person_talks_to_a_server(run, server):
    code, output, errors = run("connect", f"{server}/hello", extra="cli")

    assert (0, "") == (code, errors)
    assert '<- text "hello"\n' in output


def test_with_the_extra_cli_readme_s_first_program_plays_and_is_tested(install, run, reader):
    tokens = MarkdownIt().parse((ROOT / "README.md").read_text("utf-8"))
    samples = [token.content for token in tokens if token.info in ("python", "transcript")]
    for name, sample in zip(["echo.py", "echo.ws", "conftest.py"], samples, strict=True):
        (reader["cwd"] / name).write_text(sample, "utf-8")

    def test() -> tuple[int, str]:
        # pytest is no part of the extra: here the one that runs this test, with the plugin as an installed package's.
        plugins = {"PYTEST_PLUGINS": "reference_ws.transcript.plugin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        env = {**reader["env"], **plugins, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=WAIT_S, cwd=reader["cwd"], env=env
        )
        return done.returncode, done.stdout

    played = run("play", "echo.ws", "--app", "echo:app", "--lang", "pt", extra="cli")
    passed = test()
    (reader["cwd"] / "echo.ws").write_text(samples[1].replace("<- text", "<- json"), "utf-8")
    failed = test()

    assert (0, "echo.ws: 1 transcrição, 5 passos tal como estão escritos", "") == (
        played[0],
        played[1].splitlines()[-1],
        played[2],
    )
    assert (0, "1 passed") == (passed[0], passed[1].splitlines()[-1].partition(" in ")[0]), passed[1]
    assert failed[0] == 1
    assert "FAILED echo.ws::transcript" in failed[1]
    assert "\necho.ws:4: expected and got differ\n" in failed[1]


@pytest.mark.parametrize("command", [["examples"], ["run", "closing", "-q"]])
def test_with_the_extra_cli_the_pages_are_listed_and_played(run, command):
    code, output, errors = run(*command, "--lang", "pt", extra="cli")

    assert (0, "") == (code, errors)
    assert "closing" in output


def test_with_the_extra_cli_what_needs_the_site_says_so(run):
    code, output, errors = run("serve", "--port", "0", "--lang", "pt", extra="cli")

    assert (2, "") == (code, output)
    assert re.fullmatch(
        r"reference-ws: \w+ não está instalado: execute `pip install 'reference-ws\[serve\]'`\n", errors
    )


# --- with the extra serve ---------------------------------------------------------------------------------------------


def test_pages_and_words_are_there(run):
    help_, examples, explanation = (
        run("--lang", "ru", *arguments) for arguments in (["--help"], ["examples"], ["explain", "accept"])
    )

    assert [(0, "")] * 3 == [result[::2] for result in (help_, examples, explanation)]
    assert not help_[1].startswith("Usage")
    assert "ws://127.0.0.1:8000/live/closing/" in examples[1]
    assert explanation[1].endswith("/lifecycle/#transitions\n")


def test_a_page_runs(run):
    code, output, errors = run("run", "lifecycle#handshake", "--lang", "pt")

    assert (0, "") == (code, errors)
    assert "lifecycle#handshake: 1 transcrição" in output


def test_a_person_s_own_transcript_plays(run, tmp_path):
    (tmp_path / "mine.py").write_text(APP, "utf-8")
    (tmp_path / "mine.ws").write_text(TRANSCRIPT, "utf-8")

    assert (0, "mine.ws: 1 transcript, 4 steps as written\n", "") == run("play", "mine.ws", "--app", "mine:app", "-q")


def title_of(address: str) -> str:
    with urllib.request.urlopen(address) as response:
        return re.search("<title>(.+)</title>", response.read().decode())[1]


def test_the_site_is_built_and_served(installed, home_with_site, run):
    command = [installed / "bin" / "reference-ws", "serve", "--no-browser", "--no-fetch", "--port", "0"]
    with in_process(*command, **of_a_reader(home_with_site)) as server:
        pages = ("", "pt/closing/", "ru/lifecycle/")
        titles = [title_of(f"http://127.0.0.1:{server.port}/{page}") for page in pages]
        closing = run("run", "closing", "-q", "--url", server.url)
        server.process.send_signal(signal.SIGINT)
        output, errors = server.rest()

    assert 3 == len(set(titles))
    assert (0, "") == closing[::2]
    assert (130, "", "") == (server.process.returncode, output, errors)


def test_pytest_finds_the_plugins(install, reader):
    code = """
from importlib.metadata import entry_points
from importlib.util import find_spec
for plugin in sorted(entry_points(group="pytest11"), key=lambda plugin: plugin.name):
    if plugin.value.startswith("reference_ws"):
        print(plugin.name == plugin.value, find_spec(plugin.value).name)
"""
    done = python(install(), code, reader)

    assert "True reference_ws.testing.plugin\nTrue reference_ws.transcript.plugin\n" == done.stdout, done.stderr
