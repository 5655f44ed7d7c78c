"""Starts a server for a test, in its event loop, in a thread or as a process: there with the block, gone with it.

It listens on a free port of 127.0.0.1, answers once the block begins, and has ended when the block has.
"""

import asyncio
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final

import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from tools import program
from websockets.asyncio.client import connect as _connect
from websockets.sync.client import connect as _connect_sync

WAIT_S: Final = 60
"""How long a test waits for what has to come: it measures nothing, it only ends a test that hangs."""

_PATIENT: Final = {"proxy": None, "open_timeout": WAIT_S, "close_timeout": WAIT_S, "ping_interval": None}

connect = partial(_connect, **_PATIENT)
connect_sync = partial(_connect_sync, **_PATIENT)
"""A client's connection, with the options of `websockets`, whose own deadlines a busy machine overtakes: after 10 s
without an answer to the handshake, or to a ping for 20 s, it gives the server up. Pings would also keep alive what a
browser, which sends none, would lose."""

Loop = Callable[[], asyncio.AbstractEventLoop]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready, self.stop = asyncio.Event(), asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # they are pytest's
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    async def main_loop(self) -> None:  # uvicorn's own looks ten times a second whether it shall end
        await self.stop.wait()


@asynccontextmanager
async def in_loop(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """Serve in this event loop, with these options of uvicorn; gives ``ws://127.0.0.1:PORT``.

    It sends no pings: whose answer a busy machine keeps back for 20 s, uvicorn gives up.
    """
    settings: dict[str, Any] = {
        "interface": "asgi3",
        "lifespan": "off",
        "log_config": None,
        "timeout_graceful_shutdown": WAIT_S,
        "ws": "websockets-sansio",
        "ws_ping_interval": None,
    }
    server = _Server(uvicorn.Config(app, **(settings | options)))
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.ready.wait()
            assert server.started
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop.set()
            await serving


@contextmanager
def in_thread(app: ASGIApp, *, loop: Loop = asyncio.new_event_loop, **options: Any) -> Iterator[str]:
    """Serve in a thread, in an event loop of its own; gives ``ws://127.0.0.1:PORT``."""
    with (
        start_blocking_portal("asyncio", {"loop_factory": loop}) as portal,
        portal.wrap_async_context_manager(in_loop(app, **options)) as url,
    ):
        yield url


@contextmanager
def files_alone(folder: Path) -> Iterator[str]:
    """Serve a folder as a host that has nothing but files; gives ``http://127.0.0.1:PORT``."""
    with in_thread(StaticFiles(directory=folder, html=True), ws="none", timeout_graceful_shutdown=0) as url:
        yield url.replace("ws:", "http:")


@dataclass
class Process:
    """A server in a process of its own; ``told`` are the lines that it has written until it answered."""

    process: "subprocess.Popen[bytes]"
    port: int
    output: IO[str]
    errors: IO[str]
    told: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def rest(self) -> tuple[str, str]:
        """Wait until it has ended; what it has written since it answered, and what it has complained of."""
        self.process.wait(WAIT_S)
        return self.output.read(), self.errors.read()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def in_process(*command: object, port: int = 0, **options: Any) -> Iterator[Process]:
    """Run a command that serves at `port`; without one it says which it has taken, by the port or an address in a line.

    `options` are those of `subprocess.Popen`. What it writes goes to files: a pipe that nobody reads holds 64 KiB of
    an access log, and then the server stands still.
    """
    with (
        TemporaryDirectory() as folder,
        (Path(folder) / "output").open("wb") as output,
        (Path(folder) / "errors").open("wb") as errors,
        subprocess.Popen([str(word) for word in command], **{"stdout": output, "stderr": errors, **options}) as process,
        Path(output.name).open(encoding="utf-8") as told,
        Path(errors.name).open(encoding="utf-8") as complained,
    ):
        server = Process(process, port, told, complained)
        try:
            _wait(server, time.monotonic() + WAIT_S)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def in_nginx(folder: Path, servers: str, exchanged: Mapping[str, str]) -> Iterator[Process]:
    """Run nginx with these servers, of which one listens on port 80: here on a free one.

    What is `exchanged` for something else, the ports behind it for example, stands there once.
    """
    nginx = program("nginx")
    assert nginx, 'mark the test with needs("nginx")'
    port = free_port()
    for old, new in {"80;": f"127.0.0.1:{port};", **exchanged}.items():
        assert 1 == servers.count(old)
        servers = servers.replace(old, new)
    paths = "".join(f"{of}_temp_path {folder}/{of};\n" for of in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # One process in the foreground: it ends by its own id, and leaves no other behind.
    process = f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{process}http {{\naccess_log off;\n{paths}{servers}}}\n", "utf-8")
    with in_process(nginx, "-e", "stderr", "-c", folder / "nginx.conf", port=port) as server:
        yield server


def _wait(server: Process, until: float) -> None:
    line = ""
    while server.process.poll() is None and time.monotonic() < until:
        if server.port:
            try:
                socket.create_connection(("127.0.0.1", server.port), WAIT_S).close()
                return
            except OSError:
                pass
        else:
            line += server.output.readline()
            if line.endswith("\n"):
                server.told.append(line)
                if address := re.search(r"^(\d+)$|http://[\w.]+:(\d+)/", line):
                    server.port = int(address[1] or address[2])
                    return
                line = ""
                continue
        time.sleep(0.02)
    server.process.kill()
    raise RuntimeError(f"the server doesn't serve: {server.told}, {server.rest()}")
