"""The files that pages let the reader write, in a folder of their own, with the commands that stand beside them.

What is installed is what the tests run with: the one line of a page that downloads is read, and not run.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect
from server import WAIT_S, Process, connect_sync, free_port, in_process, in_thread
from starlette.applications import Starlette
from websockets.exceptions import InvalidStatus

from reference_ws import App
from reference_ws.guide.live import live_application
from reference_ws.guide.pages import Fence, Page, read_pages, source_root

ROOT = source_root()
MAKE = " ".join((ROOT / "Makefile").read_text().split()).replace("install -q --disable-pip-version-check ", "")
PAGES = [page for page in read_pages(ROOT / "docs") if any("file" in fence.options for fence in page.fences)]

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
ENVIRONMENT["PYTEST_PLUGINS"] = "reference_ws.transcript.plugin"  # as an installed package names it
ENVIRONMENT["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the other plugins that are here take as long as the rest

# The code of a page is equal in all languages: each is read in one of them.
client, start, rooms = (
    pytest.mark.parametrize("page", [page for page in PAGES if page.name == name][at : at + 1], ids=str)
    for at, name in enumerate(["client", "start", "rooms"])
)


class Reader:
    """Does what a page says, from top to bottom: writes its files and gives its commands."""

    def __init__(self, page: Page, folder: Path, stack: ExitStack) -> None:
        self.page, self.folder, self.stack = page, folder, stack
        self.ran: list[str] = []
        self.told = ""
        self.servers: list[Process] = []
        self.moved: dict[str, str] = {}  # where the page has a server -> where it is, on a free port

    def read(self, live: str) -> None:
        """Read the page, whose live examples are at `live`; fail where a command does, or writes something else."""
        self.moved["127.0.0.1:8000"] = live
        writes: dict[str, Fence | None] = {}
        for fence in self.page.fences:
            if "file" in fence.options:
                (self.folder / fence.options["file"]).write_text(self.here(fence.source), "utf-8")
                writes[fence.options["file"]] = self.page.output(fence)
            if fence.kind == "console":
                for line in fence.source.splitlines():
                    if line.startswith("$ "):
                        told = self.command(self.here(line[2:]))
                        for program in writes.keys() & shlex.split(line):
                            assert writes[program]
                            assert writes[program].source == told

        alone = [fence.options["file"] for fence in self.page.fences if fence.options.get("run") == "alone"]
        ran = " ".join(self.ran)
        named = {word.replace(":app", ".py") for word in ran.split()}
        assert [] == [file for file in alone if file not in named and not (file == "conftest.py" and "pytest" in ran)]

    def here(self, text: str) -> str:
        for page, real in self.moved.items():
            text = text.replace(page, real)
        return text

    def serve(self, *words: object) -> None:
        """Start a server on a free port instead of the page's, which is 8000 where it says none."""
        port = free_port()
        at = words.index("--port") + 1 if "--port" in words else len(words) + 1
        stated = words[at] if at < len(words) else 8000
        words = (*words[: at - 1], "--port", port, *words[at + 1 :])
        self.servers.append(self.stack.enter_context(in_process(*words, port=port, cwd=self.folder, env=ENVIRONMENT)))
        self.moved[f"127.0.0.1:{stated}"] = f"127.0.0.1:{port}"

    def command(self, line: str) -> str:
        self.ran.append(line)
        words = shlex.split(line)
        if words[0] in ("mkdir", "cd"):
            folder = self.folder / words[1]
            folder.mkdir(exist_ok=True)
            self.folder = folder if words[0] == "cd" else self.folder
            return ""
        if words[1:] == ["-m", "venv", ".venv"]:
            (self.folder / ".venv").symlink_to(sys.prefix)
            return ""
        if words[1:4] == ["-m", "pip", "install"]:
            for package in words[5:]:
                __import__(package)
            assert re.fullmatch(r"\.\./[\w-]+\[(cli|rooms)\]", words[4])
            return ""
        if not (self.folder / ".venv").exists():
            (self.folder / ".venv").symlink_to(sys.prefix)
        if words[0].endswith(("uvicorn", "redis-server")):
            self.serve(*words)
            return ""
        if words[0].endswith("reference-ws"):  # where the package is not installed there is no such program
            words[:1] = [".venv/bin/python", "-m", "reference_ws"]
        options = {"cwd": self.folder, "env": ENVIRONMENT, "stdin": subprocess.DEVNULL}
        done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False, **options)
        assert 0 == done.returncode, (line, done.stdout, done.stderr)
        self.told += done.stdout
        return done.stdout


