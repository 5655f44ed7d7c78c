"""What a signature asks for: what each parameter is bound to, planned once, when a route is registered.

A parameter is one of these, in this order:

* ``Annotated[T, Path() | Query() | Header() | Cookie()]``: a part of the handshake, converted to ``T``; the marker's
  first argument is the default (``...``: required), ``alias=`` the name in the handshake;
* ``Annotated[T, Depends(factory)]`` or ``use(factory)``: what the factory returns or yields;
* the connection: annotated with `WebSocket` (or Starlette's, or ``HTTPConnection``), by any name and at any place;
* a parameter of the path, by its name;
* a query parameter, if its type is a scalar or a list of scalars;
* without an annotation and alone: the connection.

Markers may stand in an Optional, in a type that has a name (``type User = Annotated[...]``), or as the default,
``x: T = Query(5)``. Whatever else would have to come from a body, which a handshake doesn't have, and is a `TypeError`
at registration. So are markers of other libraries, defaults that are neither plain data nor what the annotation says,
and a required query parameter that is named almost like a parameter of the path that nobody takes.
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import takewhile
from types import UnionType
from typing import Annotated, Any, Final, ForwardRef, Literal, Optional, TypeVar, Union
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import HTTPConnection

from reference_ws.websocket import WebSocket

__all__ = [
    "AsyncResource",
    "Cookie",
    "Depends",
    "Handshake",
    "Header",
    "Ignore",
    "ParameterError",
    "Path",
    "Plan",
    "Query",
    "plan",
    "use",
    "where",
]

T = TypeVar("T")
Place = Literal["path", "query", "header", "cookie"]

_ABSENT: Final = inspect.Parameter.empty


# --- what stands in Annotated[...] ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Marker:
    """``default`` stands in for what is absent; without one, or with ``...``, the parameter is required.

    A default in the signature, ``= 5``, does the same, and comes first. ``alias`` is the name in the handshake, by
    default the parameter's own.
    """

    default: Any = _ABSENT
    alias: str | None = field(default=None, kw_only=True)

    place: typing.ClassVar[Place]


class Path(_Marker):
    """A parameter of the route's path."""

    place = "path"


class Query(_Marker):
    """A query parameter; a ``list[T]`` takes all values of a repeated one."""

    place = "query"


class Header(_Marker):
    """A header of the handshake; without an alias, underscores in the parameter's name stand for hyphens."""

    place = "header"


class Cookie(_Marker):
    """A cookie of the handshake."""

    place = "cookie"


@dataclass(frozen=True)
class Depends:
    """A parameter that ``factory`` makes: a function, generator (sync or async) or class with parameters of its own.

    A generator goes on after its ``yield`` when the handler has ended; if by an exception, that is raised at the
    ``yield``. With ``reuse``, everyone who asks for the factory on one connection gets the same value; without, each
    gets a new one. Ordinary functions run in the event loop: they must not block.
    """

    factory: Callable[..., Any]
    reuse: bool = field(default=True, kw_only=True)


use = Depends
"""Lihil's name for `Depends`."""


class _Ignored:
    """Marks what is not taken from the handshake."""


Ignore = Annotated[T, _Ignored()]
"""``Ignore[T]`` in a factory's signature: not a parameter of the handshake (the connection, or the returned value)."""

AsyncResource = AsyncGenerator[T, None]
"""``AsyncResource[T]``: what an async generator returns that yields one ``T`` and cleans up afterwards."""


# --- errors -----------------------------------------------------------------------------------------------------------


class ParameterError(ValueError):
    """The handshake doesn't hold what the handler needs. ``faults`` lists everything that is wrong at once.

    Each fault is a dict: ``name``, ``in`` (path, query, header or cookie), ``given`` (a string, a list of them, or None
    when absent) and ``expected``. Unless an exception handler of the application takes it, the client is refused with
    422 and ``{"errors": faults}``, or closed with 1008 where the server can't deny with a response.
    """

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "; ".join(
            f"{fault['in']} {fault['name']}: expected {fault['expected']}, "
            + ("got nothing" if fault["given"] is None else f"got {fault['given']!r}")
            for fault in self.faults
        )


# --- plans ------------------------------------------------------------------------------------------------------------


