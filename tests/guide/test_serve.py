import gzip
import http.client
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

import anyio
import pytest
from server import WAIT_S, Process, connect_sync, in_process
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reference_ws.guide import serving, site
from reference_ws.testing import TestClient
from reference_ws.transcript import check

# The real command, with a small site in place of the real one.
COMMAND = """
import sys
from pathlib import Path
from reference_ws.guide import site
from reference_ws.guide.command import serve

root = Path(sys.argv.pop(1))
serve.source_root = lambda: root
site.default_output = lambda: root / "site"
site.is_stale = lambda output: False

from reference_ws.guide.command import main

main()
"""

PAGE = """\
# A {#a}

```python
import asyncio
import time

from reference_ws import App, WebSocket

app = App()


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@app.router.websocket("/deaf")
async def deaf(websocket: WebSocket):
    await websocket.accept()
    await asyncio.sleep(3600)


@app.router.websocket("/fails")
async def fails(websocket: WebSocket):
    await websocket.accept()
    raise ValueError("nobody is here")


@app.router.websocket("/stubborn")
async def stubborn(websocket: WebSocket):
    await websocket.accept()
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass


@app.router.websocket("/blocks")
async def blocks(websocket: WebSocket):
    await websocket.accept()
    time.sleep(3600)
```

```transcript
-> connect /echo
<- accept
-> text "hello"
<- text "hello"
-> close
```
"""

THREE_CLIENTS = """\
a -> connect /live/closing/echo
a <- accept
b -> connect /live/closing/echo
b <- accept
c -> connect /live/closing/echo
c <- deny 429 text "Too many connections."
"""


