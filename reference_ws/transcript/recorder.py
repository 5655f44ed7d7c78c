"""Writes down, as a transcript, what clients and a running application say to each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_ws.lifecycle import ACCEPT, CLOSE, DISCONNECT, RECEIVED, RESPONSE_BODY, RESPONSE_START, SENT
from reference_ws.transcript import messages
from reference_ws.transcript.steps import (
    ApplicationClose,
    ApplicationData,
    ClientClose,
    ClientData,
    Connect,
    Drop,
    Raised,
    Step,
    Transcript,
)

__all__ = ["Recorder"]

OF_EVERY_CLIENT: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "host",
        "pragma",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
        "upgrade",
        "user-agent",
    }
)
"""Headers that clients add by themselves; a transcript doesn't repeat them."""


class Recorder:
    """ASGI middleware that records every WebSocket connection: ``recorder = Recorder(app)``, then serve ``recorder``.

    ``recorder.transcript()`` can be asked at any time. One connection is recorded without a name, several as
    ``client1``, ``client2`` and so on, in the order in which they came. HTTP requests pass through unrecorded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._steps: list[Step] = []
        self._connections = 0

    def transcript(self) -> Transcript:
        """Give what was recorded so far."""
        if self._connections > 1:
            return Transcript(tuple(self._steps))
        return Transcript(tuple(replace(step, client="") for step in self._steps))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection or a request, as ASGI describes it."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        self._connections += 1
        connection = _Connection(scope, f"client{self._connections}", self._steps)

        async def recorded_receive() -> Message:
            message = await receive()
            connection.received(message)
            return message

        async def recorded_send(message: Message) -> None:
            await send(message)
            connection.sent(message)

        try:
            await self.app(scope, recorded_receive, recorded_send)
        except Exception as error:
            self._steps.append(Raised(client=connection.name, exception=type(error).__name__, message=str(error)))
            raise


class _Connection:
    """What is known of one recorded connection."""

    def __init__(self, scope: Scope, name: str, steps: list[Step]) -> None:
        self.name = name
        self._steps = steps
        self._accepted = False
        self._over = False
        self._refusal: Message = {}
        self._body = b""
        # The scope is the handshake; an application may answer it without receiving websocket.connect.
        target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        lines = messages.header_lines(scope["headers"])
        own = tuple(line for line in lines if line[0] not in OF_EVERY_CLIENT)
        steps.append(Connect(client=name, target=f"{target}?{query}" if query else target, headers=own))

    def received(self, message: Message) -> None:
        kind = message["type"]
        if kind == RECEIVED:
            self._steps.append(ClientData(client=self.name, payload=messages.frame(message)))
        elif kind == DISCONNECT and not self._over:
            self._over = True
            code = message.get("code", 1005)
            # Before its handshake is answered, a client can't send a close frame, whatever code the message carries.
            if code == 1006 or not self._accepted:
                self._steps.append(Drop(client=self.name))
            else:
                self._steps.append(ClientClose(client=self.name, code=code, reason=message.get("reason") or ""))

    def sent(self, message: Message) -> None:
        kind = message["type"]
        if kind == ACCEPT:
            self._accepted = True
            self._steps.append(messages.accept(message, self.name))
        elif kind == SENT:
            self._steps.append(ApplicationData(client=self.name, payload=messages.frame(message)))
        elif kind == CLOSE:
            self._over = True
            if self._accepted:
                code, reason = message.get("code", 1000), message.get("reason") or ""
                self._steps.append(ApplicationClose(client=self.name, code=code, reason=reason))
            else:
                self._steps.append(messages.deny(403, (), b"", self.name))
        elif kind == RESPONSE_START:
            self._refusal = message
        elif kind == RESPONSE_BODY:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self._over = True
                lines = messages.header_lines(self._refusal.get("headers") or ())
                self._steps.append(messages.deny(self._refusal["status"], lines, self._body, self.name))
