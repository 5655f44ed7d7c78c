import inspect
import typing
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cache, partial, partialmethod, update_wrapper, wraps
from typing import Annotated, Any, NewType, ParamSpec, Protocol, TypeVar
from uuid import UUID

import attrs
import msgspec
import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket as StarletteWebSocket
from typing_extensions import Unpack

from reference_ws import App, Depends, Header, Ignore, ParameterError, Query, WebSocket
from reference_ws.binding import Bindings
from reference_ws.binding import bind as bind_handler
from reference_ws.parameters import plan
from reference_ws.testing import handshake
from reference_ws.typed import expanded

pytestmark = pytest.mark.anyio

GIVEN = WebSocket(handshake("/"), None, None)
RETURNED = []


def bind(handler):
    """Bind, and make what the handler returns visible."""
    bound = bind_handler(handler)

    async def call(websocket):
        websocket._bindings = Bindings(websocket, bound)
        RETURNED.clear()
        await bound.call(websocket)
        return RETURNED[0]

    return call


async def unannotated(anything):
    RETURNED.append(anything)


async def positional_only(ws: WebSocket, /):
    RETURNED.append(ws)


async def keyword_only(*, ws: WebSocket):
    RETURNED.append(ws)


async def second(other=None, ws: WebSocket = None):
    assert other is None
    RETURNED.append(ws)


async def both(first: WebSocket, second: StarletteWebSocket):
    assert first is second
    RETURNED.append(first)


async def general(connection: HTTPConnection):
    RETURNED.append(connection)


async def as_text(ws: "WebSocket"):
    RETURNED.append(ws)


async def with_default(ws: WebSocket, limit: int = 3):
    assert 3 == limit
    RETURNED.append(ws)


class Bound:
    async def method(self, ws: WebSocket):
        RETURNED.append(ws)

    async def __call__(self, ws: WebSocket):
        RETURNED.append(ws)


async def prefilled(room, ws: WebSocket):
    assert "blue" == room
    RETURNED.append(ws)


async def prefilled_by_name(room, ws: WebSocket):
    RETURNED.append((room, ws))


@pytest.mark.parametrize(
    "handler",
    [
        unannotated,
        positional_only,
        keyword_only,
        second,
        both,
        general,
        as_text,
        with_default,
        Bound().method,
        Bound(),
        partial(prefilled, "blue"),
    ],
    ids=lambda handler: getattr(handler, "__name__", type(handler).__name__),
)
async def test_the_connection_is_passed_where_the_signature_wants_it(handler):
    assert GIVEN is await bind(handler)(GIVEN)


async def test_a_handler_without_parameters_is_called_without():
    async def handler():
        RETURNED.append("called")

    assert "called" == await bind(handler)(GIVEN)


def sync(ws): ...


async def two(first, second): ...


async def wants_more(ws: WebSocket, room: dict): ...


async def depends_on_more(ws: WebSocket, it: Annotated[Any, Depends(wants_more)]): ...


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (sync, r"^sync \(.*test_parameters.py:\d+\): a WebSocket handler must be .* `async def`"),
        (
            two,
            r"^two \(.*test_parameters.py:\d+\): nothing can be bound to the parameter 'first' of this handler: "
            r"annotate the connection with `WebSocket`, and the others with their types\.$",
        ),
        (
            wants_more,
            r"^wants_more \(.*:\d+\): nothing can be bound to the parameter 'room' of this handler: dict could only "
            r"come from a body, and a handshake has none: receive it as a message, or make it with `Annotated\[\.\.\., "
            r"Depends\(factory\)\]`\.$",
        ),
        (
            depends_on_more,
            r"^wants_more \(.*:\d+\): nothing can be bound to the parameter 'room' of this dependency: dict",
        ),
        (partial(sync), "async def"),
    ],
)
def test_what_can_not_be_bound_is_a_type_error_that_names_the_handler(handler, problem):
    with pytest.raises(TypeError, match=problem):
        bind(handler)


