"""The player's clients over real sockets, with the ``websockets`` client.

A real connection is read all the time, by a task of its own; what has come waits until its line is read. Before a
client leaves, it takes in what the application has sent until then, as the player in memory does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from starlette.types import Message
from starlette.websockets import WebSocketState

try:
    from websockets.asyncio.client import ClientConnection, connect
except ModuleNotFoundError as error:
    problem = "transcripts are played over sockets with websockets: run `pip install 'reference-ws[sockets]'`"
    raise ModuleNotFoundError(problem, name=error.name) from None
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Request, Response
from websockets.protocol import State

from reference_ws.lifecycle import ACCEPT, CLOSE, RESPONSE_BODY, RESPONSE_START, SENT
from reference_ws.testing.inmemory import Signal, background, percent_encoded
from reference_ws.transcript.messages import from_application
from reference_ws.transcript.peers import CUT, OVER, UNREACHED, Ended, Nothing, Peer
from reference_ws.transcript.steps import Headers, Step

QUIET_PONGS: Final = 10
"""The application has settled when so many pongs brought nothing new; its server's event loop turned as often."""
GRACE_S: Final = 2.0
"""How long to wait for these pongs, or for the answer to a handshake that no line expects."""
CLOSE_S: Final = 1.0
"""How long a server may take to answer a close frame."""


@asynccontextmanager
async def socket_peers(url: str) -> AsyncIterator[Callable[[str], Peer]]:
    """Yield a function that makes the client of a given name; connections that are open at the end are cut."""
    async with background() as tasks:
        yield lambda name: _SocketPeer(url.rstrip("/"), name, tasks)


