"""What a signature asks for: what each parameter is bound to, planned once, when a route is registered.

What is read from where (the first row that fits counts):

====================================================  ==================================================================
the parameter                                         is bound to
====================================================  ==================================================================
``Annotated[T, Depends(factory)]``, ``use(factory)``  what the factory returns or yields; without one, ``T`` is called
``Annotated[T, Path() | Query() | Header() | ...]``   that part of the handshake, converted to ``T``
of the type `WebSocket`, Starlette's, HTTPConnection  the connection, by any name and at any place
a name of the route's path                            that part of the path
a scalar, or a list of scalars                        the query
without an annotation, and alone                      the connection
with a default                                        nothing: the default stays
====================================================  ==================================================================

Whatever is left would have to come from a body, which a handshake doesn't have, and is a `TypeError` at registration.
So are markers of other libraries, defaults that are neither plain data nor what the annotation says, and a required
query parameter that is named almost like a parameter of the path that nobody takes.

A marker's first argument is the default (``...``: required), ``alias=`` the name in the handshake. Markers may stand in
an Optional, in a type that has a name (``type User = Annotated[...]``), or as the default, ``x: T = Query(5)``.

The signature itself is read by `signature`:

=========================================  =============================================================================
the callable                               its parameters and their annotations
=========================================  =============================================================================
a function, a method                       its own, or those of the ``__signature__`` that a decorator has given it
one with ``__wrapped__``, and ``*args``    its own, and behind them those of the wrapped function that it has not itself
or ``**kwargs``
a `functools.partial`                      those that are not set yet
an object with ``__call__``                those of that method, and of what the object wraps
a class, also generic with arguments       those that it is called with; a Struct's, dataclass's, attrs's or pydantic
                                           model's are its fields, whose defaults the class makes itself
one whose constructor takes ``*args``      its own, and behind them those of the constructors that it inherits
or ``**kwargs``
=========================================  =============================================================================

Scalars are what msgspec makes of a string, and pydantic's types where an application has imported pydantic.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
import typing
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain, takewhile
from types import MethodType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, ForwardRef, Literal, NamedTuple, Optional, TypeVar, Union
from urllib.parse import unquote

import msgspec
from starlette.requests import HTTPConnection

from reference_ws.typed import aliased, expanded, is_pydantics, reader, reads_scalar
from reference_ws.websocket import WebSocket

T = TypeVar("T")
Place = Literal["path", "query", "header", "cookie"]

_ABSENT: Final = inspect.Parameter.empty


# --- what stands in Annotated[...] ------------------------------------------------------------------------------------


# As a default, `x: int = Query(5)` and `user: str = Depends(f)`, each of these stands for a value of any type. A type
# checker believes it of a class that makes what is asked for; a dataclass's own `__init__` would come before that.


@dataclass(unsafe_hash=True, init=False)
class _Marker:
    """``default`` stands in for what is absent; without one, or with ``...``, the parameter is required.

    A default in the signature, ``= 5``, does the same, and comes first. ``alias`` is the name in the handshake, by
    default the parameter's own.
    """

    default: Any
    alias: str | None

    place: typing.ClassVar[Place]

    if TYPE_CHECKING:

        def __new__(cls, default: Any = ..., *, alias: str | None = None) -> T: ...  # type: ignore[misc,type-var]

    else:

        def __init__(self, default: Any = _ABSENT, *, alias: str | None = None) -> None:
            self.default = default
            self.alias = alias


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


@dataclass(unsafe_hash=True, init=False)
class Depends:
    """A parameter that ``factory`` makes: a function, generator (sync or async) or class with parameters of its own.

    A generator goes on after its ``yield`` when the handler has ended; if by an exception, that is raised at the
    ``yield``. With ``reuse``, everyone who asks for the factory on one connection gets the same value; without, each
    gets a new one. Ordinary functions run in the event loop: they must not block. Without a factory, it is the class
    that the parameter is annotated with.
    """

    factory: Callable[..., Any] | None
    reuse: bool

    if TYPE_CHECKING:

        def __new__(cls, factory: Callable[..., Any] | None = None, *, reuse: bool = True) -> T: ...  # type: ignore[misc,type-var]  # noqa: D102

    else:

        def __init__(self, factory: Callable[..., Any] | None = None, *, reuse: bool = True) -> None:
            self.factory = factory
            self.reuse = reuse


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


@dataclass(slots=True, eq=False)
class Parameter:
    """One part of the handshake: `read` reads it and converts it to ``type``."""

    name: str
    place: Place
    key: str
    type: Any
    default: Any
    many: bool
    booleans: bool
    convert: Callable[[Any], Any]
    in_path_perhaps: bool = False
    """True for a query parameter without a marker: it is the path's where an outer path, a Mount's, holds its name."""
    left_out: bool = False
    """True when what is absent isn't passed: the function's own default stands in for it, or its factory."""

    def converted(self, given: Any) -> Any:
        """Make a ``type`` of what was given; booleans also of ``on`` and ``off`` and the like. Raises `ValueError`."""
        if self.type is str:
            return str(given)  # the path's convertor may have made an int or a UUID of it
        try:
            return self.convert(given)
        except ValueError:
            if not self.booleans:
                raise
        words = [_BOOLEANS.get(str(each).lower(), each) for each in (given if self.many else [given])]
        return self.convert(words if self.many else words[0])

    def fault(self, given: Any) -> dict[str, Any]:
        """Say for a client what is wrong."""
        # Some servers keep what is no UTF-8 in a path as lone surrogates, which no answer can carry.
        shown = given if given is None or isinstance(given, list) else str(given).encode(errors="replace").decode()
        return {"name": self.key, "in": self.place, "given": shown, "expected": _described(self.type)}


_BOOLEANS: Final = dict.fromkeys(("on", "yes", "y", "t"), "true") | dict.fromkeys(("off", "no", "n", "f"), "false")
"""What HTML forms and people write, besides true, false, 1 and 0."""


def read(websocket: WebSocket, wanted: Iterable[Parameter]) -> dict[Parameter, Any]:
    """Read and convert parameters; left out is what the function itself has a default for.

    Raises `ParameterError` with every fault at once.
    """
    path = websocket.path_params
    query: dict[str, list[str]] | None = None
    values: dict[Parameter, Any] = {}
    faults: list[dict[str, Any]] = []
    for parameter in wanted:
        place, key, many = parameter.place, parameter.key, parameter.many
        if place == "path" or (parameter.in_path_perhaps and key in path):
            given = path.get(key)
        elif place == "query":
            query = _query(websocket.scope.get("query_string", b"")) if query is None else query
            given = query.get(key)
            given = given if many or given is None else given[-1]
        elif place == "cookie":
            given = websocket.cookies.get(key)
        else:
            given = (websocket.headers.getlist(key) or None) if many else websocket.headers.get(key)
        if given is not None:
            try:
                values[parameter] = parameter.converted(given)
            except ValueError:
                faults.append(parameter.fault(given))
        elif parameter.default is _ABSENT:
            faults.append(parameter.fault(None))
        elif not parameter.left_out:
            values[parameter] = copy(parameter.default)  # a list: each connection has its own
    if faults:
        # What two dependencies read alike is one fault.
        raise ParameterError([fault for place, fault in enumerate(faults) if fault not in faults[:place]])
    return values


def _query(raw: bytes) -> dict[str, list[str]]:
    """Read a query as `urllib.parse.parse_qs` does, blank values kept, in a third of its time."""
    query: dict[str, list[str]] = {}
    text = raw.decode("latin-1").replace("+", " ")
    decoded = unquote if "%" in text else str
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            query.setdefault(decoded(name), []).append(decoded(value))
    return query


@dataclass(slots=True, eq=False)
class Dependency:
    """A value that ``factory`` makes, and how the factory itself is called."""

    factory: Callable[..., Any]
    reuse: bool
    plan: Plan
    key: Hashable = field(init=False)
    """What its value is kept under for reuse: the factory, or its id if it can't be hashed."""
    yields: bool = field(init=False)
    """True when the factory may make a generator, which goes on after the handler."""

    def __post_init__(self) -> None:
        self.key = self.factory if isinstance(self.factory, Hashable) else id(self.factory)
        self.yields = not inspect.iscoroutinefunction(function_of(self.factory))


