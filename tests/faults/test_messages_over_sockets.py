"""Messages of every size and form over a real socket: none is lost, doubled, changed or out of order."""

import asyncio

import pytest
from server import connect
from serving import serving
from websockets.exceptions import ConnectionClosed

from reference_ws import App, WebSocket

app = App()


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    """Send each message back as it came, and ask all along whether the client has left."""
    await websocket.accept()
    while not await websocket.is_disconnected():
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            break
        assert not await websocket.is_disconnected()
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


@app.router.websocket("/both-ways")
async def both_ways(websocket: WebSocket, count: int):
    """Send `count` numbers, and receive as many, at the same time."""
    await websocket.accept()

    async def send():
        for number in range(count):
            await websocket.send_text(str(number))
            assert not await websocket.is_disconnected()

    sending = asyncio.create_task(send())
    for number in range(count):
        assert str(number) == await websocket.receive_text()
        assert not await websocket.is_disconnected()
    await sending
    await websocket.close(4000, "all came")


@app.router.websocket("/end")
async def end(websocket: WebSocket):
    await websocket.accept()
    async for _ in websocket.iter_text():
        pass
    ended.append(websocket.end)


ended = []

SIZES = [0, 1, 125, 126, 65_535, 65_536, 16 * 2**20]
MESSAGES = {
    **{f"{size} bytes": [bytes(n % 251 for n in range(min(size, 70_000))).ljust(size, b"x")] for size in SIZES},
    **{f"{size} characters": ["я" * (size // 2) + "x" * (size % 2)] for size in SIZES},
    "NUL": ["\x00", b"\x00", "a\x00b"],
    "interleaved": ["a", b"a", "", b"", "b", b"b"] * 20,
    "planes": ["\u007f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff"],
}


@pytest.mark.parametrize("compression", [None, "deflate"], ids=["plain", "deflate"])
def test_messages_come_back_as_they_were_sent(compression):
    async def run():
        async with (
            serving(app) as url,
            connect(f"{url}/echo", max_size=None, compression=compression) as connection,
        ):
            for name, messages in MESSAGES.items():
                for message in messages:
                    await connection.send(message)
                for message in messages:
                    assert message == await connection.recv(), name

    asyncio.run(run())


FRAGMENTED = [
    (["a", "b", "c"], None, "abc"),
    ([b"a", b"", b"c"], None, b"ac"),
    (["я".encode()[:1], "я".encode()[1:]], True, "я"),
    ([b"\xf0", b"\x9f", b"\x98", b"\x80"], True, "\U0001f600"),
    ([b"x" * 65_536] * 16, None, b"x" * 2**20),
]


def test_fragments_come_as_one_message():
    async def run():
        async with serving(app) as url, connect(f"{url}/echo", max_size=None) as connection:
            for parts, text, whole in FRAGMENTED:
                await connection.send(parts, text=text)
                assert whole == await connection.recv()

    asyncio.run(run())


def test_all_that_waits_comes_before_the_end(full, number):
    """A client sends and leaves at once: what it has sent is received to the last message."""
    count = 1000 if full else 50
    received = []
    application = App()

    @application.router.websocket("/")
    async def collect(websocket: WebSocket):
        await websocket.accept()
        received.append([text async for text in websocket.iter_text()])
        ended.append(websocket.end)

    async def run():
        ended.clear()
        async with serving(application) as url:
            for _ in range(count):
                async with connect(f"{url}/") as connection:
                    for text in map(str, range(20)):
                        await connection.send(text)
        assert [list(map(str, range(20)))] * count == received
        assert [(1000, "")] * count == ended
        number(f"{count} clients sent 20 messages and left at once: all came")

    asyncio.run(run())


# --- what is no message -----------------------------------------------------------------------------------------------

INVALID = {"alone": b"\xff", "overlong": b"\xc0\x80", "surrogate": b"\xed\xa0\x80", "cut short": "я".encode()[:1]}


@pytest.mark.parametrize("name", INVALID)
def test_text_that_is_not_utf_8_ends_with_1007(name, caplog):
    caplog.set_level("CRITICAL", "uvicorn.error")  # uvicorn logs a traceback for it

    async def run():
        ended.clear()
        async with serving(app) as url, connect(f"{url}/end") as connection:
            await connection.send([b"fine, and then ", INVALID[name]], text=True)
            await connection.wait_closed()
            assert 1007 == connection.close_code
        assert [1007] == [code for code, _ in ended]

    asyncio.run(run())


def test_a_message_beyond_the_server_s_bound_ends_with_1009():
    async def run():
        ended.clear()
        async with serving(app, ws_max_size=1000) as url, connect(f"{url}/end", compression=None) as connection:
            await connection.send(b"x" * 1000)
            await connection.send("x" * 1001)
            await connection.wait_closed()
            assert 1009 == connection.close_code
        assert [1009] == [code for code, _ in ended]

    asyncio.run(run())


# --- many -------------------------------------------------------------------------------------------------------------


def test_many_messages_come_back_in_order(full, number):
    count = 100_000 if full else 2_500

    async def run():
        async with serving(app) as url, connect(f"{url}/echo", compression=None) as connection:

            async def send():
                for n in range(count):
                    await connection.send(str(n) if n % 3 else str(n).encode())

            sending = asyncio.create_task(send())
            for n in range(count):
                assert (str(n) if n % 3 else str(n).encode()) == await connection.recv()
            await sending
        number(f"{count:,} messages came back in order, is_disconnected() asked twice for each")

    asyncio.run(run())


def test_many_messages_go_both_ways_at_once(full, number):
    count = 100_000 if full else 2_500

    async def run():
        async with serving(app) as url:
            async with connect(f"{url}/both-ways?count={count}", compression=None) as connection:

                async def send():
                    for n in range(count):
                        await connection.send(str(n))

                sending = asyncio.create_task(send())
                received = [await connection.recv() for _ in range(count)]
                await sending
                with pytest.raises(ConnectionClosed) as closed:
                    await connection.recv()
            assert [] == [pair for pair in zip(map(str, range(count)), received, strict=True) if pair[0] != pair[1]]
            assert (4000, "all came") == (closed.value.rcvd.code, closed.value.rcvd.reason)
        number(f"{count:,} messages each way at once, is_disconnected() asked by both tasks for each")

    asyncio.run(run())