class _Connect(connect):
    """Shows a redirect as the refusal that it is for a WebSocket client, instead of following it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _SocketPeer:
    checks_inside = False

    def __init__(self, base: str, name: str, tasks: TaskGroup) -> None:
        self._base = base
        self._name = name
        self._tasks = tasks
        self._talking = anyio.CancelScope()
        self._socket: ClientConnection | None = None
        self._inbox: deque[Step] = deque()
        self._signal = Signal()
        self._asked = False  # the request of the handshake is on its way
        self._left = False  # what comes now is too late
        self._over = ""  # why nothing more will come

    # --- what the player calls ------------------------------------------------------------------------------------

    async def connect(self, target: str, headers: Headers) -> None:
        self._tasks.start_soon(self._talk, target, headers)
        await self._signal.wait(lambda: self._asked or bool(self._over))

    async def data(self, payload: str | bytes) -> None:
        await self._signal.wait(lambda: self._socket is not None or bool(self._over))
        if self._socket is not None:
            with suppress(ConnectionClosed):  # the next line tells what came instead
                await self._socket.send(payload)

    async def close(self, code: int, reason: str) -> None:
        await self._settle()
        await (self._cut() if code == 1006 else self._close(code, reason))

    async def answer(self, timeout_s: float) -> Step:
        with anyio.move_on_after(timeout_s):
            await self._signal.wait(lambda: bool(self._inbox or self._over))
            return self._inbox.popleft() if self._inbox else Ended(client=self._name, how=self._over)
        return Nothing(client=self._name, seconds=timeout_s)

    async def silence(self, seconds: float) -> Step | None:
        with anyio.move_on_after(seconds):
            await self._signal.wait(lambda: bool(self._inbox))
            return self._inbox.popleft()
        return None

    async def states(self) -> tuple[WebSocketState, WebSocketState]:
        raise NotImplementedError("a socket doesn't show the states inside of the application")

    async def rest(self) -> Step | None:
        await self._settle()
        return self._inbox.popleft() if self._inbox else None

    async def failure(self) -> None:
        pass  # a socket doesn't show it

    async def finish(self, timeout_s: float) -> Step | None:
        with anyio.move_on_after(timeout_s):
            await self._close(1001, "")
        return None

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _talk(self, target: str, headers: Headers) -> None:
        """Shake hands, then take in what comes, until the connection is over or cut."""
        url = self._base + percent_encoded(target)
        try:
            with self._talking:
                self._socket = await self._handshake(url, headers)
                self._said({"type": ACCEPT, "headers": _headers(self._socket.response)})
                await self._listen(self._socket)
        except InvalidStatus as refused:
            response = refused.response
            start = {"type": RESPONSE_START, "status": response.status_code, "headers": _headers(response)}
            self._said(start, {"type": RESPONSE_BODY, "body": bytes(response.body or b"")})
        except (OSError, TimeoutError, WebSocketException) as error:
            self._arrived(Ended(client=self._name, how=UNREACHED, url=url, reason=str(error)))
        finally:
            if self._socket is not None:
                self._socket.transport.abort()
                with anyio.CancelScope(shield=True):
                    await self._socket.wait_closed()
            self._over = self._over or OVER
            self._signal.notify()

    async def _handshake(self, url: str, headers: Headers) -> ClientConnection:
        offered = [
            token.strip() for name, value in headers if name == "sec-websocket-protocol" for token in value.split(",")
        ]
        given = [(name, value) for name, value in headers if name != "sec-websocket-protocol"]

        def open_connection(protocol: ClientProtocol, **options: Any) -> ClientConnection:
            build = protocol.connect

            def request() -> Request:
                built = build()
                for name, _ in given:  # the client's own host would stand beside the transcript's
                    built.headers.pop(name, None)
                asyncio.get_running_loop().call_soon(self._is_asked)
                return built

            protocol.connect = request  # type: ignore[method-assign]
            return ClientConnection(protocol, **options)

        options: dict[str, Any] = {"create_connection": open_connection, "subprotocols": offered or None}
        return await _Connect(
            url,
            additional_headers=given,
            proxy=None,
            max_size=None,
            ping_interval=None,
            open_timeout=None,
            close_timeout=CLOSE_S,
            **options,
        )

    def _is_asked(self) -> None:
        self._asked = True
        self._signal.notify()

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            while True:
                data = await socket.recv()
                self._said({"type": SENT, "text" if isinstance(data, str) else "bytes": data})
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                self._over = CUT
            else:
                self._said({"type": CLOSE, "code": closed.rcvd.code, "reason": closed.rcvd.reason})

    def _said(self, *parts: Message) -> None:
        self._arrived(from_application(parts, self._name, accepted=self._socket is not None))

    def _arrived(self, step: Step) -> None:
        if not self._left:
            self._inbox.append(step)
            self._signal.notify()

    async def _settle(self) -> None:
        """Take in what the application sends by itself: each pong comes after everything that was sent before it."""
        # A socket is read ahead of the lines all the time, so nothing is ever held as in memory; what is asked here is
        # whether the application has sent all that it sends unasked. A server answers a ping when its event loop comes
        # round to it, after the frames that were written before: some pongs in a row without news mean that the
        # handler waits for the client. It may be busy elsewhere too, hence a bound: it can only make a line come late.
        with anyio.move_on_after(GRACE_S), suppress(ConnectionClosed):
            await self._signal.wait(lambda: self._socket is not None or bool(self._over))
            quiet = 0
            while self._socket is not None and quiet < QUIET_PONGS:
                arrived = len(self._inbox)
                await (await self._socket.ping())
                quiet = quiet + 1 if len(self._inbox) == arrived else 0

    async def _close(self, code: int, reason: str) -> None:
        self._left = True
        if self._socket is not None and self._socket.state is State.OPEN:
            with anyio.move_on_after(CLOSE_S):
                if code == 1005:  # a close frame without a code, which the library doesn't offer
                    self._socket.protocol.send_close()
                    self._socket.send_data()
                    await self._socket.wait_closed()
                else:
                    await self._socket.close(code, reason)
        await self._cut()

    async def _cut(self) -> None:
        self._left = True
        self._talking.cancel()
        await self._signal.wait(lambda: bool(self._over))


def _headers(response: Response | None) -> list[tuple[bytes, bytes]]:
    """Give the headers as they came: the library decodes them, some of its versions with surrogates beyond ASCII."""
    lines = response.headers.raw_items() if response else ()
    return [(name.encode(), value.encode("latin-1", "surrogateescape")) for name, value in lines]