@dataclass(slots=True, eq=False)
class Plan:
    """How one function is called."""

    function: Callable[..., Any]
    by_place: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    dependencies: list[tuple[str, Dependency]] = field(default_factory=list)
    connection_first: bool = False
    """True when the connection can be passed as the first argument, to ``*args`` too."""

    @property
    def plain(self) -> bool:
        """True when nothing but the connection has to be passed."""
        return not self.parameters and not self.dependencies

    @property
    def empty(self) -> bool:
        """True when nothing at all has to be passed."""
        return self.plain and not self.connections

    @property
    def yields(self) -> bool:
        """True when something that this function depends on may have to be cleaned up."""
        return any(each.yields or each.plan.yields for _, each in self.dependencies)

    def all_parameters(self) -> Iterable[Parameter]:
        """List the parameters of this function and of all that it depends on."""
        yield from self.parameters
        for _, dependency in self.dependencies:
            yield from dependency.plan.all_parameters()


def overridden(
    planned: Plan,
    overrides: Mapping[Any, Callable[..., Any]],
    path: Collection[str],
    above: tuple[Hashable, ...] = (),
) -> Plan:
    """Exchange factories for others, wherever `planned` depends on them, and plan how these are called.

    ``overrides`` maps what is depended on to what stands in for it. What stands in may itself depend on what it stands
    in for: ``above`` holds what is exchanged already on the way there. Raises `TypeError` for what can't be bound.
    """

    def instead(old: Dependency) -> Dependency:
        factory = old.factory if old.key in above else overrides.get(old.key, old.factory)
        if factory is old.factory:
            return replace(old, plan=overridden(old.plan, overrides, path, above))
        if not callable(factory):
            raise TypeError(f"{factory!r} stands in for {where(old.factory)}, and can't be called.")
        new = plan(factory, path, above=(planned.function,))
        return Dependency(factory, old.reuse, overridden(new, overrides, path, (*above, old.key)))

    return replace(planned, dependencies=[(name, instead(old)) for name, old in planned.dependencies])


