"""There is one way in, Starlette's own: whatever stands around a Starlette application stands around its WebSockets."""

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws import App, Router, SocketRoute, WebSocket
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio

REFUSED = "-> connect /secret\n<- deny 403"


async def secret(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("the secret")


class Guard:
    """Lets nobody in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        assert "websocket.connect" == (await receive())["type"]
        await send({"type": "websocket.close"})


class GuardedStack(App):
    def build_middleware_stack(self) -> ASGIApp:
        return Guard(super().build_middleware_stack())


class GuardedCall(App):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        await Guard(super().__call__)(scope, receive, send)


ROUTE = SocketRoute("/secret", secret)


def wrapped_stack() -> App:
    app = App(routes=[ROUTE])
    app.middleware_stack = Guard(app.build_middleware_stack())
    return app


def router_with_middleware() -> App:
    app = App()
    app.router = Router([ROUTE], middleware=[Middleware(Guard)])
    return app


def wrapped_router() -> App:
    app = App(routes=[ROUTE])
    app.router.middleware_stack = Guard(app.router.middleware_stack)
    return app


def added_later() -> App:
    app = App(routes=[ROUTE])
    app.add_middleware(Guard)
    return app


@pytest.mark.parametrize(
    "make",
    [
        lambda: App(routes=[ROUTE], middleware=[Middleware(Guard)]),
        lambda: GuardedStack(routes=[ROUTE]),
        lambda: GuardedCall(routes=[ROUTE]),
        wrapped_stack,
        router_with_middleware,
        wrapped_router,
        added_later,
    ],
)
async def test_no_connection_goes_past_a_guard(make: Callable[[], App]) -> None:
    await check(make(), REFUSED)


@pytest.mark.parametrize("called", [lambda app: app, lambda app: app.__call__])
async def test_a_guard_in_a_subclass_is_called_however_the_application_is(called: Callable[[App], ASGIApp]) -> None:
    await check(called(GuardedCall(routes=[ROUTE])), REFUSED)


async def test_what_wraps_starlette_itself_sees_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    app, seen, own = App(routes=[ROUTE]), [], Starlette.__call__

    async def traced(self: Starlette, scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])
        await own(self, scope, receive, send)

    monkeypatch.setattr(Starlette, "__call__", traced)
    await check(app, '-> connect /secret\n<- accept\n<- text "the secret"\n<- close 1000')
    assert ["lifespan", "websocket"] == seen