def test_an_annotation_that_can_not_be_read_is_a_type_error():
    async def handler(ws: "NotThere"): ...  # noqa: F821

    with pytest.raises(TypeError, match=r"an annotation can't be read: name 'NotThere'"):
        bind(handler)


# --- what is not ours -------------------------------------------------------------------------------------------------


class Foreign:
    """Stands for the markers of other libraries: FastAPI's Depends, Litestar's Provide and so on."""

    def __init__(self, *given):
        self.given = given

    def __repr__(self):
        return "Foreign()"


@dataclass(frozen=True)
class Doc:
    documentation: str


class Store(Protocol):
    def get(self, key): ...


class Speaks(Protocol):
    def __call__(self) -> str: ...


def who():
    return "Ana"


def taking(annotation, default=...):
    if default is ...:

        async def handler(ws: WebSocket, user: annotation): ...

    else:

        async def handler(ws: WebSocket, user: annotation = default): ...

    return handler


FOREIGN = (
    r"^taking.*handler \(.*test_parameters.py:\d+\): user has .*Foreign.* `Depends` .* from reference_ws "
    r".*annotated type as the default\.$"
)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, Foreign(who)],
        Annotated[str, Foreign],
        Annotated[str, Foreign(who)] | None,
        Annotated[Annotated[str, Foreign(who)] | None, "the user"],
        Annotated[str, Foreign(who)] | int,
        list[Annotated[str, Foreign(who)]],
        list[Annotated[str, Foreign(who)]] | None,
        Annotated[list[Annotated[str, Foreign(who)]], Query()],
        Annotated[str, Query(), Foreign(who)],
        Annotated[str, Query(default=Foreign())],
        Annotated[str, Depends(who), Foreign(who)],
        Annotated[WebSocket, Foreign(who)],
        Annotated[dict, Foreign(who)],
    ],
)
@pytest.mark.parametrize("path", [(), ("user",)])
def test_a_marker_that_is_not_ours_is_an_error_at_registration(annotation, path):
    with pytest.raises(TypeError, match=FOREIGN):
        bind_handler(taking(annotation), path)


ANNOTATIONS = [str, str | None, list[str], int, WebSocket, dict, Any, object, Store, Foreign | None]


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("path", [(), ("user",)])
def test_a_default_that_is_no_plain_data_is_an_error_at_registration(annotation, path):
    if annotation == Foreign | None:
        bind_handler(taking(annotation, Foreign(who)))  # what the annotation says
    else:
        with pytest.raises(TypeError, match=FOREIGN):
            bind_handler(taking(annotation, Foreign(who)), path)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (str, (who,)),
        (list[str], [who]),
        (dict[str, str], {"a": who}),
        (str, {Foreign(who): "a"}),
        (list[str] | None, [who]),
    ],
)
def test_a_function_inside_of_a_default_that_is_no_function_is_an_error_at_registration(annotation, default):
    with pytest.raises(TypeError, match=r"user has .* as its default"):
        bind_handler(taking(annotation, default))


def test_a_default_has_what_a_protocol_asks_for_even_when_it_is_a_call():
    bind_handler(taking(Speaks, who))
    with pytest.raises(TypeError, match=FOREIGN):
        bind_handler(taking(Speaks, Foreign(who)))


@pytest.mark.parametrize("default", [datetime(2026, 2, 28), Decimal("0.1"), UUID(int=1)])
@pytest.mark.parametrize("annotation", [inspect.Parameter.empty, Any, int])
def test_dates_decimals_and_uuids_are_plain_data_whatever_the_annotation_says(annotation, default):
    async def handler(websocket: WebSocket, given=default): ...

    if annotation is not inspect.Parameter.empty:
        handler.__annotations__["given"] = annotation
    bind_handler(handler)


def test_functions_may_stand_in_a_default_that_the_annotation_says():
    for annotation in (list[Callable[[], str]], tuple[Callable[[], str], ...], list, Any, list[Any] | None):
        bind_handler(taking(annotation, (who,) if typing.get_origin(annotation) is tuple else [who]))
    bind_handler(taking(dict[str, Callable[[], str]], {"a": who}))


