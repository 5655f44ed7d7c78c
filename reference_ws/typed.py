"""Values of a type: msgspec makes them, and pydantic those that only pydantic knows, where an application has it."""

from __future__ import annotations

import dataclasses
import functools
import sys
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union

import msgspec


def is_pydantics(thing: Any) -> bool:
    """Tell a class that pydantic reads, and a word of pydantic's inside of an ``Annotated``."""
    # Nothing here imports pydantic: who has such a class has done so.
    if isinstance(thing, type):
        return hasattr(thing, "__get_pydantic_core_schema__") or "__pydantic_core_schema__" in vars(thing)
    return type(thing).__module__.partition(".")[0] in ("pydantic", "pydantic_core", "annotated_types")


def reads_scalar(kind: type) -> bool:
    """Tell whether pydantic makes an object of this class of one string."""
    return is_pydantics(kind) and not hasattr(kind, "__pydantic_fields__")


def aliased(kind: Any) -> Iterator[tuple[str, Any]]:
    """List the fields of a pydantic model that are taken by an alias alone: name and alias."""
    config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", None) or {}
    if not (config.get("populate_by_name") or config.get("validate_by_name")):
        for name, field in getattr(kind, "__pydantic_fields__", {}).items():
            if (alias := field.validation_alias) not in (None, name):
                yield name, alias


_SCALARS: Final = (int, float, bool, str)


@functools.lru_cache(maxsize=1024)
def reader(type: Any) -> Callable[..., Any]:  # noqa: A002 - the word of `receive_json`
    """Find what makes a `type` of a decoded value; ``strict=False`` when values come as strings.

    What is returned raises `ValueError`. Raises `TypeError` for a type that nobody can read.
    """
    parts = list(_parts(type, []))
    if any(map(is_pydantics, parts)):
        try:
            return _hashing(sys.modules["pydantic"].TypeAdapter(type).validate_python)
        except Exception as error:  # pydantic has several kinds, and passes on what a class raises
            raise TypeError(f"pydantic can't read {type!r}: {error}") from error
    for part in parts:
        if part is not object and isinstance(msgspec.inspect.type_info(part), msgspec.inspect.CustomType):
            raise TypeError(f"{part!r} can't be read: take a dataclass, TypedDict, msgspec Struct or pydantic model")
    msgspec.json.Decoder(type)  # which knows what it can't tell apart, two Structs for example
    convert = functools.partial(msgspec.convert, type=type)
    return convert if type in _SCALARS else _hashing(convert)  # most parameters of a handshake are one of these


def _hashing(make: Callable[..., Any]) -> Callable[..., Any]:
    """Let `make` raise `ValueError` for what a set or a dict can't hold: a decimal may be NaN, and have no hash."""

    @functools.wraps(make)
    def read(value: Any, **how: Any) -> Any:
        try:
            return make(value, **how)
        except TypeError as error:
            *_, (frame, _) = traceback.walk_tb(error.__traceback__)
            raised_by = frame.f_globals["__name__"].partition(".")[0]
            if frame.f_code.co_name != "__hash__" and raised_by not in ("reference_ws", "pydantic"):
                raise  # a mistake in a validator, which is the application's
            raise msgspec.ValidationError(str(error)) from None

    return read


def _parts(annotation: Any, seen: list[Any]) -> Iterator[Any]:
    """List the classes that a type is made of, with those of their fields, and pydantic's words."""
    if any(each is annotation for each in seen):
        return
    seen.append(annotation)
    annotation = expanded(annotation)
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from filter(is_pydantics, annotation.__metadata__)
        yield from _parts(annotation.__origin__, seen)
    elif origin is not None and origin is not Literal:
        kind = () if origin in (Union, UnionType) else (origin,)
        for each in (*kind, *typing.get_args(annotation)):
            yield from _parts(each, seen)
    elif isinstance(annotation, type):
        yield annotation
        if getattr(annotation, "__annotations__", None) and not is_pydantics(annotation):
            for hint in typing.get_type_hints(annotation, include_extras=True).values():
                yield from _parts(hint, seen)


def convert(value: Any, type: Any) -> Any:  # noqa: A002
    """Turn a decoded value into `type`. Raises `msgspec.ValidationError`, whose text names the field."""
    read = reader(type)
    try:
        converted = read(value)
        _complete(converted)
    except RecursionError:
        raise msgspec.ValidationError("Nested too deeply") from None
    except UnicodeError as error:  # of half a character, which JSON can escape and only a str can hold
        raise msgspec.ValidationError(str(error)) from None
    except ValueError as error:
        found = [f"{problem} - at `{_path(place)}`" for place, _, problem in problems(error)]
        raise (msgspec.ValidationError("; ".join(found)) if found else error) from None
    return converted


def _complete(value: Any) -> None:
    """Store the defaults of dataclasses in them: msgspec 0.22 leaves them to the class, and would not write them."""
    if dataclasses.is_dataclass(value):
        stored = getattr(value, "__dict__", None)
        for field in dataclasses.fields(value):
            part = getattr(value, field.name)
            if stored is not None:
                stored.setdefault(field.name, part)
            _complete(part)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _complete(getattr(value, name))
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            _complete(part)
    elif isinstance(value, dict):
        _complete(list(value.values()))


def problems(error: ValueError) -> list[tuple[tuple[str | int, ...], Any, str]]:
    """Take pydantic's ``ValidationError`` apart: the keys that lead to each value, the value, and what is wrong."""
    errors = error.errors() if is_pydantics(error) else ()  # type: ignore[attr-defined]
    return [(each["loc"], each["input"], each["msg"]) for each in errors]


def _path(place: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)


def builtins(value: Any) -> Any:
    """Take apart what JSON knows nothing of. Raises `TypeError`."""
    return msgspec.to_builtins(value, enc_hook=_pydantics)


def _pydantics(value: Any) -> Any:
    if not is_pydantics(type(value)):
        raise TypeError(f"Objects of type {type(value).__name__} can't be written as JSON")
    return sys.modules["pydantic_core"].to_jsonable_python(value)


def expanded(annotation: Any, given: Mapping[Any, Any] = {}, within: tuple[Any, ...] = ()) -> Any:
    """Put in the place of each name that ``type`` (or NewType) gave to a type what it stands for: it may hold markers.

    ``given`` holds what stands for type variables, ``within`` the names that are being expanded: a type may contain
    itself.
    """
    if isinstance(annotation, TypeVar):
        return given.get(annotation, annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    named = origin or annotation
    if type(named).__name__ == "TypeAliasType":  # of typing, from Python 3.12 on, or of typing_extensions
        if named in within:
            return annotation
        own = zip(named.__type_params__, (expanded(each, given, within) for each in arguments), strict=False)
        return expanded(named.__value__, {**given, **dict(own)}, (*within, named))
    if hasattr(annotation, "__supertype__"):
        return expanded(annotation.__supertype__, given, within)
    if origin is Annotated:
        parts = (expanded(annotation.__origin__, given, within), *annotation.__metadata__)
        return Annotated[parts]
    if origin in (None, Literal, Callable):
        return annotation
    new = tuple(expanded(each, given, within) for each in arguments)
    if all(a is b for a, b in zip(new, arguments, strict=True)):
        return annotation
    return Union[new] if origin in (Union, UnionType) else origin[new]  # noqa: UP007