# --- planning ---------------------------------------------------------------------------------------------------------


def plan(
    function: Callable[..., Any],
    path: Collection[str] = (),
    *,
    above: tuple[Callable[..., Any], ...] = (),
) -> Plan:
    """Plan the call of `function` and of all that it depends on.

    ``path`` holds the names of the route's path parameters, ``above`` the functions that depend on this one. Raises
    `TypeError`, naming the function, its file and line, for whatever can't be bound.
    """
    if function in above:
        circle = " -> ".join(name_of(each) for each in (*above[above.index(function) :], function))
        raise TypeError(f"{where(function)}: dependencies need each other in a circle: {circle}.")
    maker = function_of(function)
    if above and getattr(maker, "__globals__", {}).get("__name__") == "contextlib" and hasattr(maker, "__wrapped__"):
        raise TypeError(
            f"{where(function)}: contextlib has made a context manager of it, and nothing would enter that: a "
            "dependency is the generator itself, without the decorator."
        )
    taken = signature(function)
    named = [each for each in taken if each.kind not in _VARIADIC]
    result = Plan(function)
    left = [each for each in named if not _planned(result, each, path, (*above, function))]
    if len(left) == 1 and not result.connections:
        alone = left[0]
        if alone.annotation in (_ABSENT, Any) and alone.default is _ABSENT:
            result.connections.append(left.pop().name)
    for parameter in left:
        if parameter.default is _ABSENT:
            raise TypeError(_unbound(function, parameter, bool(above)))
    if not above:
        _check_names(result, path)
    # Positional-only parameters must be passed by their places, up to the first that is left to its default.
    unknown = {parameter.name for parameter in left}
    places = [each.name for each in named if each.kind is each.POSITIONAL_ONLY]
    result.by_place = list(takewhile(lambda name: name not in unknown, places))
    for name in places[len(result.by_place) :]:
        if name not in unknown:
            raise TypeError(f"{where(function)}: {name} can't be passed by its place: one before it has no value.")
    for bound in result.parameters:
        bound.left_out = bound.left_out and bound.name not in places
    first = taken[0] if taken else None
    result.connection_first = first is not None and (
        first.kind is first.VAR_POSITIONAL
        or (first.name in result.connections and first.kind is not first.KEYWORD_ONLY)
    )
    return result


def _check_names(planned: Plan, path: Collection[str]) -> None:
    """Refuse a required query parameter that is named almost like a parameter of the path that nobody takes.

    It may be a dependency's.
    """
    taken = {parameter.key for parameter in planned.all_parameters()}
    free = [name for name in path if name not in taken]
    for parameter in planned.all_parameters():
        if parameter.in_path_perhaps and parameter.default is _ABSENT:
            for meant in difflib.get_close_matches(parameter.name, free, 1, 0.75):
                raise TypeError(
                    f"{where(planned.function)}: the path's {{{meant}}} is taken by nobody, and {parameter.name!r} "
                    f"would have to come from the query: a typo? Name it {meant!r}, or say that the query is meant: "
                    "`Annotated[T, Query()]`."
                )