def test_a_default_without_annotation_is_no_foreign_marker_either():
    async def handler(ws: WebSocket, user=Foreign(who)): ...  # noqa: B008

    with pytest.raises(TypeError, match="user has Foreign"):
        bind_handler(handler)


@pytest.mark.parametrize("annotation", [list[Annotated[str, Depends(who)]], Annotated[str, Depends(who)] | int])
def test_a_marker_of_ours_is_not_lost_deep_inside_a_type(annotation):
    with pytest.raises(TypeError, match=r"user has Depends.*Annotated"):
        bind_handler(taking(annotation))


def test_two_markers_contradict_each_other():
    with pytest.raises(TypeError, match=r"user can't be Query.* and Depends.* at once"):
        bind_handler(taking(Annotated[str, Query(), Depends(who)]))


@pytest.mark.parametrize(
    "annotation", [Annotated[str, Depends(who)] | None, Annotated[Annotated[str, Depends(who)] | None, "the user"]]
)
def test_a_marker_in_an_optional_is_found(annotation):
    planned = plan(taking(annotation))
    assert [("user", who)] == [(name, dependency.factory) for name, dependency in planned.dependencies]
    assert [] == planned.parameters


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, "documentation"],
        Annotated[str, Doc("documentation")],
        Annotated[int, msgspec.Meta(ge=1), Doc("documentation"), Header],
        list[Annotated[int, msgspec.Meta(ge=1)]],
        Annotated[list[Annotated[str, Foreign()]], Depends(who)],  # only said of what the factory makes
    ],
)
def test_documentation_and_bounds_may_stand_beside(annotation):
    bind_handler(taking(annotation))


class Colour(Enum):
    RED = "red"


@dataclass
class Made:
    names: list[str] = field(default_factory=list)


class Struct(msgspec.Struct):
    names: list[str] = msgspec.field(default_factory=list)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (str, None),
        (int, 5),
        (list[int], ()),
        (set[int], {1}),
        (Colour, Colour.RED),
        (UUID, UUID(int=1)),
        (datetime, datetime(2026, 1, 2, tzinfo=timezone.utc)),
        (timedelta, timedelta(1)),
        (Decimal, Decimal(1)),
        (dict, {"a": 1}),
        (Made | None, Made()),
        (Store, {}),
        (Store, type("Memory", (), {"get": len})()),
        (Any, len),
        (Ignore[Made], Made()),
        (Annotated[Any, Depends(Made)], None),
        (Annotated[Any, Depends(Struct)], None),
    ],
)
def test_plain_data_and_what_the_annotation_says_are_defaults(annotation, default):
    bind_handler(taking(annotation, default))


# --- types that have been given a name --------------------------------------------------------------------------------

T = TypeVar("T")
P = ParamSpec("P")
try:
    import typing_extensions
except ImportError:
    typing_extensions = None
ALIASES = [
    pytest.param(
        getattr(module, "TypeAliasType", None),
        marks=pytest.mark.skipif(not hasattr(module, "TypeAliasType"), reason="there is no TypeAliasType"),
        id=name,
    )
    for name, module in (("typing", typing), ("typing_extensions", typing_extensions))
]


@pytest.mark.parametrize("alias", ALIASES)
def test_a_marker_is_found_in_a_type_that_has_a_name(alias):
    user = alias("User", Annotated[str, Depends(who)])
    needed = alias("Needed", Annotated[T, Depends(who)], type_params=(T,))
    for annotation in (
        user,
        user | None,
        Annotated[user, "documentation"],
        alias("Nested", user),
        alias("Maybe", user | None),
        needed[str],
        needed[str] | None,
        alias("Deep", needed[T], type_params=(T,))[str],
        alias("Same", T, type_params=(T,))[user],
        NewType("New", Annotated[str, Depends(who)]),
    ):
        planned = plan(taking(annotation))
        assert [("user", who)] == [(name, each.factory) for name, each in planned.dependencies], annotation
        assert ([], ["ws"]) == (planned.parameters, planned.connections)


