"""The chat as README deploys it: Redis, two workers behind nginx, two tabs; and a worker that is killed, then Redis."""

import os
import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import chat
import pytest
from browser import LAUNCHED
from playwright.sync_api import Page, expect, sync_playwright
from redis_server import RedisServer, redis_server
from server import WAIT_S, Process, free_port, in_nginx, in_process
from tools import program

HERE = Path(chat.__file__).parent
ROOT = HERE.parents[1]
CONFIGURATION = (HERE / "nginx.conf").read_text("utf-8")
WORKERS = re.findall(
    r"^\$ \.venv/bin/(uvicorn chat:app --port .*)", (HERE / "README.md").read_text("utf-8"), re.MULTILINE
)
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[tuple[str, list[Process], RedisServer]]:
    """Follow README, on free ports; gives the chat's address, the workers and Redis."""
    ports = [free_port(), free_port()]
    with redis_server(tmp_path) as redis, ExitStack() as stack:
        settings = {"CHAT_ENGINE": redis.url, "CHAT_SECRET": secrets.token_hex(), "PYTHONPATH": f"{ROOT}:{HERE}"}
        environment = {**os.environ, **settings, "CHAT_USERS": str(tmp_path / "users.json")}
        for name in ("ana", "li"):
            added = [sys.executable, HERE / "chat.py", name]
            subprocess.run(added, input="open sesame\n", text=True, env=environment, check=True, timeout=WAIT_S)
        workers = []
        for command, port in zip(WORKERS, ports, strict=True):
            words = [str(port) if word in ("8001", "8002") else word for word in shlex.split(command)]
            worker = in_process(sys.executable, "-m", *words, port=port, cwd=tmp_path, env=environment)
            workers.append(stack.enter_context(worker))
        behind = {old: f"{port};" for old, port in zip(("8001;", "8002;"), ports, strict=True)}
        nginx = stack.enter_context(in_nginx(tmp_path, CONFIGURATION, behind))
        yield f"http://127.0.0.1:{nginx.port}/#garden", workers, redis


@pytest.fixture
def open_tab() -> Iterator[Callable[[str, str, str], Page]]:
    expect.set_options(timeout=WAIT_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), **LAUNCHED)

        def opened(url: str, language: str, name: str) -> Page:
            tab = browser.new_context(locale=language).new_page()
            tab.goto(url)
            tab.locator("#sign-in [name=name]").fill(name)
            tab.locator("#sign-in [name=password]").fill("open sesame")
            tab.locator("#sign-in button").click()
            expect(tab.locator("#status")).to_have_class("open")
            return tab

        yield opened
        browser.close()


def accepted(worker: Process) -> bool:
    return "[accepted]" in worker.output.read() + worker.errors.read()


def say(tab: Page, text: str) -> None:
    tab.locator("#say [name=text]").fill(text)
    tab.locator("#say [name=text]").press("Enter")


@pytest.mark.needs("nginx")
def test_nginx_counts_every_handshake_whatever_its_path_and_no_page(tmp_path):
    """``/rooms/..`` is ``/`` to nginx, and to a worker the room ``..``, which asks for a password like any other."""
    strict = {"rate=5r/s": "rate=1r/m", "burst=40 ": ""}
    nobody = {old: f"{free_port()};" for old in ("8001;", "8002;")}

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


def test_nobody_is_added_without_a_password(tmp_path):
    users = tmp_path / "users.json"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{HERE}", "CHAT_USERS": str(users)}
    added = [sys.executable, HERE / "chat.py", "ana"]
    for nothing in ("", "\n"):
        assert subprocess.run(added, input=nothing, text=True, env=environment, check=False, timeout=WAIT_S).returncode
    assert not users.exists()


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
    redis.start()
    expect(ana.locator("#said .waiting")).to_have_count(0)
    for tab in (ana, li):
        expect(tab.locator("#said bdi")).to_have_text([*heard, "and now?"])
    assert [0, 0] == [tab.locator("img").count() for tab in (ana, li)]
