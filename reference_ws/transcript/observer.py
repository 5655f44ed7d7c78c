"""Looking on while clients and a running application talk, without a change of what happens.

`Observer` wraps an ASGI application; `Recorder`, which writes a transcript, stands on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_ws import lifecycle
from reference_ws.lifecycle import CONNECT, DISCONNECT, RECEIVED, WebSocketState
from reference_ws.testing.client import goes_on, header_lines
from reference_ws.testing.inmemory import percent_encoded
from reference_ws.transcript.messages import from_application, from_client
from reference_ws.transcript.steps import Connect, Drop, Raised, States, Step, Transcript

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened on one connection, and both states after it.

    ``seconds`` count from the connect; ``step.client`` tells the connection: ``client1``, ``client2`` and so on, in the
    order in which they came. A state that moves without a line of its own (a received ``websocket.connect``, the
    beginning of a refusal, a disconnect after the application's close) is a `States` step. With ``undone`` the step,
    reported before, did not reach the client: its ``send`` raised.
    """

    seconds: float
    step: Step
    client_state: WebSocketState
    application_state: WebSocketState
    undone: bool = False


class Observer:
    """ASGI middleware that reports all that happens on every WebSocket connection: ``Observer(app, on_event)``.

    What the application sends is reported before the server takes it, so that an answer to it comes later; what the
    life cycle doesn't allow, or what comes after the end, is not reported. HTTP requests pass through.
    """

    def __init__(self, app: ASGIApp, on_event: Callable[[Event], None]) -> None:
        self.app = app
        self._on_event = on_event
        self._connections = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection or a request, as ASGI describes it."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        self._connections += 1
        connection = _Connection(scope, f"client{self._connections}", self._on_event)

        async def observed_receive() -> Message:
            message = await receive()
            connection.received(message)
            return message

        async def observed_send(message: Message) -> None:
            undo = connection.sent(message)
            try:
                await send(message)
            except Exception as error:
                undo(isinstance(error, OSError))
                raise

        try:
            await self.app(scope, observed_receive, observed_send)
        except Exception as error:
            connection.report(Raised(client=connection.name, exception=type(error).__name__, message=str(error)))
            raise


class _Connection:
    """What is known of one observed connection."""

    def __init__(self, scope: Scope, name: str, on_event: Callable[[Event], None]) -> None:
        self.name = name
        self.client_state = WebSocketState.CONNECTING
        self.application_state = WebSocketState.CONNECTING
        self._on_event = on_event
        self._began = anyio.current_time()
        self._refusal: list[Message] = []
        # The scope is the handshake; an application may answer it without receiving websocket.connect.
        target = (scope.get("raw_path") or percent_encoded(scope["path"]).encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        own = tuple(line for line in header_lines(scope) if line[0] not in OF_EVERY_CLIENT)
        self.report(Connect(client=name, target=f"{target}?{query}" if query else target, headers=own))

    def report(self, step: Step, *, undone: bool = False) -> None:
        self._on_event(
            Event(
                seconds=anyio.current_time() - self._began,
                step=step,
                client_state=self.client_state,
                application_state=self.application_state,
                undone=undone,
            )
        )

    def received(self, message: Message) -> None:
        before, kind = self.client_state, message["type"]
        over = self._over
        entry = lifecycle.RECEIVE[before].get(kind)
        if isinstance(entry, WebSocketState):
            self.client_state = entry
        if kind == RECEIVED or (kind == DISCONNECT and not over):
            accepted = self.application_state is WebSocketState.CONNECTED
            self.report(from_client(message, self.name, accepted=accepted))
        elif kind in (CONNECT, DISCONNECT) and self.client_state is not before:
            self.report(self._states())

    def sent(self, message: Message) -> Callable[[bool], None]:
        """Report a message that is about to be sent.

        What is returned takes it back when the server didn't; its argument says whether the client had left.
        """
        before = self.application_state
        step: Step | None = None
        over = self._over
        entry = lifecycle.on_send(self.client_state, before, lifecycle.sent_event(message))
        if isinstance(entry, WebSocketState):
            self.application_state = entry
            parts = [*self._refusal, message] if before is WebSocketState.RESPONSE else [message]
            if not goes_on(message):
                step = from_application(parts, self.name, accepted=before is WebSocketState.CONNECTED)
            else:  # with the last part it is a step; that it has begun moves a state
                self._refusal, step = parts, self._states() if len(parts) == 1 else None
        if step is not None:
            self.report(step)

        def undo(client_left: bool) -> None:
            known = over or self.client_state is WebSocketState.DISCONNECTED
            if client_left:
                self.client_state = self.application_state = WebSocketState.DISCONNECTED
            elif self.application_state is entry:
                self.application_state = before
            if step is not None:
                self.report(step, undone=True)
            if client_left and not known:
                self.report(Drop(client=self.name))

        return undo

    @property
    def _over(self) -> bool:
        return WebSocketState.DISCONNECTED in (self.client_state, self.application_state)

    def _states(self) -> States:
        return States(client=self.name, client_state=self.client_state, application_state=self.application_state)


class Recorder:
    """ASGI middleware that records every WebSocket connection: ``recorder = Recorder(app)``, then serve ``recorder``.

    ``recorder.transcript()`` can be asked at any time. One connection is recorded without a name, several as
    ``client1``, ``client2`` and so on, in the order in which they came. A message whose ``send`` failed is not
    recorded; when it failed because the client has left, the client's ``drop`` is. HTTP requests pass through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._observer = Observer(app, self._record)
        self._steps: list[Step] = []

    def transcript(self) -> Transcript:
        """Give what was recorded so far."""
        if sum(isinstance(step, Connect) for step in self._steps) > 1:
            return Transcript(tuple(self._steps))
        return Transcript(tuple(replace(step, client="") for step in self._steps))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection or a request, as ASGI describes it."""
        await self._observer(scope, receive, send)

    def _record(self, event: Event) -> None:
        if event.undone:
            self._steps = [step for step in self._steps if step is not event.step]
        elif not isinstance(event.step, States):
            self._steps.append(event.step)