def _planned(
    result: Plan, parameter: inspect.Parameter, path: Collection[str], above: tuple[Callable[..., Any], ...]
) -> bool:
    """Find what a parameter is bound to; False when nothing of the handshake can be it."""
    function, name = result.function, parameter.name
    default = _ABSENT if parameter.default is ... else parameter.default
    base, extras = _taken_apart(parameter.annotation)
    if _is_ours(default):  # FastAPI's older spelling, `x: T = Depends(f)`
        extras, default = (*extras, default), _ABSENT
    only_said = any(isinstance(extra, Depends | _Ignored) for extra in extras)  # then nothing depends on the type
    needed = () if only_said else (parameter.annotation,)
    refuse_unread(function, *needed, *extras)
    ours = next(filter(_is_ours, extras), None)
    ours = ours() if isinstance(ours, type) else ours
    left_out = default is not _ABSENT
    if isinstance(ours, _Marker) and not left_out and ours.default is not ...:
        default = ours.default
    _check(function, name, base, extras, default)
    if isinstance(ours, Depends):
        factory = ours.factory
        if factory is None:  # the annotation's class
            kind = _not_none(base)
            factory = kind if inspect.isclass(typing.get_origin(kind) or kind) and kind not in (_ABSENT, Any) else None
        if not callable(factory):
            raise TypeError(f"{where(function)}: {name} depends on {factory!r}, which can't be called.")
        result.dependencies.append((name, Dependency(factory, ours.reuse, plan(factory, path, above=above))))
        return True
    place: Place = "query"
    key = name
    if isinstance(ours, _Marker):
        place = ours.place
        key = ours.alias or (name.replace("_", "-") if place == "header" else name)
        if place == "path" and key not in path and default is _ABSENT and path:
            raise TypeError(f"{where(function)}: the path has no parameter {key!r}: it has {', '.join(path)}.")
    elif _is_connection(base):
        result.connections.append(name)
        return True
    elif any(isinstance(extra, _Ignored) for extra in extras):
        return False
    elif name in path:
        place = "path"
    elif base in (_ABSENT, Any) or _kind(base) is None:
        return False
    if base in (_ABSENT, Any):
        base = Any if place == "path" else str  # what the path's convertor makes is passed on as it is
    kind = _kind(base)
    if ours is not None and (kind is None or (kind.many and place in ("path", "cookie"))):
        raise TypeError(f"{where(function)}: {name} can't become {_described(base)}: take a scalar or list.")
    # A convertor of the path may make an object of any class: it is only looked at.
    convert = functools.partial(reader(base) if kind else functools.partial(msgspec.convert, type=base), strict=False)
    many = kind is not None and kind.many and place != "path"
    booleans = kind is not None and kind.booleans
    perhaps = ours is None and place == "query"
    result.parameters.append(
        Parameter(name, place, key, base, default, many, booleans, convert, in_path_perhaps=perhaps, left_out=left_out)
    )
    return True


class _Kind(NamedTuple):
    """What strings of the handshake may become: a scalar, or a collection of scalars."""

    many: bool
    booleans: bool


def _types(*names: str) -> tuple[Any, ...]:
    return tuple(getattr(msgspec.inspect, f"{name}Type") for name in names)


_SCALARS: Final = (
    *_types("Any", "Bool", "DateTime", "Date", "Decimal", "Enum", "Float", "Int", "Literal"),
    *_types("None", "Str", "TimeDelta", "Time", "UUID"),
)
_COLLECTIONS: Final = _types("FrozenSet", "List", "Set", "VarTuple")


def _kind(annotation: Any) -> _Kind | None:
    """Tell a scalar (or an optional one) from a collection of scalars; ``None`` is what only a body could hold."""
    try:
        members = _members(msgspec.inspect.type_info(annotation))
    except (TypeError, RecursionError):  # what contains itself
        return None
    items = [member.item_type for member in members if isinstance(member, _COLLECTIONS)]
    if len(items) == 1 and all(isinstance(m, (*_COLLECTIONS, msgspec.inspect.NoneType)) for m in members):
        members = _members(items[0])
    if not all(map(_is_scalar, members)):
        return None
    return _Kind(bool(items), any(isinstance(member, msgspec.inspect.BoolType) for member in members))