class Handshake:
    """The parts of a handshake from which parameters are read, each taken apart once."""

    __slots__ = ("_query", "path", "websocket")

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.path: Mapping[str, Any] = websocket.scope.get("path_params") or {}
        self._query: dict[str, list[str]] | None = None

    @property
    def query(self) -> Mapping[str, list[str]]:
        """Name -> all values, in their order."""
        if self._query is None:
            self._query = {}
            text = self.websocket.scope.get("query_string", b"").decode("latin-1")
            if "%" in text or "+" in text:
                pairs = parse_qsl(text, keep_blank_values=True)
            else:  # nothing is quoted: most often so, and several times faster
                pairs = [(part.partition("=")[0], part.partition("=")[2]) for part in text.split("&") if part]
            for name, value in pairs:
                self._query.setdefault(name, []).append(value)
        return self._query


@dataclass(slots=True, eq=False)
class Parameter:
    """One part of the handshake: read by `read`, converted to ``type``."""

    name: str
    place: Place
    key: str
    type: Any
    default: Any
    many: bool
    in_path_perhaps: bool = False

    def read(self, handshake: Handshake, faults: list[dict[str, Any]]) -> Any:
        """Read and convert the value; what is wrong with it is added to `faults`."""
        given = self._given(handshake)
        if given is None or (self.many and not given):
            if self.default is not _ABSENT:
                return self.default
            faults.append(self._fault(None))
            return None
        if self.type is str:
            return str(given)  # the path's convertor may have made an int or a UUID of it
        try:
            return msgspec.convert(given, self.type, strict=False)
        except (msgspec.ValidationError, ValueError):
            faults.append(self._fault(given))
            return None

    def _given(self, handshake: Handshake) -> Any:
        if self.place == "path" or self.in_path_perhaps:
            value = handshake.path.get(self.key)
            if value is not None or self.place == "path":
                return value
        if self.place == "query":
            values = handshake.query.get(self.key, ())
            return list(values) if self.many else values[-1] if values else None
        if self.place == "cookie":
            return handshake.websocket.cookies.get(self.key)
        headers = handshake.websocket.headers
        return headers.getlist(self.key) if self.many else headers.get(self.key)

    def _fault(self, given: Any) -> dict[str, Any]:
        shown = given if given is None or isinstance(given, list) else str(given)
        return {"name": self.key, "in": self.place, "given": shown, "expected": _described(self.type)}


@dataclass(slots=True, eq=False)
class Dependency:
    """A value that ``factory`` makes, and how the factory itself is called."""

    factory: Callable[..., Any]
    key: Hashable
    """What its value is kept under for reuse: the factory, or its id if it can't be hashed."""
    reuse: bool
    plan: Plan


@dataclass(slots=True, eq=False)
class Plan:
    """How one function is called."""

    function: Callable[..., Any]
    by_place: list[str]
    connections: list[str]
    parameters: list[Parameter]
    dependencies: list[tuple[str, Dependency]]
    connection_first: bool = False
    """True when the connection can be passed as the first argument, to ``*args`` too."""

    @property
    def plain(self) -> bool:
        """True when nothing but the connection has to be passed."""
        return not self.parameters and not self.dependencies

    @property
    def empty(self) -> bool:
        """True when nothing at all has to be passed."""
        return not (self.parameters or self.dependencies or self.connections)

    def all_parameters(self) -> Iterable[tuple[Plan, Parameter]]:
        """List the parameters of this function and of all that it depends on."""
        for parameter in self.parameters:
            yield self, parameter
        for _, dependency in self.dependencies:
            yield from dependency.plan.all_parameters()


# --- planning ---------------------------------------------------------------------------------------------------------


