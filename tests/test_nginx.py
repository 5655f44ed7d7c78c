"""What production.md says of a proxy, of pings and of the end, with a real nginx before a real uvicorn.

The configuration of nginx and the command that starts uvicorn are the page's own texts.
"""

import shlex
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Semaphore

import pytest
import uvicorn
from server import WAIT_S, Process, connect_sync, free_port, in_nginx, in_process
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.sync.client import ClientConnection

from reference_ws.guide.pages import read_page

PAGE = Path(__file__).parents[1] / "docs/zh/production.md"
CONSOLE = [fence.source for fence in read_page(PAGE).fences if fence.kind == "console"]
CONFIGURATION = next(source for source in CONSOLE if "proxy_pass" in source)
COMMANDS = [shlex.split(source)[1:] for source in CONSOLE if source.startswith("$ uvicorn ")]
BEHIND_PROXY = next(command for command in COMMANDS if "--forwarded-allow-ips" in command)

APPLICATION = """
import asyncio
from pathlib import Path

from starlette.middleware import Middleware

from reference_ws import App, WebSocket
from reference_ws.guards import OriginGuard

app = App(middleware=[Middleware(OriginGuard, allow_absent=True)])


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept("chat" if "chat" in websocket["subprotocols"] else None)
    while (message := await websocket.receive())["type"] == "websocket.receive":
        await websocket.send({**message, "type": "websocket.send"})
    code, reason = websocket.end
    Path("ends.new").write_text(f"{code} {reason}")
    Path("ends.new").rename("ends")  # there as a whole, or not


@app.router.websocket("/who")
async def who(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json([websocket.client.host, str(websocket.url)])


@app.router.websocket("/deaf")
async def deaf(websocket: WebSocket):
    await websocket.accept()
    await asyncio.sleep(60)
"""

NOTHING: Mapping[str, str] = {}


@contextmanager
def uvicorn_of_the_page(folder: Path, *options: str) -> Iterator[Process]:
    """Run the page's command on a free port, with more options."""
    (folder / "chat.py").write_text(APPLICATION, "utf-8")
    port = free_port()
    assert "9000" == BEHIND_PROXY[BEHIND_PROXY.index("--port") + 1]
    told = [str(port) if word == "9000" else word for word in BEHIND_PROXY[1:]]
    with in_process(sys.executable, "-m", "uvicorn", *told, *options, port=port, cwd=folder) as process:
        yield process


@contextmanager
def nginx_of_the_page(folder: Path, upstream: int, exchanged: Mapping[str, str] = NOTHING) -> Iterator[str]:
    """Run nginx with the page's configuration on a free port; what is `exchanged` stands there once."""
    with in_nginx(folder, CONFIGURATION, {"9000;": f"{upstream};", **exchanged}) as server:
        yield server.url


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("proxy")
    with uvicorn_of_the_page(folder) as server, nginx_of_the_page(folder, server.port) as url:
        yield url


@contextmanager
def connect_pinged(url: str) -> Iterator[tuple[ClientConnection, Semaphore]]:
    """Connect; gives the client, and what is released with each ping that comes to it, which it answers."""
    ping = Semaphore(0)

    class Pinged(ClientConnection):
        def process_event(self, event: Event) -> None:
            if isinstance(event, Frame) and event.opcode is Opcode.PING:
                ping.release()
            super().process_event(event)

    with connect_sync(url, create_connection=Pinged) as client:
        yield client, ping


def end_in(folder: Path) -> str:
    """Code and reason that ended the echo, once it has: asked by no further connection, which could go wrong itself."""
    deadline = time.monotonic() + WAIT_S
    while not (end := folder / "ends").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return end.read_text()


# --- through nginx ----------------------------------------------------------------------------------------------------


@pytest.mark.needs("nginx")
def test_text_and_bytes_and_the_subprotocol_come_through(url):
    with connect_sync(f"{url}/echo", subprotocols=["chat", "other"]) as client:
        assert "chat" == client.subprotocol
        for message in ("привет, 你好", b"\x00\xff", "", "a" * 200_000):
            client.send(message)
            assert message == client.recv(timeout=WAIT_S)


@pytest.mark.needs("nginx")
def test_the_application_sees_the_client_s_address_and_the_host_it_asked(url):
    with connect_sync(f"{url}/who", source_address=("127.0.0.2", 0)) as client:
        assert f'["127.0.0.2","{url}/who"]' == client.recv(timeout=WAIT_S)


@pytest.mark.needs("nginx")
def test_an_address_that_the_client_has_invented_does_not_count(url):
    invented = {"x-forwarded-for": "192.0.2.1"}
    with connect_sync(f"{url}/who", additional_headers=invented, source_address=("127.0.0.2", 0)) as client:
        assert f'["127.0.0.2","{url}/who"]' == client.recv(timeout=WAIT_S)


@pytest.mark.needs("nginx")
def test_without_trust_every_client_has_the_proxy_s_address(tmp_path):
    with (
        uvicorn_of_the_page(tmp_path, "--no-proxy-headers") as server,
        nginx_of_the_page(tmp_path, server.port) as url,
        connect_sync(f"{url}/who", source_address=("127.0.0.2", 0)) as client,
    ):
        assert f'["127.0.0.1","{url}/who"]' == client.recv(timeout=WAIT_S)


