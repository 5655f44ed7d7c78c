"""`reference-ws run` and `reference-ws play`."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from server import WAIT_S, in_thread

from reference_ws.guide.command import run_pages
from reference_ws.guide.live import live_application
from reference_ws.guide.words.catalogs import LANGUAGES

ROOT = Path(__file__).parents[1]

APP = """\
from reference_ws import App, WebSocket

app = App()


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)
"""
GOOD = """\
-> connect /echo
<- accept
-> text "你好"
<- text "你好"
-> close
"""
BAD = GOOD.replace('<- text "你好"', '<- text "再见"')
DOCUMENT = f"""\
# Notes

```bash
ls
```

```python
from mine import app
```

* in a list

  ```transcript {{app=app}}
{"".join(f"  {line}" for line in GOOD.splitlines(keepends=True))}  ```

```python
assert app is not None
```
"""


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run the command in a folder of one's own, for an English reader: exit code, stdout, stderr."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(APP, "utf-8")

    yield run_command
    sys.modules.pop("mine", None)


@pytest.fixture
def page(monkeypatch, tmp_path):
    """Make a page of the documentation from sections of transcripts."""

    def write(*sections: str) -> None:
        text = f"# Page {{#page}}\n\n```python\n{APP}```\n"
        for number, section in enumerate(sections, 1):
            text += f"\n## Section {{#s{number}}}\n\n{section}\n"
        file = tmp_path / "docs" / "zh" / "page.md"
        file.parent.mkdir(parents=True)
        file.write_text(text, "utf-8")
        monkeypatch.setattr(run_pages, "source_root", lambda: tmp_path)

    return write


def fence(text: str, kind: str = "transcript") -> str:
    return f"```{kind}\n{text}```\n"


# --- run --------------------------------------------------------------------------------------------------------------


def test_a_section_is_played_line_by_line_with_states_and_a_sentence(run):
    code, output, errors = run("run", "closing#close-before-accept")

    assert (0, "") == (code, errors)
    assert (
        """\
-> connect /private
   client=CONNECTING application=CONNECTING
   The client asks for a connection, and the application can answer.
<- deny 403
   client=CONNECTING application=DISCONNECTED
   The application refuses the handshake: the client gets an HTTP response instead of a connection.
