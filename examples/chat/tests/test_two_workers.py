"""The chat as README runs it: in one process, and with Redis and two workers behind nginx, in a browser's tabs."""

import os
import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic

import chat
import pytest
from browser import LAUNCHED
from playwright.sync_api import Page, WebSocketRoute, expect, sync_playwright
from redis_server import RedisServer, redis_server
from server import WAIT_S, Process, free_port, in_nginx, in_process
from tools import program

import reference_ws.rooms
from reference_ws import Rooms, WebSocketDisconnect
from reference_ws.testing import connect

HERE = Path(chat.__file__).parent
ROOT = HERE.parents[1]
CONFIGURATION = (HERE / "nginx.conf").read_text("utf-8")
WORKERS = re.findall(
    r"^\$ \.venv/bin/(uvicorn chat:app --port .*)", (HERE / "README.md").read_text("utf-8"), re.MULTILINE
)
BEHIND = (":8001 ", ":8002 ")
HANDSHAKE = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
HOSTILE = '<img src=x onerror="document.title=1">'


def with_ana_and_li(folder: Path, **settings: str) -> dict[str, str]:
    """Follow README up to the two who may sign in; gives the environment of the chat's processes."""
    users = str(folder / "users.json")
    environment = {**os.environ, **settings, "PYTHONPATH": f"{ROOT}:{HERE}", "CHAT_USERS": users}
    for name in ("ana", "li"):
        added = [sys.executable, HERE / "chat.py", name]
        subprocess.run(added, input="open sesame\n", text=True, env=environment, check=True, timeout=WAIT_S)
    return environment


def running(command: str, port: int, folder: Path, environment: dict[str, str]) -> AbstractContextManager[Process]:
    words = [str(port) if word in ("8001", "8002") else word for word in shlex.split(command)]
    return in_process(sys.executable, "-m", *words, port=port, cwd=folder, env=environment)


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[tuple[str, list[Process], RedisServer]]:
    """Follow README, on free ports; gives the chat's address, the workers and Redis."""
    ports = [free_port(), free_port()]
    with redis_server(tmp_path) as redis, ExitStack() as stack:
        environment = with_ana_and_li(tmp_path, CHAT_ENGINE=redis.url, CHAT_SECRET=secrets.token_hex())
        workers = [
            stack.enter_context(running(command, port, tmp_path, environment))
            for command, port in zip(WORKERS, ports, strict=True)
        ]
        behind = {old: f":{port} " for old, port in zip(BEHIND, ports, strict=True)}
        nginx = stack.enter_context(in_nginx(tmp_path, CONFIGURATION, behind))
        yield f"http://127.0.0.1:{nginx.port}/#garden", workers, redis


@pytest.fixture
def open_tab() -> Iterator[Callable[..., Page]]:
    expect.set_options(timeout=WAIT_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), **LAUNCHED)

        def opened(url: str, language: str, name: str, between: Callable[[WebSocketRoute], None] | None = None) -> Page:
            tab = browser.new_context(locale=language).new_page()
            if between:
                tab.clock.install()
                tab.route_web_socket("**/rooms/*", between)
            tab.goto(url)
            sign_in(tab, name)
            return tab

        yield opened
        browser.close()


def accepted(worker: Process) -> bool:
    return "[accepted]" in worker.output.read() + worker.errors.read()


def sign_in(tab: Page, name: str) -> None:
    tab.locator("#sign-in [name=name]").fill(name)
    tab.locator("#sign-in [name=password]").fill("open sesame")
    tab.locator("#sign-in button").click()
    expect(tab.locator("#status")).to_have_class("open")


def say(tab: Page, text: str) -> None:
    tab.locator("#say [name=text]").fill(text)
    tab.locator("#say [name=text]").press("Enter")


@pytest.mark.needs("nginx")
def test_nginx_counts_every_handshake_whatever_its_path_and_no_page(tmp_path):
    """``/rooms/..`` is ``/`` to nginx, and to a worker the room ``..``, which asks for a password like any other."""
    strict = {"rate=5r/s": "rate=1r/m", "burst=40 ": ""}
    nobody = {old: f":{free_port()} " for old in BEHIND}

    def status(path: str, **headers: str) -> int:
        connection = HTTPConnection("127.0.0.1", nginx.port, timeout=WAIT_S)
        with closing(connection):
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status

    with in_nginx(tmp_path, CONFIGURATION, {**nobody, **strict}) as nginx:
        assert [502] * 3 == [status("/chat.js") for _ in range(3)]  # no worker is there
        assert 502 == status("/rooms/..", upgrade="websocket")
        for path in ("/rooms/..", "/rooms/hall", "/"):
            assert 503 == status(path, upgrade="websocket")