def _members(info: Any) -> Sequence[Any]:
    """List the members of a union; another type is its only one."""
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _is_scalar(info: Any) -> bool:
    return isinstance(info, _SCALARS) or (isinstance(info, msgspec.inspect.CustomType) and reads_scalar(info.cls))


def _described(annotation: Any) -> str:
    """Say what a value should be, for a person: ``int``, ``one of 'a', 'b'``, ``list[int]``."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(repr(member.value) for member in annotation)}"
    if typing.get_origin(annotation) is Literal:
        return f"one of {', '.join(map(repr, typing.get_args(annotation)))}"
    # Some versions of Python put the module before its names.
    return inspect.formatannotation(annotation).replace("typing.", "").replace("Optional", "optional")


# --- what is not ours -------------------------------------------------------------------------------------------------


def _taken_apart(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take the extras out of ``Annotated[T, ...]``, also where it stands in an Optional; bounds stay."""
    base, extras, optional = annotation, (), False
    while (inner := _not_none(base)) is not base or typing.get_origin(base) is Annotated:
        if inner is not base:  # Python 3.10 puts `x: Annotated[T, ...] = None` into an Optional
            base, optional = inner, True
        else:
            base, *rest = typing.get_args(base)
            extras = (*rest, *extras)
    if not extras:
        return annotation, ()
    for bounds in (extra for extra in extras if isinstance(extra, msgspec.Meta) or is_pydantics(extra)):
        base = Annotated[base, bounds]
    return Optional[base] if optional else base, extras  # noqa: UP045


def _check(function: Callable[..., Any], name: str, base: Any, extras: tuple[Any, ...], default: Any) -> None:
    """Refuse the markers of other libraries: overlooked, they would let the client set what they were to supply."""
    ours = [extra for extra in extras if _is_ours(extra)]
    if len(ours) > 1:
        raise TypeError(f"{where(function)}: {name} can't be {ours[0]!r} and {ours[1]!r} at once: leave one.")
    strange = [repr(extra) for extra in extras if not (_is_ours(extra) or _says_only(extra))]
    if not any(isinstance(extra, Depends | _Ignored) for extra in extras):  # of those the type is only said
        hidden = [part for part in _contents(base) if typing.get_origin(part) is Annotated]
        strange += [repr(extra) for part in hidden for extra in part.__metadata__ if not _says_only(extra)]
    maker = type(default).__module__.partition(".")[0]
    made_by_the_class = inspect.isclass(function_of(function)) and repr(default) == "<factory>" and maker in _MAKERS
    if not (made_by_the_class or _fits(default, _plain(base))):
        strange.append(f"{default!r} as its default")
    if strange:
        raise TypeError(
            f"{where(function)}: {name} has {strange[0]}, which means nothing here: take `Depends` (or Path, Query, "
            "Header, Cookie) from reference_ws and write `Annotated[T, Depends(factory)]`, or give plain data of the "
            "annotated type as the default."
        )


def refuse_markers(function: Callable[..., Any], skip: int) -> None:
    """Raise `TypeError` where a function asks for something that nobody binds for it."""
    for parameter in signature(function, skip):
        for extra in (*_taken_apart(parameter.annotation)[1], parameter.default):
            if _is_ours(extra):
                raise TypeError(
                    f"{where(function)}: {parameter.name} has {extra!r}: only on_connect is given such things."
                )


def _is_ours(extra: Any) -> bool:
    return isinstance(extra, Depends | _Marker) or (isinstance(extra, type) and issubclass(extra, Depends | _Marker))


def _says_only(extra: Any) -> bool:
    """Tell documentation and bounds, which bind nothing."""
    documents = type(extra).__name__ == "Doc" and hasattr(extra, "documentation")
    return documents or isinstance(extra, str | msgspec.Meta | _Ignored) or is_pydantics(extra)


def _plain(annotation: Any) -> Any:
    while typing.get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    return annotation


_PLAIN: Final = (bool, int, float, str, bytes, Enum, type(None), type(...))
_PLAIN_MODULES: Final = ("datetime", "decimal", "uuid")
_MAKERS: Final = ("dataclasses", "msgspec", "attr", "pydantic")
"""Libraries whose classes make the defaults of their fields themselves, and show ``<factory>`` in their signature."""


