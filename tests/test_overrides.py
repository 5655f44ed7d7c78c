from typing import Annotated

import pytest

from reference_ws import App, Depends, Header, SocketView, WebSocket, use
from reference_ws.testing import HandshakeRefused, connect
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio

events = []


@pytest.fixture(autouse=True)
def fresh():
    events.clear()


async def database():
    events.append("real")
    yield "real"


def user(database: Annotated[str, Depends(database)], token: Annotated[str, Header(alias="x-token")]):
    return f"{token} in the {database} database"


def serving(endpoint):
    app = App()
    app.router.websocket("/")(endpoint)
    return app


async def handler(websocket: WebSocket, user: Annotated[str, Depends(user)], again: Annotated[str, use(database)]):
    await websocket.accept()
    await websocket.send_text(f"{user}, {again}")


async def said(app, target="/", **options):
    async with connect(app, target, **options) as client:
        return await client.receive_text()


TOKEN = {"headers": {"x-token": "Bo"}}


async def test_a_dependency_of_a_dependency_is_exchanged_wherever_it_stands():
    app = serving(handler)
    app.dependency_overrides[database] = lambda: "false"
    assert "Bo in the false database, false" == await said(app, **TOKEN)
    assert [] == events
    app.dependency_overrides.clear()
    assert "Bo in the real database, real" == await said(app, **TOKEN)


async def test_what_stands_in_has_parameters_and_clean_ups_of_its_own():
    async def stand_in(websocket: WebSocket, name: str):
        events.append("begun")
        try:
            yield f"{name} of {websocket.url.path}"
        finally:
            events.append("cleaned up")

    app = serving(handler)
    app.dependency_overrides[database] = stand_in
    assert "Bo in the x of / database, x of /" == await said(app, "/?name=x", **TOKEN)
    assert ["begun", "cleaned up"] == events  # one value a connection
    with pytest.raises(HandshakeRefused) as refused:
        await said(app, **TOKEN)
    assert ["name"] == [error["name"] for error in refused.value.json()["errors"]]


async def test_what_only_the_exchanged_one_takes_from_the_handshake_is_not_asked_for():
    app = serving(handler)
    app.dependency_overrides[user] = lambda: "nobody"
    assert "nobody, real" == await said(app)


async def test_a_parameter_of_the_path_for_what_stands_in():
    async def room(websocket: WebSocket, user: Annotated[str, Depends(user)], room: int):
        await websocket.accept()
        await websocket.send_text(f"{user} in {room}")

    app = App()
    app.router.websocket("/{room:int}")(room)
    app.dependency_overrides[user] = lambda room: f"guest {room + 1}"  # the path's convertor has made the number
    assert "guest 8 in 7" == await said(app, "/7")

    def guest(room: int):
        return f"guest {room + 1}"

    app.dependency_overrides[user] = guest
    assert "guest 8 in 7" == await said(app, "/7")


async def test_what_stands_in_may_depend_on_what_it_stands_in_for():
    def counted(real: Annotated[str, Depends(database)]):
        return f"{real}, counted"

    app = serving(handler)
    app.dependency_overrides[database] = counted
    assert "Bo in the real, counted database, real, counted" == await said(app, **TOKEN)
    assert ["real"] == events


async def test_two_that_stand_in_for_each_other():
    def one():
        return "one"

    def two():
        return "two"

    def first(value: Annotated[str, Depends(two)]):
        return f"first({value})"

    def second(value: Annotated[str, Depends(one)]):
        return f"second({value})"

    async def both(websocket: WebSocket, a: Annotated[str, Depends(one)], b: Annotated[str, Depends(two)]):
        await websocket.accept()
        await websocket.send_text(f"{a} {b}")

    app = serving(both)
    app.dependency_overrides |= {one: first, two: second}
    assert "first(second(one)) second(one)" == await said(app)  # one value of `second` a connection


async def test_dependencies_of_views_and_of_middleware_are_exchanged():
    class View(SocketView):
        async def on_connect(self, database: Annotated[str, Depends(database)]):
            await self.websocket.accept()
            await self.websocket.send_text(database)

    def middleware(endpoint):
        async def wrapped(websocket: WebSocket, database: Annotated[str, Depends(database)]):
            events.append(f"middleware: {database}")
            await endpoint(websocket)

        return wrapped

    app = App()
    app.router.websocket("/", middlewares=[middleware])(View)
    app.dependency_overrides[database] = lambda: "false"
    assert "false" == await said(app)
    assert ["middleware: false"] == events


async def test_an_application_exchanges_its_own_alone():
    inner, outer = serving(handler), App()
    outer.mount("/inner", inner)
    outer.dependency_overrides[database] = lambda: "false"
    assert "Bo in the real database, real" == await said(outer, "/inner/", **TOKEN)


async def test_what_cannot_be_bound_is_told_with_its_place():
    def odd(anything: object):
        pass

    app = serving(handler)
    for wrong, told in ((odd, r"odd.*test_overrides\.py"), (5, "5 stands in for .*database.*can't be called")):
        app.dependency_overrides[database] = wrong
        with pytest.raises(HandshakeRefused) as refused:
            await said(app, **TOKEN)
        with pytest.raises(TypeError, match=told):
            raise refused.value.__cause__


async def test_in_a_transcript():
    app = serving(handler)
    app.dependency_overrides |= {database: lambda: "false", user: lambda: "Ana"}
    await check(app, '-> connect /\n<- accept\n<- text "Ana, false"\n<- close')