@pytest.mark.needs("nginx")
def test_workers_that_are_back_get_all_who_come(tmp_path):
    """Left to itself nginx lets one connection through to each every ten seconds, as none of those before has ended."""
    ports = [free_port() for _ in BEHIND]
    with ExitStack() as stack:
        behind = {old: f":{port} " for old, port in zip(BEHIND, ports, strict=True)}
        nginx = stack.enter_context(in_nginx(tmp_path, CONFIGURATION, behind))

        def status() -> int:
            connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", nginx.port, timeout=WAIT_S)))
            connection.request("GET", "/rooms/hall", headers={**HANDSHAKE, "origin": f"http://127.0.0.1:{nginx.port}"})
            return connection.getresponse().status

        assert 502 == status()
        environment = with_ana_and_li(tmp_path)
        for command, port in zip(WORKERS, ports, strict=True):
            stack.enter_context(running(command, port, tmp_path, environment))
        assert [101] * 6 == [status() for _ in range(6)]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nobody_is_welcome_while_the_rooms_are_away(app, monkeypatch):
    """The page would say that it is connected, and show an empty room."""
    monkeypatch.setattr(chat, "rooms", Rooms(f"redis://127.0.0.1:{free_port()}", history=200, id_key="id"))
    monkeypatch.setattr(reference_ws.rooms, "WAIT_S", 0.01)  # nothing is there, however long it is waited for
    async with connect(app, "wss://chat.example/rooms/hall", headers={"origin": "https://chat.example"}) as ana:
        await ana.send_json({"token": chat.token_of("ana", 4102444800)})
        with pytest.raises(WebSocketDisconnect, match="1013"):
            await ana.receive_json()


def test_nobody_is_added_without_a_password(tmp_path):
    users = tmp_path / "users.json"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{HERE}", "CHAT_USERS": str(users)}
    added = [sys.executable, HERE / "chat.py", "ana"]
    for nothing in ("", "\n"):
        assert subprocess.run(added, input=nothing, text=True, env=environment, check=False, timeout=WAIT_S).returncode
    assert not users.exists()


@pytest.mark.needs("chromium")
def test_a_tab_cuts_nothing_off_and_says_nothing_in_anothers_name(tmp_path, open_tab):
    environment, port = with_ana_and_li(tmp_path), free_port()
    with running(WORKERS[0], port, tmp_path, environment) as worker:
        tab = open_tab(f"http://127.0.0.1:{port}/", "zh-CN", "ana")
        expect(tab.locator("#say [name=text]")).to_be_focused()
        tab.set_viewport_size({"width": 360, "height": 300})
        for number in range(9):
            say(tab, str(number))
        expect(tab.locator("#said time")).to_have_count(9)
        say(tab, "\U0001f600" * 1001)
        expect(tab.locator("#status")).to_have_text("消息有 1001 个字符，最多 1000 个")
        expect(tab.locator("#say [name=text]")).to_have_value("\U0001f600" * 1001)
        expect(tab.locator("#said li").last).to_be_in_viewport(ratio=1)  # though the line above it has become two
        say(tab, "\U0001f600" * 1000)
        expect(tab.locator("#said time + b + bdi")).to_have_text([*"012345678", "\U0001f600" * 1000])
        expect(tab.locator("#status")).to_have_class("open")
        for name in ("a/b", ".."):
            tab.locator("#door input").fill(name)
            tab.locator("#door input").press("Enter")
            expect(tab.locator("#status")).to_have_text("房间名只能用文字、数字、- 和 _，最多 32 个字符")
        tab.locator("#door input").fill("hall")
        tab.locator("#door input").press("Enter")
        expect(tab.locator("#status")).to_have_class("open")
        expect(tab.locator("#said time")).to_have_count(10)
        worker.process.kill()
        expect(tab.locator("#status")).not_to_have_class("open")
        say(tab, "I am ana")
        expect(tab.locator("#said .waiting")).to_have_text(["I am ana"])
    with running(WORKERS[0], port, tmp_path, environment):  # it has another secret now, as README says
        expect(tab.locator("#refused")).to_be_visible()
        sign_in(tab, "li")
        say(tab, "I am li")
        expect(tab.locator("#said bdi")).to_have_text([*"012345678", "\U0001f600" * 1000, "I am li"])
        expect(tab.locator("#said .waiting")).to_have_count(0)
        tab.clock.set_fixed_time(datetime.now() + timedelta(days=1))
        tab.reload()
        expect(tab.locator("#said time")).to_have_text([re.compile(r"^\d+/\d+ \d\d:\d\d$")])  # said yesterday