"""
        in output
    )
    assert output.startswith("docs/zh/closing.md:")


def test_a_page_is_played_as_a_whole(run):
    code, output, _ = run("run", "lifecycle", "--quiet")

    assert 0 == code
    assert re.fullmatch(r"lifecycle: 15 transcripts, \d+ steps as written\n", output)


def test_the_page_is_that_of_the_reader_s_language(run):
    assert run("run", "lifecycle#handshake", "--lang", "ru")[1].startswith("docs/ru/lifecycle.md:")


def test_a_difference_is_shown_with_exit_code_1(run, page):
    page(fence(BAD))

    code, output, errors = run("run", "page", "--quiet")

    assert (1, "") == (code, errors)
    assert re.match(r"docs/zh/page\.md:\d+: expected and got differ\n", output)
    assert output.endswith('  - <- text "再见"\n  + <- text "你好"\n')


def test_a_section_ends_at_the_next_one(run, page):
    page(fence(GOOD), fence(BAD))

    assert (0, "page#s1: 1 transcript, 5 steps as written\n", "") == run("run", "page#s1", "-q")


def test_what_stands_above_a_section_runs_but_is_not_shown(run, page):
    page(fence(GOOD), fence("again = app\n", "python") + "\n" + fence(GOOD, "transcript {app=again}"))

    code, output, _ = run("run", "page#s2")

    assert (0, 1) == (code, output.count("-> connect"))


def test_a_failing_sample_is_a_difference(run, page):
    page(fence(GOOD) + "\n" + fence("assert 1 == 2\n", "python"))

    code, output, _ = run("run", "page", "-q")

    assert 1 == code
    assert re.match(r"docs/zh/page\.md:\d+: AssertionError\n", output)


def test_a_section_without_transcripts_is_told(run, page):
    page(fence(GOOD), "Nothing here.")

    assert (2, "", "reference-ws: page#s2 has no transcript\n") == run("run", "page#s2")


def test_a_subsection_belongs_to_its_section(run, page):
    page("### Deeper {#deeper}\n\n" + fence(GOOD))

    assert (0, "page#s1: 1 transcript, 5 steps as written\n", "") == run("run", "page#s1", "-q")


def test_over_a_socket_the_live_addresses_answer(run, page, tmp_path):
    page(fence(GOOD + "== client=DISCONNECTED application=CONNECTED\n"))

    with in_thread(live_application(tmp_path / "docs")) as url:
        code, output, errors = run("run", "page", "-q", "--url", url)

    assert (0, "") == (code, errors)
    assert [
        "page: 1 transcript, 6 steps as written",
        "1 of them is about the inside of the application, which a socket doesn't show",
    ] == output.splitlines()


def test_a_server_that_does_not_answer_is_one_line(run):
    code, output, errors = run("run", "closing", "--url", "ws://127.0.0.1:1")

    assert (2, "", 1) == (code, output, errors.count("\n"))
    assert errors.startswith("reference-ws: nobody answers at ws://127.0.0.1:1: is the server running?")


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "1 стенограмма"),
        (2, "2 стенограммы"),
        (5, "5 стенограмм"),
        (21, "21 стенограмма"),
    ],
)
def test_russian_counts_transcripts_in_its_plural_forms(run, page, count, expected):
    page(*[fence(GOOD)] * count)
    (run_pages.source_root() / "docs" / "zh").rename(run_pages.source_root() / "docs" / "ru")

    assert f"page: {expected}, " in run("run", "page", "-q", "--lang", "ru")[1]


# --- play -------------------------------------------------------------------------------------------------------------


def test_a_transcript_is_played_against_an_application_of_the_current_folder(run):
    Path("my.ws").write_text(GOOD, "utf-8")

    assert (0, "my.ws: 1 transcript, 5 steps as written\n", "") == run("play", "my.ws", "--app", "mine:app", "-q")


def test_a_difference_names_the_file_and_the_line(run):
    Path("my.ws").write_text(BAD, "utf-8")

    code, output, _ = run("play", "my.ws", "--app", "mine:app")

    assert 1 == code
    assert "\nmy.ws:4: expected and got differ\n" in output


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("zh", "my.ws:4：写的和来的不一样\n"),
        ("pt", "my.ws:4: veio algo diferente do que está escrito\n"),
        ("ru", "my.ws:4: пришло не то, что написано\n"),
    ],
)
def test_a_difference_is_told_in_the_reader_s_language(run, language, expected):
    Path("my.ws").write_text(BAD, "utf-8")

    _, output, _ = run("play", "my.ws", "--app", "mine:app", "--lang", language)

    assert f"\n{expected}" in output


@pytest.mark.parametrize("what", ["raises", "says nothing", "can't be reached"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_a_difference_is_english(run, language, what):
    handler = {"raises": "    raise ValueError('42')\n", "says nothing": "    await websocket.receive_text()\n"}
    Path("other.py").write_text(APP.partition("    async for")[0] + handler.get(what, ""), "utf-8")
    Path("my.ws").write_text(GOOD, "utf-8")
    target = ("--url", "ws://127.0.0.1:1") if what == "can't be reached" else ("--app", "other:app", "--held-time")

    code, output, errors = run("play", "my.ws", *target, "--lang", language)

    told = errors or output[output.index("  - ") :]
    assert code
    assert [] == re.findall(r"\b(?:the application|nothing|within|raised|waits|connect to)\b", told)


def test_a_byte_order_mark_is_no_part_of_the_transcript(run):
    Path("my.ws").write_text(GOOD, "utf-8-sig")
    Path("notes.md").write_text(DOCUMENT, "utf-8-sig")

    assert 0 == run("play", "my.ws", "--app", "mine:app")[0]
    assert 0 == run("play", "notes.md")[0]


@pytest.mark.parametrize("character", ["\x00", "\x1b[2J", "\x9b31m"])
def test_what_a_file_holds_does_not_control_the_terminal(run, character):
    Path("my.ws").write_text(GOOD + character * 100_000, "utf-8")

    code, output, errors = run("play", "my.ws", "--app", "mine:app")

    assert (2, "", 3) == (code, output, errors.count("\n"))
    assert len(errors) < 1_000
    assert [] == re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f]", errors)


def test_the_caret_of_a_long_line_is_below_what_is_wrong(run):
    Path("my.ws").write_text(f'-> connect /\n-> text "{"a" * 5_000}" wrong{" " * 3000}#', "utf-8")

    _, _, errors = run("play", "my.ws", "--app", "mine:app")

    _, source, caret = errors.splitlines()
    assert "wrong" == source[len(caret) - 1 :][:5]


def test_headers_and_names_of_exceptions_do_not_control_the_terminal(run):
    handler = """\
    await websocket.accept(headers=[(b"x-a", b"\\x9b31m\\x1b[2J")])
    await websocket.send_text("\\x1b[2J\\u202e")
    raise type("\\x1b[2J", (Exception,), {})("\\x1b[2J")
