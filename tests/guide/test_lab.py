import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from lab_loop import on_lab_loop
from page_script import PageScript
from server import WAIT_S, in_loop
from starlette.types import Message
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from reference_ws.guide.lab import sessions, stage
from reference_ws.guide.lab.sessions import Lab
from reference_ws.guide.pages import Page, read_page
from reference_ws.guide.running import PageRun
from reference_ws.testing.inmemory import handshake
from reference_ws.transcript import Report, parse
from reference_ws.transcript import play as play_transcript
from reference_ws.transcript.observer import Observer
from reference_ws.transcript.steps import AnyMessage

DOCS = Path(__file__).parents[2] / "docs"
# The code is the same in every language; test_lab_in_browser.py plays in all of them.
PAGES = [page for page in map(read_page, sorted(DOCS.glob("ru/*.md"))) if page.examples]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PACE_S", 0.0)


@asynccontextmanager
async def lab(docs: Path = DOCS, **bounds: float) -> AsyncIterator[str]:
    async with in_loop(Lab(docs, **bounds)) as url:
        yield url


async def played(url: str, page: Page, number: int, mode: str) -> None:
    async with PageScript(url) as script:
        over = await script.play(page.name, page.language, number, mode)
        story = script.shows[-1]["transcript"] if script.shows else ""
        assert over.get("ok"), (page.file, page.examples[number - 1].line, over, story)
        # All that was played is told; where a handler raises, the error may come before the last lines of the others.
        written, seen = parse(page.examples[number - 1].source).steps, parse(story).steps
        known = Counter(type(step) for step in written if not isinstance(step, AnyMessage))
        assert len(written) == len(seen)
        assert known <= Counter(map(type, seen))


@pytest.mark.parametrize("mode", ["run", pytest.param("step", marks=pytest.mark.full)])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_plays_as_written(page, mode):
    """All of a page's examples at once: what one reader's clients do is no news for another's."""

    async def main() -> None:
        async with lab() as url:
            await asyncio.gather(*(played(url, page, number, mode) for number in range(1, len(page.examples) + 1)))

    on_lab_loop(main())


# --- what a show holds ------------------------------------------------------------------------------------------------

ECHO = """\
# Echo {#echo}

```python
import anyio

from reference_ws import App, WebSocket

app = App()


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())


@app.router.websocket("/ticks")
async def ticks(websocket: WebSocket):
    await websocket.accept()
    number = 0
    while True:
        await websocket.send_json([number])
        number += 1
        await anyio.sleep(0.05)


@app.router.websocket("/headers")
async def headers(websocket: WebSocket):
    await websocket.accept(websocket.scope["subprotocols"][0])
    await websocket.send_json([websocket.headers.get(name) for name in ("cookie", "origin", "x-key")])


@app.router.websocket("/flood")
async def flood(websocket: WebSocket):
    await websocket.accept()
    while True:
        await websocket.send_text("more")


@app.router.websocket("/fails")
async def fails(websocket: WebSocket):
    await websocket.send_text("too early")
```

```transcript
-> connect /echo
<- accept
-> text "hi"
<- text "HI"
-> close 4000 "bye"
```
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Documents with one page, which echoes."""
    (tmp_path / "ru").mkdir()
    (tmp_path / "ru/echo.md").write_text(ECHO, "utf-8")
    return tmp_path


def run(scenario: Callable[[PageScript], Awaitable[None]], docs: Path, **bounds: float) -> None:
    """Run a scenario with one reader's script, on the event loop whose clocks can stand still."""

    async def main() -> None:
        async with lab(docs, **bounds) as url, PageScript(url) as script:
            await scenario(script)

    on_lab_loop(main())


