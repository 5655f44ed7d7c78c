"""Clients that vanish, with a reset or in silence, at each place where a handler may be."""

import asyncio
import socket
import struct
import tracemalloc
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Annotated

import anyio
import pytest
from server import connect
from serving import living, no_task_left, only_new_objects, resident_bytes, serving, until

from reference_ws import App, Depends, SocketView, WebSocket
from reference_ws.ahead import ReadAhead
from reference_ws.binding import Bindings

AT_ONCE = 100
CACHES_BYTES = 100_000
"""How much the caches of the standard library may grow: 200 bytes for each connection of a full run."""
LET_GO = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 seconds: the close is a reset

entered = Counter()
ended = Counter()
cleaned_up = Counter()
there = defaultdict(asyncio.Event)
gone = defaultdict(asyncio.Event)


async def resource(number: int):
    entered[number] += 1
    try:
        yield
    finally:
        cleaned_up[number] += 1


async def slow_resource(number: int):
    entered[number] += 1
    there[number].set()
    await gone[number].wait()
    try:
        yield
    finally:
        cleaned_up[number] += 1


Resource = Annotated[None, Depends(resource)]
app = App()


@app.router.websocket("/receiving/{number}")
async def receiving(websocket: WebSocket, number: int, _: Resource):
    try:
        await websocket.accept()
        there[number].set()
        async for _text in websocket.iter_text():
            pass
    finally:
        ended[number] += 1


@app.router.websocket("/sending/{number}")
async def sending(websocket: WebSocket, number: int, _: Resource):
    try:
        await websocket.accept()
        while True:
            await websocket.send_text("tick")
            there[number].set()
            await asyncio.sleep(0.01)
    finally:
        ended[number] += 1


@app.router.websocket("/elsewhere/{number}")
async def elsewhere(websocket: WebSocket, number: int, _: Resource):
    await websocket.accept()
    async with websocket.cancel_on_disconnect():
        there[number].set()
        try:
            await anyio.Event().wait()
        finally:
            ended[number] += 1


@app.router.websocket("/setting-up/{number}")
async def setting_up(websocket: WebSocket, number: int, _: Annotated[None, Depends(slow_resource)]):
    try:
        await websocket.accept()
        async for _text in websocket.iter_text():
            pass
    finally:
        ended[number] += 1


@app.router.websocket("/accepting/{number}")
async def accepting(websocket: WebSocket, number: int, _: Resource):
    there[number].set()
    await gone[number].wait()
    try:
        await websocket.accept()
        async for _text in websocket.iter_text():
            pass
    finally:
        ended[number] += 1


@app.router.websocket("/viewed/{number}")
class Viewed(SocketView):
    async def on_connect(self, number: int, _: Resource):
        self.number = number
        await self.websocket.accept()
        there[number].set()

    async def on_disconnect(self, close_code: int):
        ended[self.number] += 1


async def vanish(url: str, place: str, number: int, silently: bool) -> None:
    """Connect, and be gone once the handler is at its place: with a reset, or reading and answering nothing more."""
    client = socket.create_connection((url.split(":")[1].strip("/"), int(url.split(":")[2])))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LET_GO)
    connecting = asyncio.create_task(
        # left to itself
        connect(f"{url}/{place}/{number}", sock=client).__aenter__()
    )
    handshake_first = place not in ("setting-up", "accepting")
    connection = await connecting if handshake_first else None
    await there[number].wait()
    # While the handshake is answered: one half has gone before the answer, the other half goes right behind it.
    if number % 2:
        gone[number].set()
    if silently:
        connection = connection or await answered(connecting, number)
        connection.transport.pause_reading()
        await until(lambda: ended[number])
    connecting.cancel()
    with suppress(asyncio.CancelledError, Exception):
        connection = await connecting
    if connection is not None:
        connection.transport.abort()
    gone[number].set()
    await until(lambda: ended[number] and cleaned_up[number])


async def answered(connecting, number):
    gone[number].set()
    return await connecting


async def vanish_all(url: str, place: str, numbers: range, silently: bool) -> None:
    at_once = asyncio.Semaphore(AT_ONCE * (10 if silently else 1))

    async def one(number: int) -> None:
        async with at_once:
            await vanish(url, place, number, silently)

    await asyncio.gather(*(one(number) for number in numbers))


@pytest.mark.parametrize("silently", [False, True], ids=["reset", "silent"])
@pytest.mark.parametrize("place", ["receiving", "sending", "elsewhere", "setting-up", "accepting", "viewed"])
def test_whatever_a_vanished_client_has_begun_is_ended_once(place, silently, full, number):
    count = 1000 if full else 30

    async def half(url: str) -> None:
        with no_task_left() as left:
            await vanish_all(url, place, range(count // 2), silently)
            await until(lambda: not left())
        ones = dict.fromkeys(range(count // 2), 1)
        assert (ones, ones, ones) == (dict(entered), dict(ended), dict(cleaned_up))
        for ledger in (entered, ended, cleaned_up, there, gone):
            ledger.clear()
        # The server lets go of a connection some turns of the loop after its handler has ended.
        await until(lambda: not living(WebSocket, Bindings, ReadAhead))

    async def run():
        async with serving(app, ws_ping_interval=0.1, ws_ping_timeout=0.1) as url:
            tracemalloc.start()
            try:
                await half(url)
                size, resident = tracemalloc.get_traced_memory()[0], resident_bytes() or 0
                await half(url)
                grown = tracemalloc.get_traced_memory()[0] - size
            finally:
                tracemalloc.stop()
            assert grown < CACHES_BYTES
            more = (resident_bytes() or 0) - resident
            how = "in silence" if silently else "with a reset"
            number(
                f"{count} clients vanished {how} while {place}: {grown:+,} bytes traced, {more / 2**20:+.1f} MiB RSS"
            )

    with only_new_objects():
        asyncio.run(run())