def _fits(default: Any, annotation: Any) -> bool:
    """Tell whether a default is plain data, or what its annotation says."""
    if default is _ABSENT or isinstance(default, _PLAIN) or type(default).__module__ in _PLAIN_MODULES:
        return True
    if typing.get_origin(annotation) in (Union, UnionType):
        return any(_fits(default, _plain(each)) for each in typing.get_args(annotation))
    if type(default) in (list, tuple, set, frozenset, dict):
        said = typing.get_args(annotation) or (Any if annotation in type(default).__mro__ else annotation,)
        held = chain(default, default.values() if type(default) is dict else ())
        return all(any(_fits(each, _plain(kind)) for kind in said) for each in held)
    if annotation in (_ABSENT, Any, object):
        return inspect.isroutine(default) or inspect.isclass(default) or inspect.ismodule(default)
    kind = typing.get_origin(annotation) or annotation
    try:
        return isinstance(default, kind)
    except TypeError:  # a protocol, which is fitted by who has what it names
        names = [name for name in getattr(kind, "__dict__", ()) if name == "__call__" or not name.startswith("_")]
        return getattr(kind, "_is_protocol", False) and all(hasattr(default, name) for name in names)


def _unbound(function: Callable[..., Any], parameter: inspect.Parameter, inner: bool) -> str:
    if parameter.annotation is _ABSENT:
        remedy = "annotate the connection with `WebSocket`, and the others with their types"
    else:
        remedy = (
            f"{_described(parameter.annotation)} could only come from a body, and a handshake has none: receive it as "
            "a message, or make it with `Annotated[..., Depends(factory)]`"
        )
    kind = "dependency" if inner else "handler"
    return f"{where(function)}: nothing can be bound to the parameter {parameter.name!r} of this {kind}: {remedy}."


# --- signatures -------------------------------------------------------------------------------------------------------


def where(handler: Callable[..., Any]) -> str:
    """Name a function for an error message: its qualified name, file and line."""
    function = inspect.unwrap(function_of(handler))
    code = getattr(function, "__code__", None)
    return f"{name_of(function)} ({code.co_filename}:{code.co_firstlineno})" if code else name_of(function)


def name_of(function: Callable[..., Any]) -> str:
    """Name a function as it is written: ``Chat.on_connect``."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def function_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Look through partials, objects that are called and generic classes with arguments."""
    while isinstance(handler, functools.partial | staticmethod):
        handler = handler.func if isinstance(handler, functools.partial) else handler.__func__
    handler = typing.get_origin(handler) or handler
    if inspect.isroutine(handler) or inspect.isclass(handler):
        return handler
    return handler.__call__ if callable(handler) else handler  # type: ignore[no-any-return, operator]


_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
# From Python 3.14 on annotations are evaluated when they are asked for: those that aren't needed may stay unreadable.
_UNREAD: Final[dict[str, Any]] = {}
if sys.version_info >= (3, 14):
    import annotationlib

    _UNREAD["annotation_format"] = annotationlib.Format.FORWARDREF