def test_each_step_shows_the_picture_the_states_the_waiting_line_and_what_it_means(docs):
    async def scenario(script: PageScript) -> None:
        assert "Всё как написано: 5 шагов" == (await script.play("echo", "ru", 1))["title"]
        (code,) = (message for message in script.messages if message["do"] == "code")
        assert 1 == code["block"]
        lines = ECHO.split("```python\n")[1].split("\n")
        told = {show["told"]: show for show in script.shows if "told" in show}
        seen = [
            (text.split(" — ")[0], show["states"], [lines[wait["line"] - 1].strip() for wait in show["waits"]])
            for text, show in told.items()
        ]

        def states(client: str, application: str) -> list[dict[str, str]]:
            return [{"client": "", "client_state": client, "application_state": application}]

        assert [
            ("-> connect /echo", states("CONNECTED", "CONNECTING"), ["await websocket.accept()"]),
            ("<- accept", states("CONNECTED", "CONNECTED"), ["async for text in websocket.iter_text():"]),
            ('-> text "hi"', states("CONNECTED", "CONNECTED"), ["await websocket.send_text(text.upper())"]),
            ('<- text "HI"', states("CONNECTED", "CONNECTED"), ["async for text in websocket.iter_text():"]),
        ] == seen[:4]
        text, _, _ = seen[4]
        last = told[next(key for key in told if key.startswith(text))]
        assert '-> close 4000 "bye"' == text
        assert "Клиент отключается" in last["told"]
        assert '<a href="../lifecycle/#close-codes"><code>4000</code></a>' in last["explanation"]
        assert "DISCONNECTED" in last["explanation"]
        assert 5 == last["svg"].count('<g class="step"')
        assert ECHO.split("```transcript\n")[1].split("```")[0] == last["transcript"]
        widths = {re.search(r'viewBox="0 0 (\d+) ', show["svg"])[1] for show in script.shows if "svg" in show}
        assert 1 == len(widths)

    run(scenario, docs)


def test_a_step_waits_until_the_reader_wants_it(docs):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="step")
        for expected, done in (("-> connect /echo", 0), ("<- accept", 1), ('-> text "hi"', 2)):
            while (show := await script.hear("show"))["next"] != expected:
                pass
            assert done == len(show["transcript"].splitlines())
            with pytest.raises(TimeoutError):
                await script.hear("over", "show", within_s=0.2)
            await script.say("next")

    run(scenario, docs)


def test_the_clock_of_an_example_stands_still_while_a_reader_looks(docs, monkeypatch):
    monkeypatch.setattr(stage, "PACE_S", 0.2)
    ticks = "-> connect /ticks\n<- accept\n<- json [0]\n<- json [1]\n<- json [2]\n-> close 4000\n"

    async def scenario(script: PageScript) -> None:
        over = await script.play("echo", "ru", 1, script=ticks)
        assert over["ok"], over  # else it would have sent a lot meanwhile
        *_, picture = (show["svg"] for show in script.shows if "svg" in show)
        times = re.findall(r">(\d\.\d\d) s<", picture)
        assert times == sorted(times)
        assert 0.1 <= float(times[-1]) < 0.3, times

    run(scenario, docs)


def test_what_comes_instead_is_told(docs, monkeypatch):
    wrong = '-> connect /echo\n<- accept\n-> text "hi"\n<- text "hi"\n'

    async def scenario(script: PageScript) -> None:
        over = await script.play("echo", "ru", 1, script=wrong)
        assert {
            "do": "over",
            "ok": False,
            "title": "Пришло не то, что написано",
            "expected": '<- text "hi"',
            "got": '<- text "HI"',
        } == over
        assert None is script.shows[-1]["line"]
        over = await script.play("echo", "ru", 1, script="-> connect /echo\n<- accept\n<- text ...\n")
        assert "ничего за 0.3 с" == over["got"]
        over = await script.play("echo", "ru", 1, script='-> connect /echo\n<- accept\n-> text "a"\n')
        assert "больше ничего" == over["expected"]

    monkeypatch.setattr(stage, "ANSWER_S", 0.3)
    run(scenario, docs)


def test_an_error_of_the_handler_is_explained(docs):
    fails = "-> connect /fails\n<- deny 500\n!! LifecycleError\n"

    async def scenario(script: PageScript) -> None:
        over = await script.play("echo", "ru", 1, script=fails)
        assert over["ok"], over
        *_, explained = (show["explanation"] for show in script.shows if "explanation" in show)
        assert '<a href="../lifecycle/#before-accept"><code>send-before-accept</code></a>' in explained
        assert "рукопожатие" in explained

    run(scenario, docs)


# --- playing freely ---------------------------------------------------------------------------------------------------


async def told(script: PageScript, line: str) -> dict[str, Any]:
    """Wait until the story ends with `line`."""
    while (show := await script.hear("show", "problem"))["do"] != "problem":
        if show["transcript"].endswith(line + "\n"):
            return show
    raise AssertionError(show["text"])


def test_a_reader_does_what_the_page_does_not(docs):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        await script.say("line", line="ana -> connect /echo?x=1")
        await told(script, "ana <- accept")
        await script.say("line", line='ana -> text "olá"')
        await told(script, 'ana <- text "OLÁ"')
        await script.say("line", line="li -> connect /echo")
        await told(script, "li <- accept")
        await script.say("line", line="ana -> drop")
        show = await told(script, "ana -> drop")
        assert "1006" in show["explanation"]
        await script.say("line", line="li -> close 1001")  # no browser sends this code
        show = await told(script, "li -> close 1001")
        assert 8 == len(parse(show["transcript"]).steps)

    run(scenario, docs)


