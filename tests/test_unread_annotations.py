"""Annotations that name what is there for type checkers only: quoted, and as Python 3.14 evaluates them, lazily.

Before Python 3.14 only the quoted spelling can be registered at all: the other one fails where the function is defined.
"""

import __future__

import sys

import pytest

from reference_ws import App
from reference_ws.testing import connect

pytestmark = pytest.mark.anyio

HEAD = """
from typing import TYPE_CHECKING, Annotated, Any, Optional
from reference_ws import Depends, Header, Ignore, Query, SocketView, WebSocket

if TYPE_CHECKING:
    from somewhere import User, models

def current(name: str = "anonymous") -> "User":
    return name
"""


@pytest.fixture(params=["quoted", pytest.param("lazy", marks=pytest.mark.skipif(
    sys.version_info < (3, 14), reason="evaluated where it stands before Python 3.14"
))])  # fmt: skip
def define(request):
    """Define what the source says; "quoted" means `from __future__ import annotations`."""
    flags = __future__.annotations.compiler_flag if request.param == "quoted" else 0

    def define(source):
        names = {"__name__": __name__}
        exec(compile(HEAD + source, "source.py", "exec", flags, dont_inherit=True), names)
        return names

    return define


@pytest.mark.parametrize(
    "kind",
    [
        "Annotated[User, Depends(current)]",
        "Annotated[User | None, Depends(current)]",
        "Annotated[Optional[User], Depends(current)]",
        "Annotated[list[User], Depends(current)]",
        "Annotated[models.User, Depends(current)]",
        "Annotated[models.Of[User], Depends(current)]",
    ],
)
async def test_what_a_factory_makes_needs_no_type(define, kind):
    app = App()
    app.websocket("/")(
        define(f"""
async def handler(ws: WebSocket, user: {kind}) -> User:
    await ws.accept()
    await ws.send_text(user)
""")["handler"]
    )
    async with connect(app, "/?name=ana") as connection:
        assert "ana" == await connection.receive_text()


async def test_the_older_spelling_and_what_is_never_bound(define):
    app = App()
    app.websocket("/")(
        define("""
def audience(ws: Ignore[User] = None): return "all"

async def handler(ws: WebSocket, user: User = Depends(current), to: User = Depends(audience), *a: User, **k: User):
    await ws.accept()
    await ws.send_text(f"{user} to {to}")
""")["handler"]
    )
    async with connect(app, "/") as connection:
        assert "anonymous to all" == await connection.receive_text()


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("ws: Socket", "Socket"),
        ("ws: WebSocket, user: User", "User"),
        ("ws: WebSocket, user: User = None", "User"),
        ("ws: WebSocket, user: list[User | None] = None", "User"),
        ("ws: WebSocket, user: models.User", "models"),
        ("ws: WebSocket, user: Annotated[User, Query()] = None", "User"),
        ("ws: WebSocket, user: Annotated[str, Query(alias=alias)]", "alias"),
        ("ws: WebSocket, user: Annotated[str, Depends(factory)]", "factory"),
        ("ws: WebSocket, user: Annotated[str, models.Depends(current)]", "models"),
        ("ws: WebSocket, user: Annotated[str, Mark(current)]", "Mark"),
    ],
)
def test_what_is_needed_and_not_there_is_named(define, parameter, name):
    handler = define(f"async def handler({parameter}): ...")["handler"]
    with pytest.raises(
        TypeError, match=rf"handler \(source.py:\d+\): an annotation can't be read: name '{name}.*Import"
    ):
        App().websocket("/")(handler)


@pytest.mark.parametrize("annotation", ["Any", "dict[str, int]"])
async def test_a_view_needs_the_type_of_its_messages_only(define, annotation):
    view = define(f"""
class View(SocketView):
    encoding = "json"
    async def on_receive(self, data: {annotation}, *more: User) -> User:
        await self.websocket.send_json(data)
""")["View"]
    app = App()
    app.websocket("/")(view)
    async with connect(app, "/") as connection:
        await connection.send_json({"a": 1})
        assert {"a": 1} == await connection.receive_json()


def test_a_view_whose_messages_have_no_type_that_is_there(define):
    view = define("""
class View(SocketView):
    encoding = "json"
    async def on_receive(self, data: User): ...
""")["View"]
    with pytest.raises(TypeError, match=r"on_receive \(source.py:\d+\): an annotation can't be read: name 'User'"):
        App().websocket("/")(view)