@pytest.mark.needs("nginx")
def test_own_pages_are_let_in_and_foreign_ones_are_not(url):
    with connect_sync(f"{url}/who", origin=url.replace("ws:", "http:")) as client:
        client.recv(timeout=WAIT_S)
    with pytest.raises(InvalidStatus) as refused, connect_sync(f"{url}/who", origin="https://evil.example"):
        pass
    assert (403, b"This origin is not allowed here.") == (
        refused.value.response.status_code,
        refused.value.response.body,
    )


@pytest.mark.needs("nginx")
def test_a_host_without_its_port_is_a_foreign_one(tmp_path):
    exchanged = {"Host $http_host;": "Host $host;"}
    with uvicorn_of_the_page(tmp_path) as server, nginx_of_the_page(tmp_path, server.port, exchanged) as url:
        own = url.replace("ws:", "http:")
        with pytest.raises(InvalidStatus, match="HTTP 403"), connect_sync(f"{url}/who", origin=own):
            pass


@pytest.mark.needs("nginx")
def test_an_idle_connection_is_cut_without_a_close_frame(tmp_path):
    exchanged = {"proxy_read_timeout 60s;": "proxy_read_timeout 1s;"}
    with (
        uvicorn_of_the_page(tmp_path, "--ws-ping-interval", "0") as server,
        nginx_of_the_page(tmp_path, server.port, exchanged) as url,
    ):
        with connect_sync(f"{url}/echo") as client:
            with pytest.raises(ConnectionClosedError) as closed:
                client.recv(timeout=WAIT_S)
            assert closed.value.rcvd is None
        assert "1005 " == end_in(tmp_path)


@pytest.mark.needs("nginx")
def test_pings_of_the_server_keep_an_idle_connection(tmp_path):
    exchanged = {"proxy_read_timeout 60s;": "proxy_read_timeout 5s;"}
    with (
        uvicorn_of_the_page(tmp_path, "--ws-ping-interval", "0.25") as server,
        nginx_of_the_page(tmp_path, server.port, exchanged) as url,
        connect_pinged(f"{url}/echo") as (client, ping),
    ):
        for _ in range(24):  # longer than nginx waits
            assert ping.acquire(timeout=WAIT_S)
        client.send("still here")
        assert "still here" == client.recv(timeout=WAIT_S)


@pytest.mark.needs("nginx")
def test_clients_behind_nginx_see_1012_when_the_server_ends(tmp_path):
    with uvicorn_of_the_page(tmp_path) as server, nginx_of_the_page(tmp_path, server.port) as url:
        with connect_sync(f"{url}/echo") as client:
            server.process.terminate()
            with pytest.raises(ConnectionClosedError) as closed:
                client.recv(timeout=WAIT_S)
        assert closed.value.rcvd
        assert 1012 == closed.value.rcvd.code


# --- uvicorn alone ----------------------------------------------------------------------------------------------------

QUICK_PINGS = ("--ws-ping-interval", "0.2", "--ws-ping-timeout", "2", "--timeout-graceful-shutdown", "0")


def test_a_client_that_answers_no_ping_is_closed_with_1011(tmp_path):
    with (
        uvicorn_of_the_page(tmp_path, *QUICK_PINGS) as server,
        # A client with a full queue doesn't read: it doesn't see the ping either.
        connect_sync(f"{server.url}/echo", max_queue=1) as client,
    ):
        for _ in range(5):
            client.send("a")
        assert "1005 " == end_in(tmp_path)
        with pytest.raises(ConnectionClosedError) as closed:
            deque(client, maxlen=0)
    assert (1011, "keepalive ping timeout") == (closed.value.rcvd.code, closed.value.rcvd.reason)


def test_a_handler_that_leaves_messages_unread_is_taken_for_a_silent_client(tmp_path):
    with (
        uvicorn_of_the_page(tmp_path, *QUICK_PINGS) as server,
        connect_sync(f"{server.url}/deaf") as client,
    ):
        client.send("nobody reads this")
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv(timeout=WAIT_S)
    assert 1011 == closed.value.rcvd.code


def test_a_handler_without_unread_messages_goes_on(tmp_path):
    with (
        uvicorn_of_the_page(tmp_path, "--ws-ping-interval", "0.2", "--timeout-graceful-shutdown", "0") as server,
        connect_pinged(f"{server.url}/deaf") as (_, ping),
    ):
        for _ in range(3):  # the next one comes once the last one has been answered
            assert ping.acquire(timeout=WAIT_S)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_of_the_page_are_uvicorn_s(command):
    context = uvicorn.main.make_context(command[0], command[1:])
    assert "chat:app" == context.params["app"]


def test_the_bounds_that_the_page_names_are_uvicorn_s_defaults():
    defaults = uvicorn.Config("chat:app")
    assert (20, 20) == (defaults.ws_ping_interval, defaults.ws_ping_timeout)
    assert 16 * 2**20 == defaults.ws_max_size
    assert None is defaults.timeout_graceful_shutdown
