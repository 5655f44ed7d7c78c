"""All that a reader gets works from an installed wheel, in an empty folder, far from the checkout."""

import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from server import WAIT_S, in_process
from wheel import ROOT, of_a_reader

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
def run(installed, reader):
    """Run the installed command: exit code, stdout, stderr."""

    def run_command(*arguments: str) -> tuple[int, str, str]:
        command = [installed / "bin" / "reference-ws", *arguments]
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


def test_the_command_tells_its_version(run):
    code, output, errors = run("--version")

    assert (0, "") == (code, errors)
    assert re.fullmatch(r"reference-ws \d+\.\d+\.\d+\n", output)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_and_words_are_there(run, language):
    help_, examples, explanation = (
        run("--lang", language, *arguments) for arguments in (["--help"], ["examples"], ["explain", "accept"])
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
    command = [installed / "bin" / "reference-ws", "serve", "--no-browser", "--port", "0"]
    with in_process(*command, **of_a_reader(home_with_site)) as server:
        pages = ("", "pt/closing/", "ru/lifecycle/")
        titles = [title_of(f"http://127.0.0.1:{server.port}/{page}") for page in pages]
        closing = run("run", "closing", "-q", "--url", server.url)
        server.process.send_signal(signal.SIGINT)
        output, errors = server.process.communicate(timeout=WAIT_S)

    assert 3 == len(set(titles))
    assert (0, "") == closing[::2]
    assert (0, "", "") == (server.process.returncode, output, errors)