@pytest.mark.parametrize("alias", ALIASES)
def test_a_type_that_has_a_name_is_read_like_the_type(alias):
    number = alias("Number", int)
    for annotation, expected in (
        (number, int),
        (number | None, int | None),
        (list[number], list[int]),
        (alias("Many", list[T], type_params=(T,))[number], list[int]),
    ):
        assert expected == plan(taking(annotation)).parameters[0].type
    assert ["ws", "user"] == plan(taking(alias("Socket", WebSocket))).connections


@pytest.mark.parametrize("alias", ALIASES)
def test_a_type_that_has_a_name_hides_nothing_from_the_checks(alias):
    for annotation in (alias("User", Annotated[str, Foreign(who)]), list[alias("Item", Annotated[str, Foreign(who)])]):
        with pytest.raises(TypeError, match=FOREIGN):
            bind_handler(taking(annotation))
    with pytest.raises(TypeError, match="user has Foreign"):
        bind_handler(taking(alias("Name", str), Foreign(who)))


def test_a_type_that_contains_itself_comes_from_no_handshake():
    class TypeAliasType:
        """Like ``type Tree = dict[str, Tree]``, which older Pythons can't read."""

        __type_params__ = ()
        __call__ = None

        @property
        def __value__(self):
            return dict[str, self]

    tree = TypeAliasType()
    assert dict[str, tree] == expanded(tree)
    handler = taking(tree)
    with pytest.raises(TypeError, match="could only come from a body"):
        bind_handler(handler)


# --- names of the path ------------------------------------------------------------------------------------------------


def test_a_parameter_that_is_named_almost_like_one_of_the_path_is_an_error():
    async def handler(ws: WebSocket, rom: str): ...

    with pytest.raises(
        TypeError, match=r"handler \(.*:\d+\): the path's {room} is taken by nobody, and 'rom' .* typo\?"
    ):
        bind_handler(handler, ["room"])


def test_so_is_one_of_a_dependency():
    def dependency(rom: str): ...

    async def handler(ws: WebSocket, made: Annotated[None, Depends(dependency)]): ...

    with pytest.raises(TypeError, match=r"the path's {room} is taken by nobody, and 'rom' .* typo\?"):
        bind_handler(handler, ["room"])


def test_what_only_looks_like_a_typo_is_left_alone():
    def dependency(room: str, roms: str): ...

    async def other(ws: WebSocket, n: int): ...

    async def optional(ws: WebSocket, rom: str = "blue"): ...

    async def marked(ws: WebSocket, rom: Annotated[str, Query()]): ...

    async def both(ws: WebSocket, room: str, rooms: str): ...

    async def taken(ws: WebSocket, rooms: str, made: Annotated[None, Depends(dependency)]): ...

    async def similar(ws: WebSocket, user_id: str, last_name: str, ab: str): ...

    for handler in (other, optional, marked, both, taken):
        bind_handler(handler, ["room"])
    bind_handler(similar, ["room_id", "first_name", "a"])


# --- defaults of markers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marker", [Query, Header])
def test_the_first_argument_of_a_marker_is_the_default_and_alias_the_name(marker):
    async def handler(
        ws: WebSocket,
        a: Annotated[str, marker("x", alias="b")],
        c: Annotated[str, marker(...)],
        d: str = marker("y"),
        e: str | None = marker(None),
        f: Annotated[str, marker("z")] = "first",
        g: str = marker(..., alias="h"),
    ): ...

    absent = inspect.Parameter.empty
    expected = [("b", "x"), ("c", absent), ("d", "y"), ("e", None), ("f", "first"), ("h", absent)]
    assert expected == [(each.key, each.default) for each in plan(handler).parameters]