@pytest.mark.needs("chromium")
def test_a_tab_that_only_reads_notices_that_the_server_is_gone(tmp_path, open_tab):
    """The network swallows all that comes, and tells nobody."""
    environment, port = with_ana_and_li(tmp_path), free_port()
    asked: list[str] = []
    heard: list[str] = []

    def between(page: WebSocketRoute) -> None:
        server = page.connect_to_server()
        page.on_message(lambda text: (asked.append(text), server.send(text)))
        server.on_message(lambda text: (heard.append(text), None if cut else page.send(text)))

    def until_heard(answers: int) -> None:
        deadline = monotonic() + WAIT_S
        while len([text for text in heard if '"here"' in text]) < answers:
            assert monotonic() < deadline, heard
            tab.wait_for_timeout(20)

    cut = False
    with running(WORKERS[0], port, tmp_path, environment):
        tab = open_tab(f"http://127.0.0.1:{port}/", "ru-RU", "ana", between)
        tab.clock.fast_forward(26_000)
        until_heard(1)
        tab.clock.fast_forward(11_000)  # no longer than the answer may take
        expect(tab.locator("#status")).to_have_class("open")
        cut = True
        tab.clock.fast_forward(26_000)
        until_heard(2)
        expect(tab.locator("#status")).to_have_class("open")  # it waits
        tab.clock.fast_forward(11_000)
        expect(tab.locator("#status")).not_to_have_class("open")
        assert ['{"key":"0"}'] * 2 == asked[1:]


@pytest.mark.needs("chromium", "nginx", "redis")
def test_two_tabs_lose_and_double_nothing_when_a_worker_is_killed_and_then_redis(deployed, open_tab):
    url, workers, redis = deployed
    ana = open_tab(url, "pt-BR", "ana")
    hers, other = sorted(workers, key=accepted, reverse=True)
    li = open_tab(url, "ru-RU", "li")
    assert accepted(other)  # a worker each
    assert "Enviar" == ana.locator("#say button").text_content()
    assert "Отправить" == li.locator("#say button").text_content()
    texts = [f"{number} {HOSTILE}" for number in range(9)]
    say(ana, texts[0])
    expect(li.locator("#said bdi")).to_have_text(texts[:1])
    for text in texts[1:]:
        say(ana, text)  # four a second are sent: most of them still wait, one may be on its way
    hers.process.kill()
    say(li, "are you there?")

    for tab in (ana, li):
        expect(tab.locator("#said .waiting")).to_have_count(0)
        expect(tab.locator("#said bdi")).to_have_count(10)
    heard, seen = (tab.locator("#said bdi").all_text_contents() for tab in (ana, li))
    assert heard == seen
    assert texts == [text for text in heard if text != "are you there?"]

    redis.kill()
    say(ana, "and now?")
    expect(ana.locator("#said .waiting")).to_have_count(1)
    expect(ana.locator("#status")).to_have_text(re.compile("^O servidor não consegue entregar as mensagens"))
    with ana.expect_event("dialog") as asked:
        ana.close(run_before_unload=True)
    assert "beforeunload" == asked.value.type
    asked.value.dismiss()
    redis.start()
    expect(ana.locator("#said .waiting")).to_have_count(0)
    expect(ana.locator("#status")).to_have_class("open")
    for tab in (ana, li):
        expect(tab.locator("#said bdi")).to_have_text([*heard, "and now?"])
    assert [0, 0] == [tab.locator("img").count() for tab in (ana, li)]