def signature_of(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
    """Read a signature as it is written; annotations may be left unread."""
    return inspect.signature(function, follow_wrapped=follow_wrapped, **_UNREAD)


def signature(function: Callable[..., Any], skip: int = 0) -> list[inspect.Parameter]:
    """Read what a function takes, behind its first ``skip`` parameters, with the annotations evaluated.

    This is the one reader of signatures. What the function is called with counts: its own signature, also one that a
    decorator has set, without what a partial has set already. A wrapper that takes ``*args`` or ``**kwargs`` passes
    them on to the function that it wraps: it takes what that one takes, too.
    """
    if isinstance(function, staticmethod):
        return signature(function.__func__, skip)
    if isinstance(function, functools.partial):  # what is set already is not for a client to set
        taken = signature(function.func, skip)
        places = [each.name for each in taken if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        given = {*places[: len(function.args)], *function.keywords}
        by_name = set(chain.from_iterable(places[places.index(name) :] for name in function.keywords if name in places))
        return [  # what stands behind one that is set by its name can be passed by its name only
            each.replace(kind=each.KEYWORD_ONLY) if each.name in by_name else each
            for each in taken
            if each.name not in given
        ]
    target = function_of(function)
    holder = target.__init__ if inspect.isclass(target) else target if hasattr(target, "__wrapped__") else function
    wrapped = getattr(holder, "__wrapped__", None)
    try:
        own = signature_of(typing.get_origin(function) or function, follow_wrapped=False)
    except (TypeError, ValueError) as error:
        if wrapped is not None:  # by what is not written in Python: functools.cache
            return signature(wrapped, skip)
        raise TypeError(f"{where(function)}: {error}: write a function that makes it.") from error
    taken = list(own.parameters.values())[skip:]
    for name, alias in aliased(target):
        if name in own.parameters:
            raise TypeError(
                f"{where(function)}: {name} is given by its alias {alias!r} alone, which no parameter can be named: "
                "allow its name too (populate_by_name), or write a function that makes it."
            )
    names = _names(target)
    owner = target.__self__ if isinstance(target, MethodType) else function
    known = _variables(owner if inspect.isclass(typing.get_origin(owner) or owner) else type(owner), {}, {})
    taken = [_evaluated(function, each, names, known.get(_owner(target, each.name, known), {})) for each in taken]
    variadic = [parameter for parameter in taken if parameter.kind in _VARIADIC]
    if wrapped is None and variadic and inspect.isclass(target):
        return _passed_on(function, taken, _inherited(known))
    for parameter in variadic:
        _check_variadic(function, parameter, wrapped)
    if wrapped is None or not variadic:
        return taken
    # A method's wrapped function still has its self; what an object wraps has none.
    further = signature(wrapped, skip + (isinstance(holder, MethodType) or inspect.isclass(target)))
    return _passed_on(function, taken, further)


def _inherited(known: Mapping[type, Mapping[Any, Any]]) -> list[inspect.Parameter]:
    """List what the constructors of these classes take, up to the first that passes nothing on."""
    found: dict[str, inspect.Parameter] = {}
    for base, variables in known.items():
        if inspect.isfunction(init := vars(base).get("__init__")):
            taken = signature(init, 1)
            for each in taken:
                found.setdefault(each.name, each.replace(annotation=expanded(each.annotation, variables)))
            if not any(each.kind in _VARIADIC for each in taken):
                break
    return list(found.values())


def _check_variadic(function: Callable[..., Any], parameter: inspect.Parameter, wrapped: Any) -> None:
    """Refuse a ``*args`` or ``**kwargs`` that asks for something: nothing is ever bound to it."""
    base, extras = _taken_apart(parameter.annotation)
    if type(base).__name__ in ("ParamSpecArgs", "ParamSpecKwargs") and wrapped is None:
        raise TypeError(
            f"{where(function)}: it passes {parameter} on, and nobody can tell to whom: decorate it with "
            "`functools.wraps(function)`."
        )
    if extras or any(getattr(each, "__required_keys__", ()) for each in typing.get_args(base)):
        raise TypeError(f"{where(function)}: nothing can be bound to {parameter}: write out its parameters.")


def _variables(
    kind: Any, given: Mapping[Any, Any], known: dict[type, Mapping[Any, Any]]
) -> dict[type, Mapping[Any, Any]]:
    """Find what stands for the type variables of a class, and of each one that it inherits from."""
    origin = typing.get_origin(kind) or kind
    arguments = [expanded(each, given) for each in typing.get_args(kind)]
    if inspect.isclass(origin) and origin not in known:
        known[origin] = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False))
        for base in vars(origin).get("__orig_bases__", origin.__bases__):
            _variables(base, known[origin], known)
    return known


def _owner(target: Any, name: str, known: Iterable[type]) -> Any:
    """Find the class that has annotated a field, or else whose constructor takes it; of a method, which has it."""
    if not inspect.isclass(target):
        return next((each for each in known if getattr(target, "__name__", "") in vars(each)), None)
    formats = {"format": _UNREAD["annotation_format"]} if _UNREAD else {}
    fields = (each for each in target.__mro__ if name in inspect.get_annotations(each, **formats))
    return next(chain(fields, (each for each in target.__mro__ if "__init__" in vars(each))))


