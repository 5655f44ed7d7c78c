"""A model of application, client, server and faults: random stories, and five facts that hold in each.

Only legal messages reach the server; a connection has one terminal message; no message is lost or comes out of order;
``on_disconnect`` and each clean-up run exactly once; no task is left.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
import anyio.lowlevel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from reference_ws import App, Depends, LifecycleError, SocketView, WebSocket, WebSocketDisconnect, lifecycle
from reference_ws.lifecycle import ACCEPT, CLOSE, RESPONSE_LAST_BODY, RESPONSE_START, SENT
from reference_ws.testing.inmemory import DENIAL, InMemoryConnection, handshake

CLIENT = ["text", "bytes", "close", "drop"]
APPLICATION = ["accept", "send", "send json", "receive", "is_disconnected", "watch", "deny", "close", "raise", "end"]
WORLD = ["turn", "turns", "cancel"]
ENDS = (CLOSE, RESPONSE_LAST_BODY)

stories = st.lists(
    st.one_of(
        st.tuples(st.just("client"), st.sampled_from(CLIENT)),
        st.tuples(st.just("first task"), st.sampled_from(APPLICATION)),
        st.tuples(st.just("second task"), st.sampled_from(APPLICATION)),
        st.tuples(st.just("world"), st.sampled_from(WORLD)),
    ),
    max_size=40,
)


class BoomError(Exception):
    pass


@dataclass
class Variant:
    """What the server is like."""

    both_keys: bool
    send_raises: bool
    denial: bool
    waits: bool  # each message waits for a turn before it is taken, and for one after it
    fails_at: int | None  # the so-manieth message is refused with an OSError, like all that follow

    def connection(self) -> "Server":
        return Server(self)


variants = st.builds(Variant, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.none() | st.integers(0, 6))


class Server(InMemoryConnection):
    def __init__(self, variant: Variant) -> None:
        scope = handshake("/", extensions=DENIAL if variant.denial else {})
        super().__init__(scope, both_keys=variant.both_keys, send_raises=variant.send_raises)
        self.variant = variant
        self.in_order = anyio.Lock()
        self.taken: list[Any] = []
        self.cut_off: list[str] = []
        self.illegal: list[str] = []
        self.failed = False

    async def send(self, message: Any) -> None:
        event = lifecycle.sent_event(message)
        try:
            async with self.in_order:
                if self.variant.waits:
                    await anyio.lowlevel.checkpoint()
                if self.variant.fails_at is not None and len(self.taken) >= self.variant.fails_at:
                    self.failed = True
                    self.leave(1006)
                await super().send(message)
                if self.sent:  # else it was thrown away, as the client has left
                    self.take()
                    self.taken.append(message)
        except asyncio.CancelledError:
            self.cut_off.append(event)
            raise
        except RuntimeError as error:
            self.illegal.append(f"{event}: {error}")
            raise
        if self.variant.waits:
            await anyio.lowlevel.checkpoint()


@dataclass
class Story:
    """What has happened on one connection."""

    made: int = 0
    cleaned_up: int = 0
    viewed: int = 0
    left: int = 0
    delivered: list[Any] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    drained: bool = False
    sent: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    orders: dict[str, deque[str]] = field(default_factory=dict)
    wake: dict[str, anyio.Event] = field(default_factory=dict)
    number: int = 0

    def order(self, task: str, what: str) -> None:
        self.orders[task].append(what)
        event, self.wake[task] = self.wake[task], anyio.Event()
        event.set()

    async def obey(self, task: str, websocket: WebSocket) -> None:
        """Do what is ordered, one thing after the other, as a task of the application."""
        while True:
            while not self.orders[task]:
                await self.wake[task].wait()
            what = self.orders[task].popleft()
            if what == "end":
                return
            with suppress(LifecycleError, WebSocketDisconnect):  # not everything is possible everywhere
                await self.do(what, websocket)
            if self.drained:
                return  # only one task sees the end: it ends the others

    async def receive(self, websocket: WebSocket) -> None:
        message = await websocket.receive()
        if message["type"] == "websocket.receive":
            text = message.get("text")
            self.received.append(message["bytes"] if text is None else text)
        elif message["type"] == "websocket.disconnect":
            self.drained = True

    async def do(self, what: str, websocket: WebSocket) -> None:
        match what:
            case "accept":
                await websocket.accept()
            case "send" | "send json":
                self.number += 1
                text = str(self.number)
                self.sent.append(text)
                await (websocket.send_text(text) if what == "send" else websocket.send_json(int(text)))
                self.confirmed.append(text)
            case "receive":
                await self.receive(websocket)
            case "drain":
                while not self.drained:
                    await self.receive(websocket)
            case "is_disconnected":
                await websocket.is_disconnected()
            case "watch":
                async with websocket.cancel_on_disconnect(2):
                    for _ in range(3):
                        await anyio.lowlevel.checkpoint()
            case "deny":
                await websocket.send_denial_response(PlainTextResponse("no", 401))
            case "close":
                await websocket.close(4000)
            case "raise":
                raise BoomError


def application(story: Story, viewed: bool) -> App:
    async def resource():
        story.made += 1
        try:
            await anyio.lowlevel.checkpoint()
            yield
            await anyio.lowlevel.checkpoint()
        finally:
            story.cleaned_up += 1

    Resource = Annotated[None, Depends(resource)]  # noqa: N806

    async def handler(websocket: WebSocket, _: Resource):
        async with anyio.create_task_group() as tasks:

            async def second() -> None:
                await story.obey("second task", websocket)
                if story.drained:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(second)
            await story.obey("first task", websocket)
            tasks.cancel_scope.cancel()

    class View(SocketView):
        encoding = "anystr"

        async def on_connect(self, _: Resource):
            story.viewed += 1
            await handler(self.websocket, None)

        async def on_receive(self, data):
            story.received.append(data)

        async def on_disconnect(self, close_code: int):
            story.left += 1
            await anyio.lowlevel.checkpoint()

    for function in (handler, View.on_connect):
        function.__annotations__["_"] = Resource
    app = App()
    app.router.websocket("/")(View if viewed else handler)
    return app


async def play(steps: list[tuple[str, str]], variant: Variant, viewed: bool) -> None:
    before = asyncio.all_tasks()
    story, server = Story(), variant.connection()
    for name in ("first task", "second task"):
        story.orders[name], story.wake[name] = deque(), anyio.Event()
    serving = asyncio.ensure_future(server.run(application(story, viewed)))
    cancelled = client_left = False
    for who, what in steps:
        if who == "client":
            if what in ("text", "bytes") and server.accepted and not server.gone:
                story.number += 1
                message: Any = str(story.number) if what == "text" else str(story.number).encode()
                story.delivered.append(message)
                server.deliver(*((message, None) if what == "text" else (None, message)))
            elif what in ("close", "drop"):
                client_left = client_left or not server.gone
                server.leave(1001 if what == "close" else 1006)
        elif who == "world":
            for _ in range(8 if what == "turns" else 1):
                await anyio.lowlevel.checkpoint()
            if what == "cancel" and not cancelled:
                cancelled = serving.cancel()
        else:
            story.order(who, what)
    for what in ("drain", "end"):
        story.order("first task", what)
    for _ in range(100):
        await anyio.lowlevel.checkpoint()
    if not serving.done():
        client_left = client_left or not server.gone
        server.leave(1001)
    for _ in range(200):
        await anyio.lowlevel.checkpoint()
    if not serving.done():
        where = server.waiting_at()
        for task in asyncio.all_tasks() - before:
            task.cancel()
        raise AssertionError(f"it has not ended; it waits at {where}")
    check(story, server, client_left)
    assert before == asyncio.all_tasks()


def check(story: Story, server: Server, client_left: bool) -> None:
    # Nobody can know whether an accept, or a refusal's start, was taken when it is cancelled under way.
    assert [] == server.illegal or {ACCEPT, RESPONSE_START} & set(server.cut_off)
    events = [lifecycle.sent_event(message) for message in server.taken]
    ends = sum(event in ENDS for event in events)
    assert ends <= 1
    assert not ends or events[-1] in ENDS
    # Without one the client has left, or the server has failed, or the very message that ends it was cancelled.
    assert ends == 1 or client_left or server.failed or {*ENDS, RESPONSE_START} & set(server.cut_off)
    arrived = [message["text"] for message in server.taken if message["type"] == SENT]
    assert arrived == [text for text in story.sent if text in set(arrived)]
    assert set(story.confirmed) <= set(arrived) or not server.variant.send_raises
    assert story.received == story.delivered[: len(story.received)]
    assert story.received == story.delivered or not story.drained
    assert story.made == story.cleaned_up <= 1
    assert story.viewed == story.left <= 1
    assert all(isinstance(error, BoomError | RuntimeError if server.illegal else BoomError) for error in raised(server))


def raised(server: Server) -> list[BaseException]:
    """List what left the application, out of its groups."""
    errors = [] if server.error is None else [server.error]
    while groups := [error for error in errors if hasattr(error, "exceptions")]:
        errors = [error for error in errors if error not in groups]
        errors += [error for group in groups for error in group.exceptions]
    return errors


def test_five_facts_hold_in_every_story(full, number):
    runs = 0
    loop = asyncio.new_event_loop()

    @given(stories, variants, st.booleans())
    @settings(
        max_examples=10_000 if full else 250,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def one(steps: list[tuple[str, str]], variant: Variant, viewed: bool) -> None:
        nonlocal runs
        runs += 1
        loop.run_until_complete(play(steps, variant, viewed))

    try:
        one()
    finally:
        loop.close()
    assert runs >= (10_000 if full else 250)
    number(f"{runs:,} random stories of application, client, server and faults")