async def test_each_connection_has_a_list_of_its_own_as_a_markers_default():
    async def handler(names: Annotated[list[str], Query(["anna"])]):
        RETURNED.append([*names])
        names.append("bob")

    bound = bind(handler)
    for _ in range(2):
        assert ["anna"] == await bound(WebSocket(handshake("/"), None, None))


# --- signatures -------------------------------------------------------------------------------------------------------


def taken(planned):
    """Say what a plan takes from where."""
    return {parameter.name: (parameter.place, parameter.type) for parameter in planned.parameters}


async def room_handler(websocket: WebSocket, room: str, limit: int = 5):
    RETURNED.append((websocket, room, limit))


async def prefixed(prefix: str, websocket: WebSocket, room: str, limit: int = 5):
    assert "before" == prefix
    await room_handler(websocket, room, limit)


def around(handler):
    @wraps(handler)
    async def wrapper(websocket: WebSocket, *args, **kwargs):
        await handler(websocket, *args, **kwargs)

    return wrapper


def around_anything(handler):
    @wraps(handler)
    async def wrapper(*args, **kwargs):
        await handler(*args, **kwargs)

    return wrapper


def around_another_name(handler):
    @wraps(handler)
    async def wrapper(connection, *args, **kwargs):
        await handler(connection, *args, **kwargs)

    return wrapper


def around_by_place(handler):
    @wraps(handler)
    async def wrapper(*args):
        await handler(*args)

    return wrapper


def around_by_name(handler):
    @wraps(handler)
    async def wrapper(websocket, **kwargs):
        await handler(websocket, **kwargs)

    return wrapper


def around_without_annotations(handler):
    @wraps(handler, assigned=())
    async def wrapper(connection: WebSocket, *args, **kwargs):
        await handler(connection, *args, **kwargs)

    return wrapper


def around_with_more(handler):
    @wraps(handler, assigned=())
    async def wrapper(token: Annotated[str, Header("none")], *args, **kwargs):
        assert "none" == token
        await handler(*args, **kwargs)

    return wrapper


def around_by_place_with_more(handler):
    @wraps(handler, assigned=())
    async def wrapper(token: Annotated[str, Header("none")], *args, flag: Annotated[str, Query("f")]):
        assert ("none", "f") == (token, flag)
        await handler(*args)

    return wrapper


def with_signature(handler):
    async def wrapper(*args, **kwargs):
        await handler(*args, **kwargs)

    wrapper.__signature__ = inspect.signature(handler)
    return wrapper


class Wrapped:
    def decorated(method):  # noqa: N805
        @wraps(method)
        async def wrapper(self, *args, **kwargs):
            await method(self, *args, **kwargs)

        return wrapper

    @decorated
    async def method(self, websocket: WebSocket, room: str, limit: int = 5):
        RETURNED.append((websocket, room, limit))

    @decorated
    async def __call__(self, websocket: WebSocket, room: str, limit: int = 5):
        RETURNED.append((websocket, room, limit))


class Decorated:
    def __init__(self, handler):
        self.handler = handler
        update_wrapper(self, handler)

    async def __call__(self, *args, **kwargs):
        await self.handler(*args, **kwargs)


@pytest.mark.parametrize(
    "handler",
    [
        Decorated(room_handler),
        Decorated(Decorated(room_handler)),
        Decorated(Wrapped().method),
        around(Decorated(room_handler)),
        around(room_handler),
        around(around(room_handler)),
        around_another_name(room_handler),
        around_by_place(room_handler),
        around_by_name(room_handler),
        around_without_annotations(room_handler),
        around_with_more(room_handler),
        around_by_place_with_more(room_handler),
        with_signature(room_handler),
        around(with_signature(room_handler)),
        partial(around(room_handler)),
        partial(around_anything(prefixed), "before"),
        partial(around_anything(prefixed), prefix="before"),
        Wrapped().method,
        Wrapped(),
    ],
    ids=lambda handler: getattr(handler, "__qualname__", type(handler).__name__),
)
async def test_a_wrapper_takes_what_the_wrapped_function_takes(handler):
    bound = bind_handler(handler, ["room"])
    assert {"room": ("path", str), "limit": ("query", int)}.items() <= taken(bound.plans[0]).items()
    for query, limit in ((b"", 5), (b"limit=7", 7)):
        websocket = WebSocket(handshake("/") | {"path_params": {"room": "blue"}, "query_string": query}, None, None)
        websocket._bindings = Bindings(websocket, bound)
        RETURNED.clear()
        await bound.call(websocket)
        assert [(websocket, "blue", limit)] == RETURNED