def plan(
    function: Callable[..., Any],
    path: Collection[str] = (),
    *,
    above: tuple[Callable[..., Any], ...] = (),
    skip: int = 0,
) -> Plan:
    """Plan the call of `function` (without its first ``skip`` parameters) and of all that it depends on.

    ``path`` holds the names of the route's path parameters, ``above`` the functions that depend on this one. Raises
    `TypeError`, naming the function, its file and line, for whatever can't be bound.
    """
    if function in above:
        circle = " -> ".join(_name(each) for each in (*above[above.index(function) :], function))
        raise TypeError(f"{where(function)}: dependencies need each other in a circle: {circle}.")
    signature = _signature(function)
    parameters = [
        parameter
        for parameter in list(signature.parameters.values())[skip:]
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    hints = type_hints(function)
    result = Plan(function, [], [], [], [])
    left = []
    for parameter in parameters:
        annotation = hints.get(parameter.name, _ABSENT)
        if not _planned(result, parameter, annotation, path, (*above, function)):
            left.append(parameter)
    if len(left) == 1 and not result.connections and _says_nothing(left[0], hints) and left[0].default is _ABSENT:
        result.connections.append(left.pop().name)
    for parameter in left:
        if parameter.default is _ABSENT:
            raise TypeError(_unbound(function, parameter, hints.get(parameter.name, _ABSENT), bool(above)))
    if not above:
        _check_names(result, path)
    # Positional-only parameters must be passed by their places, up to the first that is left to its default.
    unknown = {parameter.name for parameter in left}
    places = (parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_ONLY)
    result.by_place = [parameter.name for parameter in takewhile(lambda p: p.name not in unknown, places)]
    first = next(iter(signature.parameters.values()), None) if not skip else None
    result.connection_first = first is not None and (
        first.kind is first.VAR_POSITIONAL
        or (first.name in result.connections and first.kind is not first.KEYWORD_ONLY)
    )
    return result


def _check_names(planned: Plan, path: Collection[str]) -> None:
    """Refuse a required query parameter that is named almost like a parameter of the path that nobody takes."""
    taken = {parameter.key for _, parameter in planned.all_parameters()}
    free = [name for name in path if name not in taken]
    for parameter in planned.parameters:
        if parameter.in_path_perhaps and parameter.default is _ABSENT:
            for meant in (name for name in free if _alike(name, parameter.name)):
                raise TypeError(
                    f"{where(planned.function)}: the path's {{{meant}}} is taken by nobody, and {parameter.name!r} "
                    f"would have to come from the query: a typo? Name it {meant!r}, or say that the query is meant: "
                    "`Annotated[T, Query()]`."
                )


def _alike(one: str, other: str) -> bool:
    """Tell whether a letter in four, or one, has to be put in, left out or exchanged."""
    distances = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before, distances[0] = distances[0], place
        for i, each in enumerate(other, 1):
            before, distances[i] = distances[i], min(distances[i] + 1, distances[i - 1] + 1, before + (letter != each))
    shorter = min(len(one), len(other))
    return shorter > 2 and distances[-1] <= max(1, shorter // 4)


def _says_nothing(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    return hints.get(parameter.name, _ABSENT) in (_ABSENT, Any)


def _planned(
    result: Plan,
    parameter: inspect.Parameter,
    annotation: Any,
    path: Collection[str],
    above: tuple[Callable[..., Any], ...],
) -> bool:
    """Find what a parameter is bound to; False when nothing of the handshake can be it."""
    name = parameter.name
    base, extras = _taken_apart(annotation)
    default = parameter.default
    if isinstance(default, Depends | _Marker):  # FastAPI's older spelling, `x: T = Depends(f)`
        extras, default = (*extras, default), _ABSENT
    only_said = any(isinstance(extra, Depends | _Ignored) for extra in extras)  # then nothing depends on the type
    if unknown := unread(*([] if only_said else [annotation]), *(part for each in extras for part in _parts(each))):
        raise TypeError(_unreadable(result.function, f"name {unknown!r} is not defined"))
    _check(result.function, name, base, extras, default)
    for extra in extras:
        if isinstance(extra, Depends):
            if not callable(extra.factory):
                raise TypeError(
                    f"{where(result.function)}: {name} depends on {extra.factory!r}, which can't be called."
                )
            kept = extra.factory if isinstance(extra.factory, Hashable) else id(extra.factory)
            needed = Dependency(extra.factory, kept, extra.reuse, plan(extra.factory, path, above=above))
            result.dependencies.append((name, needed))
            return True
        marker = extra() if isinstance(extra, type) and issubclass(extra, _Marker) else extra
        if isinstance(marker, _Marker):
            default = marker.default if default is _ABSENT else default
            default = _ABSENT if default is ... else default
            _check(result.function, name, base, (), default)
            key = marker.alias or (name.replace("_", "-") if isinstance(marker, Header) else name)
            if isinstance(marker, Path) and key not in path and default is _ABSENT and path:
                raise TypeError(
                    f"{where(result.function)}: the path has no parameter {key!r}: it has {', '.join(path)}."
                )
            kind = _kind(base)
            if kind == "other" or (kind == "many" and marker.place in ("path", "cookie")):
                raise TypeError(
                    f"{where(result.function)}: {name} can't become {_described(base)}: take a scalar or list."
                )
            wanted = _typed(base, marker.place)
            result.parameters.append(Parameter(name, marker.place, key, wanted, default, kind == "many"))
            return True
    if _is_connection(base):
        result.connections.append(name)
        return True
    if any(isinstance(extra, _Ignored) for extra in extras):
        return False
    if name in path:
        result.parameters.append(Parameter(name, "path", name, _typed(base, "path"), parameter.default, False))
        return True
    if base in (_ABSENT, Any) or (kind := _kind(base)) == "other":
        return False
    result.parameters.append(Parameter(name, "query", name, base, parameter.default, kind == "many", True))
    return True


_SCALARS: Final = (
    msgspec.inspect.BoolType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.DateType,
    msgspec.inspect.DecimalType,
    msgspec.inspect.EnumType,
    msgspec.inspect.FloatType,
    msgspec.inspect.IntType,
    msgspec.inspect.LiteralType,
    msgspec.inspect.NoneType,
    msgspec.inspect.StrType,
    msgspec.inspect.TimeDeltaType,
    msgspec.inspect.TimeType,
    msgspec.inspect.UUIDType,
)
_COLLECTIONS: Final = (
    msgspec.inspect.FrozenSetType,
    msgspec.inspect.ListType,
    msgspec.inspect.SetType,
    msgspec.inspect.VarTupleType,
)


def _kind(annotation: Any) -> Literal["one", "many", "other"]:
    """Tell a scalar (or an optional one) from a list of scalars, and from what only a body could hold."""
    if annotation is _ABSENT or annotation is Any:
        return "one"
    try:
        info = msgspec.inspect.type_info(annotation)
    except TypeError:
        return "other"
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    members = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    if all(isinstance(member, _SCALARS) for member in members):
        return "one"
    items = [m.item_type for m in members if isinstance(m, _COLLECTIONS)]
    if len(items) == 1 and all(isinstance(m, (*_COLLECTIONS, msgspec.inspect.NoneType)) for m in members):
        inner = items[0].types if isinstance(items[0], msgspec.inspect.UnionType) else (items[0],)
        if all(isinstance(member, (*_SCALARS, msgspec.inspect.AnyType)) for member in inner):
            return "many"
    return "other"


def _typed(annotation: Any, place: Place) -> Any:
    if annotation is not _ABSENT and annotation is not Any:
        return annotation
    return Any if place == "path" else str  # what the path's convertor makes is passed on as it is


def _described(annotation: Any) -> str:
    """Say what a value should be, for a person: ``int``, ``one of 'a', 'b'``, ``list[int]``."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(repr(member.value) for member in annotation)}"
    if typing.get_origin(annotation) is Literal:
        return f"one of {', '.join(map(repr, typing.get_args(annotation)))}"
    return inspect.formatannotation(annotation).replace("Optional", "optional")


# --- what is not ours -------------------------------------------------------------------------------------------------


def _taken_apart(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take the extras out of ``Annotated[T, ...]``, also where it stands in an Optional; bounds of msgspec stay."""
    base, extras, optional = annotation, (), False
    while (inner := _not_none(base)) is not base or typing.get_origin(base) is Annotated:
        if inner is not base:  # Python 3.10 puts `x: Annotated[T, ...] = None` into an Optional
            base, optional = inner, True
        else:
            base, *rest = typing.get_args(base)
            extras = (*rest, *extras)
    if not extras:
        return annotation, ()
    for bounds in (extra for extra in extras if isinstance(extra, msgspec.Meta)):
        base = Annotated[base, bounds]
    return Optional[base] if optional else base, extras  # noqa: UP045


def _check(function: Callable[..., Any], name: str, base: Any, extras: tuple[Any, ...], default: Any) -> None:
    """Refuse the markers of other libraries: overlooked, they would let the client set what they were to supply."""
    ours = [extra for extra in extras if _is_ours(extra)]
    if len(ours) > 1:
        raise TypeError(f"{where(function)}: {name} can't be {ours[0]!r} and {ours[1]!r} at once: leave one.")
    strange = [repr(extra) for extra in extras if not (_is_ours(extra) or _says_only(extra))]
    if not any(isinstance(extra, Depends | _Ignored) for extra in extras):  # of those the type is only said
        strange += map(repr, _hidden(base))
    if not _fits(default, _plain(base)):
        strange.append(f"{default!r} as its default")
    if strange:
        raise TypeError(
            f"{where(function)}: {name} has {strange[0]}, which means nothing here: take `Depends` (or Path, Query, "
            "Header, Cookie) from reference_ws and write `Annotated[T, Depends(factory)]`, or give plain data of the "
            "annotated type as the default."
        )


def _is_ours(extra: Any) -> bool:
    return isinstance(extra, Depends | _Marker) or (isinstance(extra, type) and issubclass(extra, _Marker))


def _says_only(extra: Any) -> bool:
    """Tell documentation and bounds, which bind nothing."""
    documents = type(extra).__name__ == "Doc" and hasattr(extra, "documentation")
    return documents or isinstance(extra, str | msgspec.Meta | _Ignored)


def _hidden(annotation: Any) -> list[Any]:
    """List what stands in an Annotated deep inside a type, where no marker is looked for."""
    if typing.get_origin(annotation) is Literal:
        return []
    extras = annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()
    arguments = (annotation.__origin__,) if extras else typing.get_args(annotation)
    found = [extra for extra in extras if not _says_only(extra)]
    return found + [extra for argument in arguments for extra in _hidden(argument)]


def _plain(annotation: Any) -> Any:
    while typing.get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    return annotation


_PLAIN: Final = (bool, int, float, str, bytes, Enum)
_PLAIN_MODULES: Final = ("datetime", "decimal", "uuid")
_CONTAINERS: Final = (list, tuple, set, frozenset)


def _fits(default: Any, annotation: Any) -> bool:
    """Tell whether a default is plain data, or what its annotation says."""
    if default is None or default is ... or default is _ABSENT or isinstance(default, _PLAIN):
        return True
    if type(default).__module__ in _PLAIN_MODULES:
        return True
    if type(default) in _CONTAINERS:
        return all(_fits(each, Any) for each in default)
    if type(default) is dict:
        return all(_fits(each, Any) for each in default.values())
    if repr(default) == "<factory>":  # a dataclass or Struct makes it itself
        return True
    if annotation in (_ABSENT, Any, object):
        return inspect.isroutine(default) or inspect.isclass(default) or inspect.ismodule(default)
    if typing.get_origin(annotation) in (Union, UnionType):
        return any(_fits(default, _plain(each)) for each in typing.get_args(annotation))
    kind = typing.get_origin(annotation) or annotation
    try:
        return isinstance(default, kind)
    except TypeError:  # a protocol, which is fitted by who has what it names
        names = [name for name in getattr(kind, "__dict__", ()) if name == "__call__" or not name.startswith("_")]
        return getattr(kind, "_is_protocol", False) and all(hasattr(default, name) for name in names)


def _unbound(function: Callable[..., Any], parameter: inspect.Parameter, annotation: Any, inner: bool) -> str:
    name = parameter.name
    if annotation is _ABSENT:
        remedy = "annotate the connection with `WebSocket`, and the others with their types"
    else:
        remedy = (
            f"{_described(annotation)} could only come from a body, and a handshake has none: receive it as a message, "
            "or make it with `Annotated[..., Depends(factory)]`"
        )
    kind = "dependency" if inner else "handler"
    return f"{where(function)}: nothing can be bound to the parameter {name!r} of this {kind}: {remedy}."


def where(handler: Callable[..., Any]) -> str:
    """Name a function for an error message: its qualified name, file and line."""
    function = inspect.unwrap(function_of(handler))
    code = getattr(function, "__code__", None)
    return f"{_name(function)} ({code.co_filename}:{code.co_firstlineno})" if code else _name(function)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def function_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if inspect.isroutine(handler) or inspect.isclass(handler):
        return handler
    return handler.__call__  # type: ignore[no-any-return, operator]


# From Python 3.14 on, annotations are evaluated when somebody asks for them: what can't be is left as a ForwardRef.
if sys.version_info >= (3, 14):
    from annotationlib import Format

    signature_of = functools.partial(inspect.signature, annotation_format=Format.FORWARDREF)
    _type_hints = functools.partial(typing.get_type_hints, format=Format.FORWARDREF)
else:
    signature_of, _type_hints = inspect.signature, typing.get_type_hints


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Read the parameters that the function itself has; of a wrapper that passes everything on, the wrapped one's."""
    own = signature_of(function, follow_wrapped=False)
    if isinstance(function, functools.partial):  # what is set already is not for a client to set
        left = [parameter for name, parameter in own.parameters.items() if name not in function.keywords]
        own = own.replace(parameters=left)
    passes_on = {parameter.kind for parameter in own.parameters.values()} == {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }
    return signature_of(function) if passes_on else own


class _Unknown(type):
    """The type of what stands, before Python 3.14, for a name in a quoted annotation that only type checkers know."""

    def __getattr__(cls, name: str) -> _Unknown:
        if name.startswith("__"):  # typing looks for what makes a type special
            raise AttributeError(name)
        return cls

    def __getitem__(cls, _: Any) -> _Unknown:
        return cls

    def __call__(cls, *_: Any, **__: Any) -> Any:
        raise NameError(f"name {cls.__name__!r} is not defined")


def type_hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Read the annotations of the parameters; of those that name what isn't there, `unread` tells the name."""
    target = function_of(function)
    if inspect.isclass(target):
        if inspect.isfunction(target.__init__):
            target = target.__init__
        elif inspect.isfunction(target.__new__) and not issubclass(target, tuple):
            target = target.__new__  # of a NamedTuple or Struct, the class itself has the annotations
    unknown: dict[str, Any] = {}
    while True:
        try:
            hints = _type_hints(inspect.unwrap(target), localns=unknown or None, include_extras=True)
            return {name: _expanded(hint) for name, hint in hints.items() if name != "return"}
        except NameError as error:  # noqa: PERF203
            if error.name is None or error.name in unknown:
                raise TypeError(_unreadable(function, error)) from error
            unknown[error.name] = _Unknown(error.name, (), {})


def unread(*annotations: Any) -> str | None:
    """Find a name, anywhere in these, that wasn't there when they were read: imported for type checkers only."""
    for annotation in annotations:
        if isinstance(annotation, _Unknown):
            return annotation.__name__
        if isinstance(annotation, ForwardRef):
            return annotation.__forward_arg__
        extras = annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()
        if name := unread(*((annotation.__origin__,) if extras else typing.get_args(annotation)), *extras):
            return name
    return None


def _parts(extra: Any) -> Iterable[Any]:
    """List what a marker was given."""
    return (extra, *vars(extra).values()) if isinstance(extra, Depends | _Marker) else (extra,)


def _unreadable(function: Callable[..., Any], problem: object) -> str:
    return f"{where(function)}: an annotation can't be read: {problem}. Import the name at the top of the module."


def _expanded(annotation: Any, within: tuple[Any, ...] = ()) -> Any:
    """Put in the place of each name that ``type`` (or NewType) gave to a type what it stands for: it may hold markers.

    ``within`` holds the names that are being expanded: a type may contain itself.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    named = origin or annotation
    if type(named).__name__ == "TypeAliasType":  # of typing, from Python 3.12 on, or of typing_extensions
        return annotation if named in within else _expanded(_value(named, arguments), (*within, named))
    if hasattr(annotation, "__supertype__"):
        return _expanded(annotation.__supertype__, within)
    if origin is Annotated:
        parts = (_expanded(annotation.__origin__, within), *annotation.__metadata__)
        return Annotated[parts]
    if origin in (None, Literal, Callable):
        return annotation
    new = tuple(_expanded(each, within) for each in arguments)
    if all(a is b for a, b in zip(new, arguments, strict=True)):
        return annotation
    return Union[new] if origin in (Union, UnionType) else origin[new]  # noqa: UP007


def _value(alias: Any, arguments: tuple[Any, ...]) -> Any:
    value = alias.__value__
    given = dict(zip(alias.__type_params__, arguments, strict=False))
    if value in alias.__type_params__:
        return given.get(value, value)
    left = getattr(value, "__parameters__", ()) if given else ()
    return value[tuple(given.get(each, each) for each in left)] if left else value


def _not_none(annotation: Any) -> Any:
    """Take ``T`` out of ``T | None``."""
    if typing.get_origin(annotation) not in (Union, UnionType):
        return annotation
    members = [each for each in typing.get_args(annotation) if each is not type(None)]
    return members[0] if len(members) == 1 else annotation


def _is_connection(annotation: Any) -> bool:
    annotation = _not_none(annotation)  # Python 3.10 makes `ws: WebSocket = None` optional
    kind = typing.get_origin(annotation) or annotation  # Starlette's WebSocket[State] is one too
    return isinstance(kind, type) and issubclass(kind, HTTPConnection) and issubclass(WebSocket, kind)