def write_site(folder: Path) -> Path:
    for name, text in {
        "docs/zh/closing.md": PAGE,
        "site/index.html": "首页",
        "site/404.html": "没有这一页",
        "site/ru/index.html": "Главная",
        "site/ru/404.html": "Нет такой страницы",
        "site/closing/index.html": "关闭",
        "site/app.js": "1234" * 500,
        "site/picture.webp": "RIFF" * 500,
        "site/assets/site.js": "",
        "site/assets/javascripts/bundle.a5f9d56c.min.js": "",
        "site/assets/javascripts/workers/search.a7633da7.min.js": "",
        "site/assets/stylesheets/main.57a0d79d.min.css": "",
        "site/assets/python/pyodide-0123456789abcdef/pyodide.asm.wasm.gz": "",
        "site/assets/python/runtime.json": "{}",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_site(tmp_path)


def serving_site(
    root: Path, *arguments: str, program: str = COMMAND, **options: object
) -> AbstractContextManager[Process]:
    command = (sys.executable, "-c", program, root, "serve", "--no-browser", "--no-fetch", "--port", "0", *arguments)
    return in_process(*command, **options)


@pytest.fixture
def server(root: Path) -> Iterator[Process]:
    """Serve a site for a test that ends the server or reads what it has written."""
    with serving_site(root) as server:
        assert f"Serving http://127.0.0.1:{server.port}/ - press Ctrl-C to stop\n" == server.told[-1]
        yield server


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve a site for the tests that only ask it."""
    with serving_site(write_site(tmp_path_factory.mktemp("served"))) as server:
        yield server.port


def get(port: int, path: str) -> tuple[int, str, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers["cache-control"]
    finally:
        connection.close()


def test_site_and_examples_share_a_port(port):
    assert (200, "首页", "no-cache") == get(port, "/")
    assert (200, "关闭", "no-cache") == get(port, "/closing/")
    assert (404, "没有这一页", "no-cache") == get(port, "/nothing/")
    assert (404, "Нет такой страницы", "no-cache") == get(port, "/ru/nothing/")
    assert 404 == get(port, "/live/nothing")[0]
    with connect_sync(f"ws://127.0.0.1:{port}/live/closing/echo") as client:
        client.send("你好")
        assert "你好" == client.recv(timeout=WAIT_S)


def head(port: int, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "deflate, gzip"])
@pytest.mark.parametrize("path", ["/", "/app.js", "/nothing/"])
def test_texts_are_compressed_for_those_who_take_it(port, path, accepted):
    status, plain_headers, plain = head(port, path)
    again, headers, packed = head(port, path, accept_encoding=accepted)

    assert (status, "gzip", None) == (again, headers["content-encoding"], plain_headers["content-encoding"])
    assert (plain, str(len(packed))) == (gzip.decompress(packed), headers["content-length"])
    assert "Accept-Encoding" in headers["vary"]
    assert headers["vary"] == plain_headers["vary"]
    assert headers["content-security-policy"] == plain_headers["content-security-policy"]


@pytest.mark.parametrize("accepted", ["gzip;q=0", "gzip; q=0.0, *", "identity", "br", "x-gzip2"])
def test_texts_are_plain_for_those_who_don_t(port, accepted):
    assert head(port, "/app.js", accept_encoding=accepted)[1]["content-encoding"] is None


def test_what_is_compressed_already_stays_as_it_is(port):
    _, headers, body = head(port, "/picture.webp", accept_encoding="gzip")
    assert (None, None, b"RIFF" * 500) == (headers["content-encoding"], headers["vary"], body)


@pytest.mark.parametrize("kept", [{}, {"accept_encoding": "gzip"}])
@pytest.mark.parametrize("asked", [{}, {"accept_encoding": "gzip"}])
def test_a_browser_that_has_a_file_in_either_form_does_not_get_it_again(port, kept, asked):
    etag = head(port, "/app.js", **kept)[1]["etag"]
    status, headers, body = head(port, "/app.js", if_none_match=etag, **asked)
    assert (304, b"", "no-cache") == (status, body, headers["cache-control"])
    assert "Accept-Encoding" in headers["vary"]


def test_a_part_of_a_file_is_a_part_of_the_plain_one(port):
    status, headers, body = head(port, "/app.js", range="bytes=0-3", accept_encoding="gzip")
    assert (206, b"1234", None) == (status, body, headers["content-encoding"])


def test_a_changed_file_is_compressed_anew(root):
    file, app = root / "site/app.js", serving.application(root / "site", root / "docs")
    client = TestClient(app, base_url="http://127.0.0.1")
    for text in ("1234" * 100, "5678" * 100):
        file.write_text(text)
        os.utime(file, ns=(len(text), int(text[0]) * 10**9))
        assert text == client.get("/app.js").text


@pytest.mark.parametrize(
    ("path", "lasts"),
    [
        ("assets/javascripts/bundle.a5f9d56c.min.js", True),
        ("assets/stylesheets/main.57a0d79d.min.css", True),
        ("assets/python/pyodide-0123456789abcdef/pyodide.asm.wasm.gz", True),
        ("assets/python/runtime.json", False),
        ("assets/javascripts/workers/search.a7633da7.min.js", False),
        ("assets/site.js", False),
        ("index.html", False),
    ],
)
def test_what_has_a_hash_in_its_address_is_kept_for_good(port, path, lasts):
    expected = "public, max-age=31536000, immutable" if lasts else "no-cache"
    assert (200, expected) == (lambda status, headers, _: (status, headers["cache-control"]))(*head(port, f"/{path}"))


def test_an_address_that_has_a_hash_and_no_file_is_asked_for_again(port):
    status, headers, _ = head(port, "/assets/javascripts/bundle.00000000.min.js")
    assert (404, "no-cache") == (status, headers["cache-control"])


def test_only_the_site_s_own_pages_may_connect(port):
    for own in (f"127.0.0.1:{port}", f"localhost:{port}"):
        connection = socket.create_connection(("127.0.0.1", port))
        with connect_sync(f"ws://{own}/live/closing/echo", sock=connection, origin=f"http://{own}") as client:
            client.send("hello")
            assert "hello" == client.recv(timeout=WAIT_S)
    for foreign in ("http://127.0.0.1:1", f"http://127.0.0.1.example:{port}", "https://example.org", "null"):
        for path in ("/live/closing/echo", "/live/nothing", "/"):
            with pytest.raises(InvalidStatus) as refused, connect_sync(f"ws://127.0.0.1:{port}{path}", origin=foreign):
                pass
            assert 403 == refused.value.response.status_code


def test_a_message_of_more_than_1_mib_closes_with_1009(port):
    for size in (2**20 + 1, 3 * 2**20):
        with connect_sync(f"ws://127.0.0.1:{port}/live/closing/echo") as client:
            client.send("a" * 2**20)
            assert 2**20 == len(client.recv(timeout=WAIT_S))
            client.send("a" * size)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=WAIT_S)
        assert closed.value.rcvd
        assert 1009 == closed.value.rcvd.code


def test_a_client_with_too_many_connections_is_refused(root, monkeypatch):
    monkeypatch.setattr(serving, "MAX_CONNECTIONS_PER_CLIENT", 2)
    anyio.run(check, serving.application(root / "site", root / "docs"), THREE_CLIENTS)


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signal_ends_it_with_open_connections(server, ending, code):
    """Also with a handler that would sleep for an hour, far longer than is waited here."""
    with (
        connect_sync(f"{server.url}/live/closing/echo") as client,
        connect_sync(f"{server.url}/live/closing/deaf"),
    ):
        server.process.send_signal(ending)
        output, errors = server.rest()

        assert (code, "", "") == (server.process.returncode, output, errors)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT_S)
        assert closed.value.rcvd
        assert 1012 == closed.value.rcvd.code


@pytest.mark.parametrize("handler", ["stubborn", "blocks"])
def test_one_signal_is_enough_whatever_a_handler_does(server, handler):
    with connect_sync(f"{server.url}/live/closing/{handler}"):
        server.process.send_signal(signal.SIGINT)
        output, errors = server.rest()

    assert (130, "", "") == (server.process.returncode, output, errors)


def test_one_signal_is_enough_under_load(server):
    def flood(number: int) -> None:
        with suppress(ConnectionClosed, OSError), connect_sync(f"{server.url}/live/closing/echo") as client:
            while True:
                client.send("hello" * number)
                client.recv(timeout=WAIT_S)

    with ThreadPoolExecutor() as threads:
        list(map(partial(threads.submit, flood), range(1, 5)))
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        with connect_sync(f"{server.url}/live/closing/echo") as client:
            client.send("hello")
            assert "hello" == client.recv(timeout=WAIT_S)
            server.process.send_signal(signal.SIGINT)
            output, errors = server.rest()
        for each in silent:
            each.close()

    assert (130, "", "") == (server.process.returncode, output, errors)


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 60))


def test_silent_clients_keep_nobody_out_and_the_log_is_short(root):
    program = COMMAND.replace("\nmain()", "\nfrom reference_ws.guide import serving\nserving.REQUEST_S = 1\nmain()")
    with serving_site(root, program=program, preexec_fn=few_files) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        half, long = (socket.create_connection(("127.0.0.1", server.port)) for _ in range(2))
        half.sendall(b"GET / HTTP/1.1\r\nhost:")
        lines = f"host: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ncookie: {'a' * 9_000}\r\n\r\n"
        long.sendall(f"GET /live/closing/echo HTTP/1.1\r\n{lines}".encode())
        with connect_sync(f"{server.url}/live/closing/echo") as client:  # once those are ended
            for each in (half, long):
                each.settimeout(WAIT_S)
                with suppress(ConnectionResetError):
                    assert b"" == each.recv(1)
                each.close()
            client.send("still here")  # what has shaken hands may be silent for longer
            assert "still here" == client.recv(timeout=WAIT_S)
            for each in silent:
                each.close()
        server.process.send_signal(signal.SIGINT)
        _, errors = server.rest()

    assert "Too many connections at once: new ones wait until others end (too many open files).\n" == errors


def test_a_websocket_that_has_ended_leaves_the_log_empty(root):
    program = COMMAND.replace("\nmain()", "\nfrom reference_ws.guide import serving\nserving.REQUEST_S = 0.5\nmain()")
    with serving_site(root, program=program) as server:
        with connect_sync(f"{server.url}/live/closing/echo") as client:
            client.send("hello")
            assert "hello" == client.recv(timeout=WAIT_S)
        # It came later than the first one, and is looked at later.
        with socket.create_connection(("127.0.0.1", server.port)) as silent, suppress(ConnectionResetError):
            silent.settimeout(WAIT_S)
            assert b"" == silent.recv(1)
        server.process.send_signal(signal.SIGINT)
        _, errors = server.rest()

    assert "" == errors


def test_it_may_open_as_many_files_as_the_hard_limit_says(root):
    with serving_site(root, preexec_fn=few_files) as server:
        assert (60, 60) == resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)


def test_exception_of_an_example_is_one_line(server):
    with connect_sync(f"{server.url}/live/closing/fails") as client, pytest.raises(ConnectionClosed):
        client.recv(timeout=WAIT_S)
    server.process.send_signal(signal.SIGINT)
    _, errors = server.rest()

    assert "ERROR: closing#a, sample 1, line 25: ValueError: nobody is here\n" == re.sub(" +", " ", errors)


def test_all_addresses_are_told_with_one_that_a_browser_can_open(root):
    with serving_site(root, "--host", "0.0.0.0") as server:
        line = server.told[-1]

    told = r"Serving http://127\.0\.0\.1:\d+/ \(and this machine's other addresses\) - press Ctrl-C to stop\n"
    assert re.fullmatch(told, line), line


@pytest.fixture
def serve(root, monkeypatch, run_command):
    """Run the command in this process, for what ends before it serves."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr("reference_ws.guide.command.serve.source_root", lambda: root)
    monkeypatch.setattr(site, "default_output", lambda: root / "site")
    monkeypatch.setattr(site, "is_stale", lambda _: False)
    return partial(run_command, "serve", "--no-browser", "--no-fetch")


def test_mistake_in_a_transcript_is_one_line(serve, monkeypatch):
    def build(**_):
        raise site.BuildError(["docs/zh/closing.md:29:4: expected accept\n<- accepted\n   ^"])

    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", build)
    code, _, errors = serve("--port=0")

    told = "reference-ws: the documentation can't be built: docs/zh/closing.md:29:4: expected accept\n"
    assert (2, told) == (code, errors)


def test_each_step_of_a_build_is_told_where_no_terminal_is(serve, monkeypatch):
    def build(*, progress, **_):
        for language in ("zh", "pt", "ru"):
            progress(language)
        raise site.BuildError(["stop"])

    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", build)
    _, _, errors = serve("--port=0")

    steps = re.findall(r"Building the pages in (\w+), step (\d) of 3 \(about \d+ seconds, once\)", errors)
    assert [("zh", "1"), ("pt", "2"), ("ru", "3")] == steps


def test_occupied_port_is_one_line(serve):
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        code, output, errors = serve("--port", str(port))

    assert (2, "") == (code, output)
    assert (
        f"reference-ws: port {port} of 127.0.0.1 is in use:"
        " stop what listens there, or choose another one with --port (make: PORT=)\n"
    ) == errors


def test_small_messages_are_sent_at_once():
    with serving.listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "*", 400),
        ("CONNECT", "host:443", 400),
        ("GET", "", 400),
        ("OPTIONS", "/", 405),
        ("CONNECT", "/", 405),
    ],
)
def test_an_odd_request_line_gets_a_clean_answer(root, method, path, status):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": [], "http_version": "1.1", "scheme": "http", "root_path": "", "asgi": {"version": "3.0"}}
    anyio.run(serving.application(root / "site", root / "docs"), scope, receive, send)

    assert status == sent[0]["status"]