"""
    Path("other.py").write_text(APP.partition("    await")[0] + handler, "utf-8")
    Path("my.ws").write_text('-> connect /echo\n<- accept\n    x-b: 1\n<- text "hi"', "utf-8")
    Path("more.ws").write_text('-> connect /echo\n<- accept\n<- text "hi"', "utf-8")

    for file in ("my.ws", "more.ws"):
        _, output, errors = run("play", file, "--app", "other:app")
        assert [] == re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", output + errors)


@pytest.mark.parametrize("held", [(), ("--held-time",)])
def test_ctrl_c_ends_a_play_at_once(tmp_path, held):
    program = "from reference_ws_command import main; main()"
    (tmp_path / "mine.py").write_text(APP + "    while True:\n        pass\n" if held else APP, "utf-8")
    (tmp_path / "my.ws").write_text(GOOD if held else GOOD.replace("-> close", ".. 900000ms\n-> close"), "utf-8")
    command = [sys.executable, "-c", program, "play", "my.ws", "--app", "mine:app", *held]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, **pipes, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        while process.stdout.readline() and b"text" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=WAIT_S)

    assert (130, b"") == (process.returncode, errors)


@pytest.mark.parametrize("module", ["starlette", "reference_ws.guide.command.commands", "rich.console"])
def test_ctrl_c_while_it_starts_is_no_traceback(module):
    program = f"""
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from reference_ws_command import main
main()
"""
    command = [sys.executable, "-c", program, "explain"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, check=False, timeout=WAIT_S, env=env)

    assert (130, b"", b"") == (done.returncode, done.stdout, done.stderr)


def test_the_code_of_a_markdown_document_runs(run):
    Path("notes.md").write_text(DOCUMENT, "utf-8")

    assert (0, "notes.md: 1 transcript, 5 steps as written\n", "") == run("play", "notes.md", "-q")


def test_a_failure_in_a_markdown_document_names_it_as_given(run):
    Path("notes.md").write_text(DOCUMENT.replace("is not None", "is None"), "utf-8")

    code, output, _ = run("play", "notes.md", "-q")

    assert 1 == code
    assert output.startswith("notes.md:22: AssertionError\n")


def test_the_code_of_a_markdown_document_does_not_run_with_another_application(run):
    Path("notes.md").write_text(DOCUMENT.replace("is not None", "is None"), "utf-8")

    assert 0 == run("play", "notes.md", "--app", "mine:app")[0]


@pytest.mark.parametrize(("options", "code"), [(["--held-time"], 0), ([], 1)])
def test_no_real_time_passes_in_held_time(run, options, code):
    held = 'import asyncio\nassert type(asyncio.get_running_loop()).__name__ == "HeldTimeLoop"\n'
    Path("notes.md").write_text(fence(held, "python") + DOCUMENT, "utf-8")
    Path("mine.ws").write_text(GOOD, "utf-8")

    assert code == run("play", "notes.md", "-q", *options)[0]
    assert 0 == run("play", "mine.ws", "--app", "mine:app", *options)[0]


def test_a_file_is_played_over_a_socket(run, page, tmp_path):
    page(fence(GOOD))
    Path("my.ws").write_text(GOOD, "utf-8")

    with in_thread(live_application(tmp_path / "docs")) as url:
        assert 0 == run("play", "my.ws", "--url", f"{url}/live/page")[0]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["my.ws"], "say with --app or --url what my.ws talks to"),
        (["my.ws", "--app", "mine:app", "--url", "ws://x"], "--app and --url exclude each other: give one of them"),
        (["my.ws", "--held-time", "--url", "ws://x"], "--held-time and --url exclude each other: give one of them"),
        (["my.ws", "--app", "mine"], "'mine' is no application: write --app module:name"),
        (
            ["my.ws", "--app", "nobodys:app"],
            "the application nobodys:app can't be imported: ModuleNotFoundError: No module named 'nobodys'",
        ),
        (
            ["my.ws", "--app", "mine:none"],
            "the application mine:none can't be imported: AttributeError: module 'mine' has no attribute 'none'",
        ),
        (["my.ws", "--app", "mine:__name__"], "mine:__name__ is no ASGI application: it can't be called"),
        (
            ["my.ws", "--app", "mine:echo"],
            "mine:echo takes no scope, receive and send: is it a factory? Call it: mine:echo()\n",
        ),
        (["my.ws", "--app", "exits:app"], "the application exits:app can't be imported: exits.py:2: SystemExit: 3\n"),
        (["my.ws", "--app", "skips:app"], "the application skips:app can't be imported: skips.py:5: Skipped: today\n"),
        (["my.ws", "--app", "later:make()"], "later:make() is no ASGI application: it can't be called\n"),
        (
            ["my.ws", "--app", "fails:app"],
            "the application fails:app can't be imported: fails.py:2: ZeroDivisionError: division by zero\n",
        ),
        (["my.ws", "--app", "odd:app"], "the application odd:app can't be imported: odd.py:1: SyntaxError: "),
        (["empty.md"], "empty.md has no transcript"),
        (["option.md"], "option.md:1: there is no option ap=x, only app and denial"),
        (["no-app.md"], "no-app.md:1: no application called app is defined above"),
        (["broken.ws", "--app", "mine:app"], "broken.ws:2:4: expected accept, text, bytes, json, close, deny or ..."),
        (["broken.md"], "broken.md:3:4: expected accept, text, bytes, json, close, deny or ..."),
        (["latin.ws"], "latin.ws can't be read: 'utf-8' codec can't decode byte"),
    ],
)
def test_a_mistake_is_told(run, arguments, problem):
    for name, text in {
        "my.ws": GOOD,
        "empty.md": "# Nothing\n",
        "option.md": fence(GOOD, "transcript {ap=x}"),
        "no-app.md": fence(GOOD),
        "broken.ws": "-> connect /\n<- acept\n",
        "broken.md": fence("-> connect /\n<- acept\n"),
        "exits.py": "import sys\nsys.exit(3)\n",
        "skips.py": "class Skipped(BaseException):\n    pass\n\n\nraise Skipped('today')\n",
        "later.py": "async def make():\n    pass\n",
        "fails.py": "def fail():\n    1 / 0\n\n\nfail()\n",
        "odd.py": "def\n",
    }.items():
        Path(name).write_text(text, "utf-8")
    Path("latin.ws").write_bytes(b"# \xe9\n")

    code, output, errors = run("play", *arguments)

    assert (2, "") == (code, output)
    assert errors.startswith(f"reference-ws: {problem}")
    assert "Traceback" not in errors


FACTORY = """
from contextlib import asynccontextmanager
from reference_ws import App, WebSocket

@asynccontextmanager
async def lifespan(app):
    yield {"greeting": "hello"[FROM:]}

def create_app():
    app = App(lifespan=lifespan)

    @app.router.websocket("/")
    async def greet(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text(websocket.state.greeting)

    return app
"""
GREETED = '-> connect /\n<- accept\n<- text "hello"\n<- close\n'


def test_a_factory_can_be_called_and_its_lifespan_runs(run):
    Path("begins.py").write_text(FACTORY.replace("FROM", "0"), "utf-8")
    Path("fails_to_begin.py").write_text(FACTORY.replace("FROM", '"x"'), "utf-8")
    Path("mine.ws").write_text(GREETED, "utf-8")

    assert 0 == run("play", "mine.ws", "--app", "begins:create_app()")[0]
    code, output, _ = run("play", "mine.ws", "-q", "--app", "fails_to_begin:create_app()")
    assert 1 == code
    assert output.startswith("the application could not start or stop: fails_to_begin.py:7: TypeError: ")
