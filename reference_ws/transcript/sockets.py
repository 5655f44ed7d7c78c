"""The player's clients over real sockets, with the ``websockets`` client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
from starlette.websockets import WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from reference_ws.transcript import messages
from reference_ws.transcript.player import Ended, Nothing, Peer
from reference_ws.transcript.steps import Accept, ApplicationClose, ApplicationData, Headers, Payload, Step

__all__ = ["socket_peers"]

GRACE_S: Final = 0.1
"""How long a message that no line expects may take to arrive after the last line."""


@asynccontextmanager
async def socket_peers(url: str) -> AsyncIterator[Callable[[str], Peer]]:
    """Yield a function that makes the client of a given name; connections that are open at the end are cut."""
    base = url.rstrip("/")
    peers: list[_SocketPeer] = []

    def open_peer(name: str) -> Peer:
        peers.append(peer := _SocketPeer(base, name))
        return peer

    try:
        yield open_peer
    finally:
        for peer in peers:
            await peer.drop()


class _SocketPeer:
    checks_inside = False

    def __init__(self, base: str, name: str) -> None:
        self._base = base
        self._name = name
        self._socket: ClientConnection | None = None
        self._first: Step | None = None
        self._left = False

    async def connect(self, target: str, headers: Headers) -> None:
        protocols: Any = [
            token.strip() for name, value in headers if name == "sec-websocket-protocol" for token in value.split(",")
        ]
        given = [(name, value) for name, value in headers if name != "sec-websocket-protocol"]
        try:
            self._socket = await connect(
                self._base + target,
                additional_headers=given,
                subprotocols=protocols or None,
                proxy=None,
                max_size=None,
                ping_interval=None,
                close_timeout=1,
            )
        except InvalidStatus as refused:
            response = refused.response
            body = bytes(response.body or b"")
            self._first = messages.deny(response.status_code, _lines(response), body, self._name)
        except (OSError, InvalidHandshake, TimeoutError) as error:
            self._first = Ended(client=self._name, how=f"can't connect to {self._base}{target}: {error}")
        else:
            self._first = Accept(client=self._name, headers=_lines(self._socket.response))

    async def data(self, payload: str | bytes) -> None:
        if self._socket is not None:
            with suppress(ConnectionClosed):  # the next line tells what came instead
                await self._socket.send(payload)

    async def close(self, code: int, reason: str) -> None:
        self._left = True
        if self._socket is None:
            return
        if code == 1005:  # a close frame without a code, which the library doesn't offer
            self._socket.protocol.send_close()
            self._socket.send_data()
            await self._socket.wait_closed()
        else:
            await self._socket.close(code, reason)

    async def drop(self) -> None:
        self._left = True
        if self._socket is not None:
            self._socket.transport.abort()
            await self._socket.wait_closed()

    async def answer(self, timeout_s: float) -> Step:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._socket is None or self._left:
            return Ended(client=self._name, how="the connection is over")
        with anyio.move_on_after(timeout_s):
            return await self._receive(self._socket)
        return Nothing(client=self._name, seconds=timeout_s)

    async def silence(self, seconds: float) -> Step | None:
        if self._first is not None:
            return await self.answer(seconds)
        if self._socket is None or self._left:
            await anyio.sleep(seconds)
            return None
        answer = await self.answer(seconds)
        return None if isinstance(answer, Nothing) else answer

    async def states(self) -> tuple[WebSocketState, WebSocketState]:
        raise NotImplementedError("a socket doesn't show the states inside of the application")

    async def rest(self) -> Step | None:
        if self._first is not None:
            return await self.answer(GRACE_S)
        if self._socket is None or self._left:
            return None
        with suppress(ConnectionClosed):
            await (await self._socket.ping())
        answer = await self.answer(GRACE_S)
        return answer if isinstance(answer, ApplicationData | ApplicationClose) else None

    async def finish(self, timeout_s: float) -> Step | None:
        if not self._left:
            with anyio.move_on_after(timeout_s):
                await self.close(1001, "")
        return None

    async def _receive(self, socket: ClientConnection) -> Step:
        try:
            data = await socket.recv()
        except ConnectionClosed as closed:
            self._left = True
            frame = closed.rcvd
            if frame is None:
                return Ended(client=self._name, how="the connection was cut without a close frame")
            return ApplicationClose(client=self._name, code=frame.code, reason=frame.reason)
        if isinstance(data, str):
            return ApplicationData(client=self._name, payload=messages.frame({"text": data}))
        return ApplicationData(client=self._name, payload=Payload("bytes", data))


def _lines(response: Response | None) -> Headers:
    return tuple((name.lower(), value) for name, value in response.headers.raw_items()) if response else ()
