import enum
import json
import math
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_ws import codec
from reference_ws.codec import dumps, loads
from reference_ws.typed import convert

keys = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none(), st.floats())
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.floats(min_value=-1e-3, max_value=1e-3),
    st.text(),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Lo", "So"]), max_size=5),
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(keys, v, max_size=4), max_leaves=12)
texts = st.one_of(
    values.map(json.dumps),
    values.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1)),
    st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \\u\ufeff\x0b', max_size=12),
    st.sampled_from(
        ["1e400", "-0", "NaN", "-Infinity", '{"a":1,"a":2}', '"\\ud800"', "1" * 5000, "\ufeff1", "[" * 1000]
    ),
    st.integers(1, 1200).map(lambda depth: "[" * depth + "]" * depth),
)


def outcome(function, *arguments):
    try:
        result = function(*arguments)
    except Exception as error:
        # A JSONDecodeError is a ValueError, and what Python can't convert is one to us too.
        return json.JSONDecodeError if isinstance(error, RecursionError | ValueError) else type(error)
    return repr(result)


def standard_dumps(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def number(key):
    try:
        return float(key)
    except ValueError:
        return key


def meant(dump):
    """Read what was written; a float that is a key may be spelled in two ways, as any other."""
    return lambda value: json.loads(dump(value), object_pairs_hook=lambda pairs: [(number(k), v) for k, v in pairs])


@given(values)
@settings(max_examples=800, deadline=None)
def test_it_writes_what_the_standard_library_writes(value):
    assert outcome(meant(standard_dumps), value) == outcome(meant(dumps), value)


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)), st.lists, max_leaves=12))
@settings(max_examples=200, deadline=None)
def test_without_floats_it_is_the_same_to_the_letter(value):
    assert outcome(standard_dumps, value) == outcome(dumps, value)


def read_from_utf_8(data):
    try:
        return json.loads(data.decode())
    except UnicodeDecodeError:
        raise json.JSONDecodeError("", "", 0) from None


@given(texts)
@settings(max_examples=800, deadline=None)
def test_it_reads_what_the_standard_library_reads(text):
    data = text.encode(errors="surrogatepass")
    assert outcome(json.loads, text) == outcome(loads, text)
    assert outcome(read_from_utf_8, data) == outcome(loads, data)


@given(st.binary(max_size=8))
@settings(max_examples=200, deadline=None)
def test_it_reads_no_other_bytes_than_the_standard_library(data):
    assert outcome(read_from_utf_8, data) == outcome(loads, data)


@pytest.mark.parametrize("value", [2**70, {None: 1}, {True: None}])
def test_what_msgspec_writes_otherwise_is_written_as_ever(value):
    assert standard_dumps([value]) == dumps([value])


@pytest.mark.parametrize("text", ["\ud800", "a\udfff\U0001f600é", "\\\ud800", '"\udc00'])
def test_half_of_a_character_is_written_as_browsers_do(text):
    for value in (text, [text], {text: text}):
        assert value == json.loads(dumps(value).encode())


@dataclass
class Point:
    x: float
    note: object = None


class Weight(enum.Enum):
    HEAVY = math.inf


class Place(NamedTuple):
    x: float


class Thing(msgspec.Struct):
    x: float


class Row(msgspec.Struct, array_like=True):
    x: float


@pytest.mark.parametrize(
    "around",
    [
        *(lambda x: x, lambda x: [x], lambda x: (0, [x]), lambda x: {"a": {"b": x}}, lambda x: {x: 1}),
        *(lambda x: {1: {x: None}}, lambda x: {x}, lambda x: OrderedDict(a=x), lambda x: defaultdict(int, {x: 1})),
        *(Point, Place, Thing, Row, lambda x: Point(0, [Thing(x)])),
    ],
)
@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_value_error_wherever_it_stands(around, x):
    with pytest.raises(ValueError, match="Out of range float"):
        dumps(around(x))


@pytest.mark.parametrize("key", [math.nan, math.inf, -math.inf])
def test_a_key_that_is_no_number_is_an_error_where_nothing_else_is(key):
    with pytest.raises(ValueError, match="Out of range float"):
        dumps({key: 1})


def test_an_enumeration_may_hold_it():
    with pytest.raises(ValueError, match="Out of range float"):
        dumps({"a": Weight.HEAVY})


lookalikes = st.sampled_from(["null", "nan", "inf", 'say "nan"', "x" * 203, 2**64, None])


@given(st.recursive(lookalikes, st.lists, max_leaves=12))
@settings(max_examples=200, deadline=None)
def test_what_looks_like_it_but_is_not_changes_nothing(value):
    assert standard_dumps(value) == dumps(value)


def test_a_null_beside_a_number_that_is_one_changes_nothing():
    assert '{"x":1.5,"note":"a"}' == dumps(Point(1.5, "a"))
    assert '{"x":0.5,"note":null}' == dumps(Point(0.5))
    assert '[{"x":0.5},[null,true]]' == dumps([Thing(0.5), (None, True)])


@pytest.mark.parametrize("value", [object(), [object()], {"a": lambda: None}])
def test_what_is_no_json_is_a_type_error(value):
    with pytest.raises(TypeError):
        dumps(value)


def test_a_circle_is_a_value_error():
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises((ValueError, RecursionError)):
        dumps(circle)


@dataclass(frozen=True)
class Line:
    points: list[Point]
    ends: dict[str, Point]
    width: int = 1


def test_defaults_of_a_dataclass_are_written_again():
    line = convert({"points": [{"x": 1}], "ends": {"a": {"x": 2}}}, Line)
    assert Line([Point(1)], {"a": Point(2)}) == line
    assert '{"points":[{"x":1.0,"note":null}],"ends":{"a":{"x":2.0,"note":null}},"width":1}' == dumps(line)


def test_a_value_that_does_not_fit_names_the_field():
    with pytest.raises(msgspec.ValidationError, match=r"\$\.points\[0\]\.x"):
        convert({"points": [{"x": "1"}], "ends": {}}, Line)


@pytest.mark.parametrize("key", [None, True])
def test_a_key_that_only_the_standard_library_writes_is_asked_for_once(key, monkeypatch):
    asked = []
    monkeypatch.setattr(codec, "builtins", lambda value: asked.append(value) or value)
    monkeypatch.setattr(codec, "_finite", lambda _: True)

    assert json.dumps({key: 1}, separators=(",", ":")) == dumps({key: 1})
    assert [key] == asked