def _passed_on(
    function: Callable[..., Any], taken: list[inspect.Parameter], further: list[inspect.Parameter]
) -> list[inspect.Parameter]:
    """Put behind what a wrapper takes itself what the wrapped function takes further, as it can be passed."""
    own = {parameter.name for parameter in taken}
    for place, (parameter, below) in enumerate(zip(taken, further, strict=False)):
        # functools.wraps puts the wrapped function's annotations in the place of the wrapper's own.
        unknown = parameter.annotation is _ABSENT and parameter.name not in {each.name for each in further}
        if unknown and parameter.kind not in _VARIADIC and _is_connection(below.annotation):
            taken[place] = parameter.replace(annotation=below.annotation)
    connected = sum(_is_connection(_taken_apart(parameter.annotation)[0]) for parameter in taken)
    variadic = {parameter.kind for parameter in taken} & set(_VARIADIC)
    named = [parameter for parameter in taken if parameter.kind not in _VARIADIC]
    for parameter in further:
        if parameter.name in own or parameter.kind in _VARIADIC:
            continue
        if connected and _is_connection(_taken_apart(parameter.annotation)[0]):
            connected -= 1
            continue  # the wrapper has it, under another name
        by_place = parameter.kind is parameter.POSITIONAL_ONLY or parameter.VAR_KEYWORD not in variadic
        if by_place and (parameter.kind is parameter.KEYWORD_ONLY or parameter.VAR_POSITIONAL not in variadic):
            if parameter.default is _ABSENT:
                raise TypeError(f"{where(function)}: its wrapper can't pass on the parameter {parameter.name!r}.")
            continue
        if by_place:  # then so must be what stands before it
            named = [
                each.replace(kind=each.POSITIONAL_ONLY) if each.kind is each.POSITIONAL_OR_KEYWORD else each
                for each in named
            ]
            parameter = parameter.replace(kind=parameter.POSITIONAL_ONLY)
        named.append(parameter)
    return named


def _names(target: Any) -> dict[str, Any]:
    """Collect the names that annotations may use: those of the module, of the wrapped function's first."""
    if inspect.isclass(target):
        modules = (sys.modules.get(base.__module__) for base in reversed(target.__mro__))
        return {name: value for module in modules for name, value in vars(module or target).items()}
    wrapped = getattr(target, "__wrapped__", None)
    return getattr(target, "__globals__", {}) | (_names(wrapped) if wrapped is not None else {})


class _Unknown(type):
    """The type of what stands, before Python 3.14, for a name in a quoted annotation that only type checkers know."""

    def __getattr__(cls, name: str) -> Any:
        if name == "__typing_unpacked_tuple_args__":
            # Python 3.14 reads ``Ignore[User]`` with a stand-in that has every attribute, and unpacks this one.
            return (cls,)
        if name.startswith("__"):  # typing looks for what makes a type special
            raise AttributeError(name)
        return cls

    def __getitem__(cls, _: Any) -> _Unknown:
        return cls

    def __call__(cls, *_: Any, **__: Any) -> Any:
        raise NameError(f"name {cls.__name__!r} is not defined")


def refuse_unread(function: Callable[..., Any], *annotations: Any) -> None:
    """Raise `TypeError` for a name in these that wasn't there when they were read: imported for type checkers only."""
    for part in chain.from_iterable(map(_contents, annotations)):
        if isinstance(part, _Unknown | ForwardRef):
            name = part.__forward_arg__ if isinstance(part, ForwardRef) else part.__name__
            raise TypeError(_unreadable(function, f"name {name!r} is not defined"))


def _contents(annotation: Any) -> Iterator[Any]:
    """List a type and all that it is made of: what stands in an Annotated, too, and what a marker there was given."""
    yield annotation
    if isinstance(annotation, Depends | _Marker):
        parts: Iterable[Any] = vars(annotation).values()
    else:
        parts = typing.get_args(annotation) if typing.get_origin(annotation) is not Literal else ()
    for part in parts:
        yield from _contents(part)


def _unreadable(function: Callable[..., Any], problem: object) -> str:
    return f"{where(function)}: an annotation can't be read: {problem}. Import the name at the top of the module."


def _evaluated(
    function: Callable[..., Any], parameter: inspect.Parameter, names: dict[str, Any], variables: Mapping[Any, Any]
) -> inspect.Parameter:
    if parameter.annotation is _ABSENT or parameter.kind in _VARIADIC:
        return parameter
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    unknown: dict[str, Any] = {}
    while True:
        try:
            hint = typing.get_type_hints(holder, names | unknown, include_extras=True)["it"]
            break
        except NameError as error:
            if error.name is None or error.name in unknown:
                raise TypeError(_unreadable(function, error)) from error
            unknown[error.name] = _Unknown(error.name, (), {})
        except Exception as error:  # of whatever stands in the annotation
            raise TypeError(_unreadable(function, error)) from error
    return parameter.replace(annotation=expanded(hint, variables))


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
