import asyncio
import logging
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from reference_ws.guide.live import live_application, without_denial
from reference_ws.guide.serving import application

PAGE = """\
# A {#a}

```python
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

runs = globals().get("runs", 0) + 1


async def echo(websocket):
    await websocket.accept()
    await websocket.send_json([runs, websocket.scope["root_path"], websocket.url.path, str(websocket.url_for("echo"))])
    await websocket.close()


async def page(request):
    return PlainTextResponse("over HTTP")


app = Starlette(routes=[WebSocketRoute("/echo", echo), Route("/page", page)])


async def raw(scope, receive, send):
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": ",".join(scope["extensions"])})
    await send({"type": "websocket.close"})
```

```transcript
-> connect /echo
<- accept
<- text ...
<- close 1000
```

```transcript {app=raw}
-> connect /
<- accept
<- text ...
<- close 1000
```
"""

BROKEN = PAGE + "\n```python\nassert runs == 0, runs\n```\n"


@pytest.fixture
def client(tmp_path: Path):
    folder = tmp_path / "docs" / "zh"
    folder.mkdir(parents=True)
    (folder / "closing.md").write_text(PAGE)
    (folder / "broken.md").write_text(BROKEN)
    with TestClient(application(tmp_path, tmp_path / "docs")) as client:
        yield client


def test_example_sees_its_own_paths(client):
    with client.websocket_connect("/live/closing/echo") as websocket:
        found = websocket.receive_json()

    assert [1, "/live/closing", "/live/closing/echo", "ws://testserver/live/closing/echo"] == found


def test_page_runs_once(client):
    for _ in range(2):
        with client.websocket_connect("/live/closing/echo") as websocket:
            runs = websocket.receive_json()[0]

    assert 1 == runs


def test_named_application_has_an_address_of_its_own(client):
    with client.websocket_connect("/live/closing.raw/") as websocket:
        assert "websocket.http.response" == websocket.receive_text()


def test_nodenial_is_a_server_without_the_extension(client):
    with client.websocket_connect("/live/closing.raw.nodenial/") as websocket:
        assert "" == websocket.receive_text()


def test_examples_answer_http_too(client):
    assert "over HTTP" == client.get("/live/closing/page").text


@pytest.mark.parametrize(
    ("status", "text", "path"),
    [
        (404, "There is no such page. The pages:\n/live/broken\n/live/closing\n", "/live/nothing/echo"),
        (404, "There is no such page. The pages:\n/live/broken\n/live/closing\n", "/live/"),
        (
            404,
            "There is no such example on the page closing. Its examples:\n/live/closing\n/live/closing.raw\n"
            "/live/closing.nodenial\n/live/closing.raw.nodenial\n",
            "/live/closing.other/echo",
        ),
        (500, "The examples of the page broken don't run; the server's log says why.\n", "/live/broken/echo"),
    ],
)
def test_address_without_example_is_refused(client, status, text, path):
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(path):
        pass

    assert (status, text) == (refused.value.status_code, refused.value.text)
    assert (status, text) == (client.get(path).status_code, client.get(path).text)


def test_server_without_denial_closes(client):
    limited = TestClient(without_denial(client.app))

    with pytest.raises(WebSocketDisconnect), limited.websocket_connect("/live/nothing"):
        pass


def test_broken_page_is_logged_once_with_its_place(client, caplog):
    caplog.set_level(logging.ERROR)
    for _ in range(2):
        client.get("/live/broken/page")

    assert 1 == len(caplog.messages)
    line = BROKEN.splitlines().index("assert runs == 0, runs") + 1
    assert caplog.messages[0].startswith(f"docs/zh/broken.md:{line}: AssertionError: 1\n")
    assert "    assert runs == 0, runs\n" in caplog.messages[0]


def test_broken_page_is_run_again_when_its_file_has_changed(client, tmp_path):
    path = tmp_path / "docs" / "zh" / "broken.md"
    statuses = [client.get("/live/broken/page").status_code]
    path.write_text(PAGE)
    os.utime(path, (1, 1))
    statuses.append(client.get("/live/broken/page").status_code)

    assert [500, 200] == statuses


def test_client_that_leaves_does_not_stop_the_page(tmp_path):
    folder = tmp_path / "docs" / "zh"
    folder.mkdir(parents=True)
    (folder / "slow.md").write_text(
        "# A {#a}\n\n```python\nimport asyncio\nfrom starlette.responses import PlainTextResponse\n"
        "await asyncio.sleep(0)\nasync def app(scope, receive, send):\n    assert scope['type'] == 'http'\n```\n"
    )

    async def leave_and_come_back() -> list[int]:
        live = live_application(tmp_path / "docs")
        statuses: list[int] = []

        async def send(message):
            statuses.append(message.get("status", 0))

        scope = {"type": "http", "path": "/live/slow/", "method": "GET"}
        first = asyncio.create_task(live(scope, None, send))
        await asyncio.sleep(0)
        first.cancel()
        await live(scope, None, send)
        return statuses

    assert [404, 0] == asyncio.run(leave_and_come_back())