@pytest.fixture
def reader(page: Page, tmp_path: Path) -> Iterator[Reader]:
    with ExitStack() as stack, in_thread(live_application(ROOT / "docs", page.language)) as url:
        reader = Reader(page, tmp_path, stack)
        reader.read(url.removeprefix("ws://"))
        yield reader


@client
def test_a_program_writes_what_the_page_says(page, reader):
    assert "closed: 1000" in reader.told


@pytest.mark.needs("redis")
@rooms
def test_two_processes_are_one_room_and_outlive_their_redis(page, reader):
    assert [3, 2] == [len(reader.servers), len([line for line in reader.ran if line.endswith(".py")])]


def refusing(*statuses):
    """Make an application that refuses with each status in turn, and then has nothing to tell: it closes with 1000."""
    left = list(statuses)

    async def application(scope, receive, send):
        await receive()
        if left:
            await send({"type": "websocket.http.response.start", "status": left.pop(0), "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
        else:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})

    return application


@client
@pytest.mark.parametrize(
    ("statuses", "told", "returncode"),
    [((503, 502), "closed: 503\nclosed: 502\nclosed: 1000\n", 0), ((403, 503), "", 1)],
    ids=["proxy", "application"],
)
def test_a_program_comes_again_when_it_was_a_proxy_that_refused(page, tmp_path, statuses, told, returncode):
    (sample,) = [fence for fence in page.fences if fence.options.get("file") == "listen.py"]
    (tmp_path / "listen.py").write_text(sample.source, "utf-8")
    with in_thread(refusing(*statuses)) as url:
        command = [sys.executable, "listen.py", f"{url}/news"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False)

    assert (returncode, told) == (done.returncode, done.stdout)
    assert ("HTTP 403" in done.stderr) == bool(returncode)


@pytest.mark.needs("chromium")
@start
def test_the_first_page_is_a_chat_until_the_server_stops(page, reader, open_context):
    address = f"http://127.0.0.1:{reader.servers[0].port}/"
    first, second = (open_context().new_page() for _ in range(2))
    for window in (first, second):
        window.goto(address)
        window.wait_for_function("ws.readyState === WebSocket.OPEN")
    first.get_by_role("textbox").fill("<b>olá</b>")
    first.get_by_role("textbox").press("Enter")
    for window in (first, second):
        expect(window.get_by_role("listitem")).to_have_text(["<b>olá</b>"])
    reader.servers[0].process.send_signal(signal.SIGINT)
    for window in (first, second):
        expect(window.get_by_role("listitem").first).to_have_text("closed: 1012")


async def close_first(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


async def raise_first(scope, receive, send):
    raise ValueError


@pytest.mark.parametrize(
    ("application", "status"), [(App(), 404), (Starlette(), 403), (close_first, 403), (raise_first, 500)]
)
def test_a_refusal_has_the_status_of_the_table(application, status):
    with in_thread(application) as url, pytest.raises(InvalidStatus) as caught:
        connect_sync(f"{url}/caht")
    assert status == caught.value.response.status_code


@start
def test_the_first_test_passes_and_the_table_quotes_what_is_said(page, reader):
    uvicorn = [".venv/bin/uvicorn", "chat:app", "--port", str(reader.servers[0].port)]
    options = {"cwd": reader.folder, "env": ENVIRONMENT, "capture_output": True, "text": True, "timeout": WAIT_S}
    taken = subprocess.run(uvicorn, check=False, **options)
    (reader.folder / "chat.py").rename(reader.folder / "caht.py")
    missing = subprocess.run(uvicorn, check=False, **options)
    assert "1 passed" in reader.told
    assert "<- deny 404" in reader.told
    tables = [page.path.read_text("utf-8") for page in PAGES if page.name == "start"]
    for quoted, log in (("address already in use", taken), ('Could not import module "chat"', missing)):
        assert quoted in log.stderr
        assert all(f"`{quoted}`" in table for table in tables)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.language}-{page.name}")
def test_powershell_says_what_a_shell_says(page):
    lines = [line for fence in page.fences if fence.kind == "console" for line in fence.source.splitlines()]
    section = {fence.source: fence.anchor for fence in page.fences if fence.kind == "console"}
    shell = [line[2:] for line in lines if line.startswith("$ ")]
    for source, anchor in section.items():
        for line in source.splitlines() if "PS> " in source else ():
            translated = line.removeprefix("PS> ").replace(".venv\\Scripts\\", ".venv/bin/").replace("\\", "/")
            translated = re.sub(r"^py ", "python3 ", translated)
            if anchor != "windows-serve":
                assert translated in shell
            elif "pip" in translated:  # what the Makefile does
                assert translated.partition(" -m ")[2].replace("install ", "") in MAKE