def test_a_drop_cuts_the_browsers_connection_without_a_close_frame(docs):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        await script.say("line", line="-> connect /echo")
        await told(script, "<- accept")
        await script.say("line", line="-> drop")
        await told(script, "-> drop")
        assert 1006 == await script.end("")

    run(scenario, docs)


def test_the_headers_are_those_that_are_written(docs):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        headers = ["cookie: a=b", "x-key: 7", "sec-websocket-protocol: chat, superchat"]
        await script.say("line", line="-> connect /headers", headers=headers)
        show = await told(script, "<- close 1000")
        assert '<- json ["a=b", null, "7"]' in show["transcript"]
        assert "<- accept\n    sec-websocket-protocol: chat\n" in show["transcript"]

    run(scenario, docs)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (['-> text "hi"'], "Этого сделать нельзя. Ожидается: подключение до этой строки (клиент)"),
        (
            ["-> connect /echo", "<- accept", "-> connect /echo"],
            "Этого сделать нельзя. Ожидается: конец открытого соединения до нового подключения (клиент)",
        ),
        (
            ["-> connect /echo", "<- accept", "-> json {"],
            "Этого сделать нельзя. Ожидается: правильный JSON (не хватает ключа в двойных кавычках)",
        ),
        (
            ["-> connect /echo", "<- accept", "-> bytes 0"],
            "Этого сделать нельзя. Ожидается: две шестнадцатеричные цифры на каждый байт",
        ),
        (["-> connect echo"], "Этого сделать нельзя. Ожидается: адрес, который начинается с /"),
        (["<- accept"], "Этого сделать нельзя. Ожидается: подключение до этой строки"),
        (
            ["-> connect /echo", "<- accept", "== client=CONNECTED application=CONNECTED"],
            "Здесь можно делать только то",
        ),
        (["-> connect /echo", "<- accept", "li -> connect /echo"], "Этого сделать нельзя. Ожидается: строка без имени"),
        (["a -> connect /echo", "a <- accept", "-> connect /echo"], "Этого сделать нельзя. Ожидается: имя клиента"),
        (
            ["-> connect /fails", "!! LifecycleError", '-> text "hi"'],
            "Этого сделать нельзя. Ожидается: новое подключение до этой строки",
        ),
        (
            ["-> connect /echo", "<- accept", "-> close 99"],
            "Этого сделать нельзя. Ожидается: код закрытия от 1000 до 4999",
        ),
    ],
)
def test_what_can_not_be_done_is_told_in_the_readers_language(docs, lines, problem):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        for line in lines[:-1]:
            if "->" in line:
                await script.say("line", line=line)
            else:
                while line not in (await script.hear("show"))["transcript"]:
                    pass
        await script.say("line", line=lines[-1])
        assert (await script.hear("problem"))["text"].startswith(problem)

    run(scenario, docs)


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [{"page": "nothing"}, {"language": "xx"}, {"example": 2}, {"example": 0}])
def test_what_is_no_example_is_told(docs, words):
    async def scenario(script: PageScript) -> None:
        await script.say("start", **{"page": "echo", "language": "ru", "example": 1, **words})
        assert "problem" == (await script.hear("problem"))["do"]
        assert (await script.play("echo", "ru", 1))["ok"]  # nothing is lost

    run(scenario, docs)


def test_a_shared_conversation_that_was_cut_off_is_told(docs):
    async def scenario(script: PageScript) -> None:
        over = await script.play("echo", "ru", 1, script="-> connect /echo\n<- acc")
        assert "Разговор из ссылки не читается: может быть, она обрезана?" == over["text"]

    run(scenario, docs)


@pytest.mark.parametrize("command", ["{", "[]", '{"do": "eval"}', '{"do": "start", "more": 1}', '"start"'])
def test_what_is_no_command_is_told(docs, command):
    async def scenario(script: PageScript) -> None:
        await script.control.send(command)
        assert "problem" == (await script.hear("problem"))["do"]
        assert (await script.play("echo", "ru", 1))["ok"]

    run(scenario, docs)


def test_a_play_ends_when_more_has_happened_than_can_be_shown(docs, monkeypatch):
    monkeypatch.setattr(stage, "MAX_STEPS", 5)

    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        await script.say("line", line="-> connect /ticks")
        assert "Запуск остановлен" in (await script.hear("problem"))["text"]
        assert await script.end("") in (1001, 1006)

    run(scenario, docs)