async def test_a_wrapper_that_can_not_pass_a_parameter_on_is_an_error_at_registration():
    def by_place(handler):
        @wraps(handler)
        async def wrapper(*args): ...

        return wrapper

    @by_place
    async def named(ws: WebSocket, *, room: str): ...

    with pytest.raises(TypeError, match=r"named \(.*:\d+\): its wrapper can't pass on the parameter 'room'"):
        bind_handler(named)


def test_only_what_is_needed_is_read():
    def get(limit: int) -> "NotThere": ...  # noqa: F821

    async def handler(made: Annotated[Any, Depends(get)], *args: "NotThere") -> "NotThere": ...  # noqa: F821

    assert {"limit": ("query", int)} == taken(plan(handler).dependencies[0][1].plan)


@pytest.mark.parametrize("text", ["NotThere", "UUID.not_there", "1 +", "list[int"])
def test_an_annotation_that_can_not_be_read_says_which_function_it_is_of(text):
    async def handler(ws: WebSocket, it): ...

    handler.__annotations__["it"] = text
    with pytest.raises(TypeError, match=r"handler \(.*:\d+\): an annotation can't be read"):
        bind_handler(handler)


# --- classes ----------------------------------------------------------------------------------------------------------


class Tagged(msgspec.Struct):
    name: str
    tags: list[str] = []
    limit: int = 5


@dataclass
class TaggedDataclass:
    name: str
    tags: list[str] = field(default_factory=list)
    limit: int = 5


@attrs.define
class TaggedAttrs:
    name: str
    tags: list[str] = attrs.Factory(list)
    limit: int = 5


class TaggedClass:
    def __init__(self, name: str, tags: list[str] = (), limit: int = 5):
        self.name, self.tags, self.limit = name, list(tags), limit


class TaggedTuple(typing.NamedTuple):
    name: str
    tags: list[str] = []  # noqa: RUF012
    limit: int = 5


class Of(typing.Generic[T]):
    def __init__(self, name: str, tags: list[T] = (), limit: int = 5):
        self.name, self.tags, self.limit = name, list(tags), limit


async def made_from(annotation, query):
    async def handler(made: annotation):
        RETURNED.append(made)

    bound = bind_handler(handler)
    websocket = WebSocket(handshake("/?" + query), None, None)
    websocket._bindings = Bindings(websocket, bound)
    RETURNED.clear()
    await bound.call(websocket)
    return RETURNED[0]


@pytest.mark.parametrize("kind", [Tagged, TaggedDataclass, TaggedAttrs, TaggedClass, TaggedTuple, Of[str]])
@pytest.mark.parametrize("marker", [lambda kind: Depends(kind), lambda kind: Depends(), lambda kind: Depends])
async def test_a_class_is_called_as_its_own_signature_says(kind, marker):
    annotation = Annotated[kind, marker(kind)]
    made = await made_from(annotation, "name=a")
    assert ("a", [], 5) == (made.name, made.tags, made.limit)
    assert made.tags is not (await made_from(annotation, "name=a")).tags or kind is TaggedTuple
    made = await made_from(annotation, "name=a&tags=b&tags=c&limit=6")
    assert ("a", ["b", "c"], 6) == (made.name, made.tags, made.limit)


async def test_a_generic_class_knows_its_arguments():
    assert [1, 2] == (await made_from(Annotated[Of[int], Depends()], "name=a&tags=1&tags=2")).tags
    with pytest.raises(ParameterError, match=r"expected list\[int\]"):
        await made_from(Annotated[Of[int], Depends()], "name=a&tags=b")


