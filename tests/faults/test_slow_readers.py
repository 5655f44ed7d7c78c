"""A client that reads no more: sends wait, memory stays bounded, and a cancellation gets out."""

import asyncio
import socket
import tracemalloc
from contextlib import suppress
from itertools import count

import anyio
import pytest
from server import connect
from serving import no_task_left, serving, until
from websockets.exceptions import ConnectionClosed

from reference_ws import App, WebSocket

PART = 65_536
MOST_BYTES = 16 * 2**20
"""What the system's buffers and the server's may hold together."""

app = App()
events = {}


@app.router.websocket("/cancelled")
async def cancelled(websocket: WebSocket):
    await websocket.accept()
    with anyio.move_on_after(0.5) as scope:
        for number in count():
            await websocket.send_bytes(number.to_bytes(4, "big") * (PART // 4))
            events["sent"] = number + 1
    events["cancelled"] = scope.cancelled_caught
    await websocket.close(4000)
    events["closed"] = websocket.end


@app.router.websocket("/lost")
async def lost(websocket: WebSocket):
    await websocket.accept()
    try:
        for number in count(1):
            await websocket.send_bytes(bytes(PART))
            events["sent"] = number
    finally:
        events["end"] = websocket.end


async def connected(url):
    """Connect with small buffers, so that little fits between the two."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PART)
    port = int(url.split(":")[2].partition("/")[0])
    client.connect(("127.0.0.1", port))
    connection = await connect(url, sock=client, compression=None, max_queue=1, close_timeout=1)
    connection.transport.pause_reading()
    return connection


def test_sends_wait_for_a_slow_reader_and_a_cancellation_gets_out(number):
    async def run():
        events.clear()
        async with serving(app) as url:
            tracemalloc.start()
            try:
                connection = await connected(f"{url}/cancelled")
                await until(lambda: "cancelled" in events)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert events["cancelled"]
            assert MOST_BYTES > events["sent"] * PART
            assert MOST_BYTES > peak
            connection.transport.resume_reading()
            got = []
            with suppress(ConnectionClosed):
                while True:
                    got.append(await connection.recv())
            assert 4000 == connection.close_code
        # Whole messages, in order; the one that was cut off may have been on its way.
        assert [n.to_bytes(4, "big") * (PART // 4) for n in range(len(got))] == got
        assert len(got) in (events["sent"], events["sent"] + 1)
        await until(lambda: (4000, "") == events.get("closed"))
        number(f"a reader that stops: {events['sent']} sends of 64 KiB passed, then they waited; peak {peak:,} bytes")

    asyncio.run(run())


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_send_that_waits_ends_when_the_slow_reader_has_gone(how, number):
    async def run():
        events.clear()
        async with serving(app) as url:
            with no_task_left() as left:
                connection = await connected(f"{url}/lost")
                seen = -1
                while seen != events.get("sent", 0):  # until it waits
                    seen = events.get("sent", 0)
                    await asyncio.sleep(0.1)
                if how == "reset":
                    connection.transport.abort()
                else:
                    connection.transport.resume_reading()
                    with suppress(Exception):
                        await connection.close(4001)
                await until(lambda: "end" in events)
                await until(lambda: not left())
            assert (1006 if how == "reset" else 4001) == events["end"][0]

    asyncio.run(run())