def test_a_session_ends_when_its_time_is_up(docs):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="step")
        assert "Время этого сеанса вышло" in (await script.hear("problem"))["text"]
        await script.control.wait_closed()
        assert 1000 == script.control.close_code

    run(scenario, docs, max_seconds=0.5)


def test_a_full_lab_says_so(docs):
    async def scenario(script: PageScript) -> None:
        async with PageScript(script.url) as other:
            assert "实验台已满" in (await other.hear("problem"))["text"]
            await other.control.wait_closed()
            assert 1013 == other.control.close_code

    run(scenario, docs, max_sessions=1)


def test_a_connection_belongs_to_the_session_that_asked_for_it(docs):
    async def scenario(script: PageScript) -> None:
        for path in ("/lab/guessed/1.1/live/echo/echo", "/lab/", "/lab/x"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(script.url + path, proxy=None)
            assert 404 == refused.value.response.status_code
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        await script.say("line", line="-> connect /echo")
        asked = await script.hear("connect")
        await told(script, "<- accept")
        for path in (asked["path"], asked["path"].replace("/1.1/", "/1.2/")):  # a second time, and never asked for
            with pytest.raises(InvalidStatus) as refused:
                await connect(script.url + path, proxy=None)
            assert 404 == refused.value.response.status_code
        assert len(asked["path"].split("/")[2]) >= 22  # 128 bits

    run(scenario, docs)


def test_a_foreign_page_is_refused(docs):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        await script.say("line", line="-> connect /echo")
        asked = await script.hear("connect")
        for path in ("/lab", asked["path"].replace("/1.1/", "/1.2/")):
            for origin in ("https://friend.example", "http://127.0.0.1:1", "null"):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(script.url + path, proxy=None, origin=Origin(origin))
                assert 403 == refused.value.response.status_code

    run(scenario, docs)


def test_nothing_is_left_when_the_reader_goes(docs):
    async def scenario(script: PageScript) -> None:
        before = len(asyncio.all_tasks())
        async with PageScript(script.url) as other:
            await other.say("start", page="echo", language="ru", example=1, mode="play")
            await other.say("line", line="-> connect /ticks")
            await other.hear("show")
            await other.say("start", page="echo", language="ru", example=1, mode="step")
            await other.hear("show")
        with anyio.fail_after(WAIT_S):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
        # One more run of the page may be ready for the next reader.
        assert 1 >= sum(name.startswith("docs.ru.echo") for name in set(sys.modules) - known)

    known = set(sys.modules)
    run(scenario, docs)


def test_a_handler_that_never_pauses_does_not_stop_the_server(docs):
    async def scenario(script: PageScript) -> None:
        with anyio.fail_after(WAIT_S):
            over = await script.play("echo", "ru", 1, script="-> connect /flood\n<- accept\n")
            assert "<- text " in over["got"]
            await script.say("start", page="echo", language="ru", example=1, mode="play")
            await script.say("line", line="-> connect /flood")
            assert "Запуск остановлен" in (await script.hear("problem"))["text"]
            assert (await script.play("echo", "ru", 1))["ok"]

    run(scenario, docs)


def test_long_messages_end_a_play_before_they_fill_the_memory(docs, monkeypatch):
    monkeypatch.setattr(stage, "MAX_CHARACTERS", 50_000)

    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        await script.say("line", line="-> connect /echo")
        await told(script, "<- accept")
        for _ in range(3):
            await script.say("line", line=f'-> text "{"a" * 20_000}"')
        assert "Запуск остановлен" in (await script.hear("problem"))["text"]

    run(scenario, docs)


def test_a_play_has_so_many_connections_and_no_more(docs, monkeypatch):
    monkeypatch.setattr(stage, "MAX_CONNECTIONS", 2)

    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        for client in ("a", "b"):
            await script.say("line", line=f"{client} -> connect /echo")
            await told(script, f"{client} <- accept")
        await script.say("line", line="c -> connect /echo")
        assert "Соединений уже достаточно" in (await script.hear("problem"))["text"]
        await script.say("line", line="a -> close")
        await told(script, "a -> close 1000")
        await script.say("line", line="c -> connect /echo")
        await told(script, "c <- accept")

    run(scenario, docs)


def test_a_connection_that_comes_too_late_is_refused(docs, monkeypatch):
    monkeypatch.setattr(stage, "ANSWER_S", 0.2)

    async def scenario(script: PageScript) -> None:
        script.deaf = True
        await script.say("start", page="echo", language="ru", example=1, mode="play")
        await script.say("line", line="-> connect /echo")
        asked = await script.hear("connect")
        assert "Браузер не подключился" in (await script.hear("problem"))["text"]
        with pytest.raises(InvalidStatus):
            await connect(script.url + asked["path"], proxy=None)
        script.deaf = False
        await script.say("line", line="-> connect /echo")
        await told(script, "<- accept")

    run(scenario, docs)


def test_only_a_reader_who_plays_freely_says_lines(docs):
    async def scenario(script: PageScript) -> None:
        await script.say("start", page="echo", language="ru", example=1, mode="step")
        await script.say("line", line="zed -> connect /echo")
        with pytest.raises(TimeoutError):
            await script.hear("connect", within_s=0.3)
        await script.say("stop")
        await script.say("line", line="zed -> connect /echo")
        assert "Сейчас ничего не запущено: нажмите кнопку." == (await script.hear("problem", "connect"))["text"]

    run(scenario, docs)


def test_a_session_without_a_play_ends_soon(docs, monkeypatch):
    monkeypatch.setattr(sessions, "FIRST_S", 0.2)

    async def scenario(script: PageScript) -> None:
        await script.control.wait_closed()

    run(scenario, docs)


def test_a_page_that_does_not_listen_is_let_go(docs, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_WAITING", 20)
    monkeypatch.setattr(sessions, "FAREWELL_S", 0.2)

    async def main() -> None:
        serving = Lab(docs)
        inbox: asyncio.Queue[Message] = asyncio.Queue()
        sent = anyio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "websocket.send":
                sent.set()
                await anyio.sleep_forever()  # the client's window is full

        inbox.put_nowait({"type": "websocket.connect"})
        for _ in range(50):
            inbox.put_nowait({"type": "websocket.receive", "text": "{"})
        with anyio.fail_after(WAIT_S):
            await serving(handshake("/lab"), inbox.get, send)
        assert sent.is_set()

    on_lab_loop(main())


def test_what_is_stopped_while_its_page_runs_leaves_nothing(docs):
    async def scenario(script: PageScript) -> None:
        for _ in range(5):
            await script.say("start", page="echo", language="ru", example=1, mode="run")
            await script.say("stop")
        assert (await script.play("echo", "ru", 1))["ok"]
        with anyio.fail_after(WAIT_S):
            while sum(name.startswith("docs.ru.echo") for name in set(sys.modules) - known) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    known = set(sys.modules)
    run(scenario, docs)


def test_what_the_application_sends_before_a_goodbye_is_told(docs):
    script_text = '-> connect /echo\n<- accept\n-> text "a"\n-> close 4000\n<- text "A"\n'

    async def scenario(script: PageScript) -> None:
        assert (await script.play("echo", "ru", 1, script=script_text))["ok"]
        assert '<- text "A"\n-> close 4000\n' in script.shows[-1]["transcript"]

    run(scenario, docs)


# --- many readers, and the observer -----------------------------------------------------------------------------------


def test_fifty_readers_at_once():
    async def reader(url: str, number: int) -> None:
        pages = [("closing", 1), ("messages", 1), ("handlers", 2), ("connection", 1), ("views", 1)]
        page, example = pages[number % len(pages)]
        async with PageScript(url) as script:
            over = await script.play(page, ("zh", "pt", "ru")[number % 3], example, ("run", "step")[number % 2])
            assert over.get("ok"), (page, over)

    async def main() -> None:
        async with lab() as url:
            await asyncio.gather(*(reader(url, number) for number in range(50)))

    on_lab_loop(main())


def some(pages: Sequence[Page]) -> list[object]:
    """Leave two thirds of the pages to `make lab`, which takes them all."""
    return [page if at % 3 == 0 else pytest.param(page, marks=pytest.mark.full) for at, page in enumerate(pages)]


@pytest.mark.parametrize("page", some(PAGES), ids=lambda page: page.name)
def test_an_example_behaves_the_same_when_it_is_observed(page):
    async def reports(*, observed: bool) -> list[Report]:
        played, events = [], []

        page_run = PageRun(page)
        for fence in page.fences:
            if fence.kind == "python":
                await page_run.python(fence)
            elif fence.kind == "transcript":
                app = page_run.application(fence)
                app = Observer(app, events.append) if observed else app
                script = page.transcript(fence)
                played.append(await play_transcript(app, script, denial=fence.denial))
        page_run.close()
        assert observed == bool(events)
        return played

    plain, seen = asyncio.run(reports(observed=False)), asyncio.run(reports(observed=True))
    assert [str(report) for report in plain] == [str(report) for report in seen]
    assert all(report.ok for report in seen)