@dataclass
class Page(typing.Generic[T]):
    name: T
    size: int = 5


@dataclass
class Ints(Page[int]):
    more: str = "m"


@dataclass
class Both(Page[int], typing.Generic[T]):
    more: T | None = None


@dataclass
class Further(Page[T]):
    more: T | None = None


class GenericStruct(msgspec.Struct, typing.Generic[T]):
    name: T
    tags: list[T] = []


class IntStruct(GenericStruct[int]):
    more: int = 1


class OfInts(Of[int]): ...


class PassesOn(Of[int]):
    def __init__(self, *args: Any, size: int = 1, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.size = size


class One:
    def __new__(cls, *_: Any, **__: Any):
        return super().__new__(cls)

    def __init__(self, name: int):
        self.name = name


class Registering(type):
    def __call__(cls, *args: Any, **kwargs: Any):
        return super().__call__(*args, **kwargs)


class Registered(metaclass=Registering):
    def __init__(self, name: int):
        self.name = name


@pytest.mark.parametrize(
    ("kind", "query", "expected"),
    [
        (Ints, "name=7&more=8", {"name": 7, "more": "8"}),
        (Both[str], "name=7&more=8", {"name": 7, "more": "8"}),
        (Further[int], "name=7&more=8", {"name": 7, "more": 8}),
        (GenericStruct[int], "name=7&tags=8", {"name": 7, "tags": [8]}),
        (IntStruct, "name=7&tags=8&more=9", {"name": 7, "tags": [8], "more": 9}),
        (OfInts, "name=7&tags=8", {"name": "7", "tags": [8]}),
        (PassesOn, "name=7&tags=8&size=9", {"name": "7", "tags": [8], "size": 9}),
        (One, "name=7", {"name": 7}),
        (Registered, "name=7", {"name": 7}),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
async def test_a_class_takes_what_those_take_that_it_inherits_from(kind, query, expected):
    made = await made_from(Annotated[Any, Depends(kind)], query)
    assert expected == {name: getattr(made, name) for name in expected}


def test_what_a_class_only_seems_to_make_itself_is_a_foreign_marker():
    class Sneaky:
        def __repr__(self):
            return "<factory>"

    def function(user: str = Sneaky()): ...

    class Struct(msgspec.Struct):
        user: str = Sneaky()

    for factory in (function, Struct):
        with pytest.raises(TypeError, match="user has <factory> as its default"):
            plan(taking(Annotated[Any, Depends(factory)]))


@pytest.mark.parametrize("annotation", [Any, str | None, "no annotation"])
def test_depends_without_an_argument_needs_a_class(annotation):
    async def handler(ws: WebSocket, it=Depends()): ...  # noqa: B008

    if annotation != "no annotation":
        handler.__annotations__["it"] = annotation
    with pytest.raises(TypeError):
        bind_handler(handler)


@pytest.mark.parametrize("kind", [dict, type, int])
def test_a_class_that_does_not_say_what_it_takes_is_an_error_at_registration(kind):
    with pytest.raises(TypeError, match=r"handler|" + kind.__name__):
        bind_handler(taking(Annotated[Any, Depends(kind)]))


async def test_what_no_answer_can_carry_is_the_clients_fault_all_the_same():
    sent = []

    async def handler(room: int): ...

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    app = App()
    app.router.websocket("/{room}")(handler)
    await app({**handshake("/x"), "path": "/\udcff"}, receive, send)
    assert 422 == sent[0]["status"]
    assert b'"given":"?"' in sent[1]["body"]


# --- what no signature says -------------------------------------------------------------------------------------------


class Method:
    async def stay(self, room, ws: WebSocket):
        RETURNED.append((room, ws))

    blue = partialmethod(stay, room="blue")

    @staticmethod
    async def still(ws: WebSocket):
        RETURNED.append(("blue", ws))


@pytest.mark.parametrize(
    "handler",
    [partial(prefilled_by_name, room="blue"), Method().blue, Method.__dict__["still"]],
    ids=["partial", "partialmethod", "staticmethod"],
)
async def test_what_stands_behind_a_parameter_that_is_set_is_passed_all_the_same(handler):
    assert ("blue", GIVEN) == await bind(handler)(GIVEN)


async def test_a_cached_factory_is_called_as_the_function_that_it_keeps_the_values_of():
    calls = []

    @cache
    def doubled(number: int):
        calls.append(number)
        return 2 * number

    for _ in range(2):
        assert 14 == await made_from(Annotated[int, Depends(doubled)], "number=7")
    assert [7] == calls


def forwarding(function):
    async def wrapper(*args: P.args, **kwargs: P.kwargs):
        await function(*args, **kwargs)

    return wrapper


class Options(typing.TypedDict):
    room: str


async def values(ws: WebSocket, *rooms: Annotated[str, Depends(str)]): ...


async def names(ws: WebSocket, **rooms: Annotated[str, Query()]): ...


async def options(ws: WebSocket, **rooms: Unpack[Options]): ...


class Keeps(typing.Generic[T]):
    async def handle(self, ws: WebSocket, value: T):
        RETURNED.append(value)

    def __call__(self, value: T):
        return value

    @classmethod
    def made(cls, value: T):
        return value


class KeepsInts(Keeps[int]): ...


@pytest.mark.parametrize(
    "handler",
    [
        KeepsInts().handle,
        partial(KeepsInts().handle),
        *(taking(Annotated[Any, Depends(factory)]) for factory in (KeepsInts(), KeepsInts.made, KeepsInts().made)),
    ],
)
def test_a_method_of_a_generic_class_takes_what_the_class_says(handler):
    assert [int] == [parameter.type for parameter in bind_handler(handler).wanted]


@pytest.mark.parametrize("handler", [forwarding(unannotated), values, names, options])
def test_what_would_never_be_passed_is_an_error_at_registration(handler):
    with pytest.raises(TypeError, match=r"test_parameters\.py:\d+\): .*(functools\.wraps|write out its parameters)"):
        bind_handler(handler)


def test_a_wrapper_that_says_what_it_wraps_may_name_what_it_passes_on():
    async def handler(room: str, ws: WebSocket): ...

    assert {"room"} == {each.key for each in bind_handler(wraps(handler)(forwarding(handler))).wanted}


def test_a_value_behind_one_that_is_missing_can_not_be_passed_by_its_place():
    async def handler(ws: WebSocket, settings: dict[str, str] = {}, limit: int = 5, /): ...  # noqa: B006

    with pytest.raises(TypeError, match="limit can't be passed by its place"):
        bind_handler(handler)


@pytest.mark.parametrize("decorator", [contextmanager, asynccontextmanager])
def test_a_context_manager_that_nobody_would_enter_is_an_error_at_registration(decorator):
    def begin(): ...

    with pytest.raises(TypeError, match=r"begin \(.*test_parameters\.py:\d+\): contextlib has made a context manager"):
        bind_handler(taking(Annotated[Any, Depends(decorator(begin))]))


def test_a_signature_that_is_none_names_the_function():
    async def handler(ws: WebSocket): ...

    handler.__signature__ = 5
    with pytest.raises(TypeError, match=r"handler \(.*test_parameters\.py"):
        bind_handler(handler)


def test_what_nobody_is_bound_to_may_have_any_text_for_an_annotation():
    async def handler(websocket: WebSocket, *args: "any text", **kwargs: "any text"): ...  # noqa: F722

    assert ["websocket"] == plan(handler).connections


def test_a_factory_whose_signature_nobody_can_read_is_an_error_at_registration():
    class Odd:
        __signature__ = 5

        def __call__(self): ...

    async def handler(websocket: WebSocket, odd: Annotated[Any, Depends(Odd())]): ...

    with pytest.raises(TypeError, match=r": .*__signature__.*: write a function that makes it\.$"):
        bind_handler(handler)
