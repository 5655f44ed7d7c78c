"""What comes in from outside is read with work that grows with its length, and not with the square of it.

The transcripts have tests of their own, in tests/transcript/test_grammar.py.
"""

import json
from collections.abc import Callable

import pytest
from starlette.datastructures import Headers
from work import assert_linear, work_of

from reference_ws import codec, connection, guards, parameters, typed
from reference_ws.codec import dumps, loads
from reference_ws.connection import Connection
from reference_ws.guide import serving
from reference_ws.guide.words import catalogs, explanations
from reference_ws.parameters import plan, read
from reference_ws.transcript import messages
from reference_ws.typed import convert


def scope(**given):
    return {"type": "websocket", "path": "/", "headers": [], "query_string": b"", **given}


def cookies(text):
    return Connection(scope(headers=[(b"cookie", text.encode())])).cookies


async def handler(a: list[int] | None = None, b: bool = False, c: set[str] | None = None): ...


def query(text):
    return read(Connection(scope(query_string=text.encode())), plan(handler).all_parameters())


def origin(text):
    guard = guards.OriginGuard(lambda *_: None, ["https://a.example"])
    return guard.lets_in(Headers({"origin": text, "host": text}))


def loaded(text):
    return loads(str(text))  # msgspec takes nothing but str


READ: dict[str, tuple[Callable[[str], object], Callable[[int], str]]] = {
    "cookies": (cookies, lambda n: "a=b; " * n),
    "a query": (query, lambda n: "a=1&" * n),
    "another query": (query, lambda n: "b=on&" * n),
    "a wrong query": (query, lambda n: "a=x&c=%2&" * n),
    "an origin": (origin, lambda n: "http://" + "a." * n + "example:443"),
    "no origin": (origin, lambda n: "http://[" * n),
    "nested JSON": (loaded, lambda n: "[" * n),
    "wide JSON": (loaded, lambda n: "[" + "NaN, " * n + "1]"),
    "written JSON": (lambda text: dumps(json.loads(text)), lambda n: "[" + "[null, 1.5], " * n + "1]"),
    "typed JSON": (lambda text: convert(loaded(text), list[set[int]]), lambda n: "[" + "[1, 2], " * n + "[3]]"),
    "a reason": (explanations.reason, lambda n: "1 " * n),
    "a close code": (explanations.code, lambda n: "ws 1001 " + "- _" * n),
}
MODULES = (codec, connection, guards, parameters, typed, explanations, messages)


@pytest.mark.parametrize(("function", "text"), READ.values(), ids=list(READ))
def test_twice_the_input_is_no_more_than_twice_the_work(function, text):
    assert_linear(function, text, *MODULES)


@pytest.mark.parametrize("item", ["zh;q*=us-ascii'en'1,", ";", "pt;q=0.9,", ","])
def test_a_header_that_is_long_is_cut_before_it_is_read(item):
    few, many = (work_of(catalogs.language_of, item * size, catalogs) for size in (2_000, 60_000))
    assert few == many


@pytest.mark.parametrize("name", ["a", "[", "[::1", "a:", "1."])
def test_a_host_is_read_to_the_length_that_a_name_has(name):
    guard = serving.HostGuard(lambda *_: None, "127.0.0.1")

    def lets_in(text):
        return guard.lets_in(Headers({"host": text}))

    few, many = (work_of(lets_in, name * size, serving) for size in (1_000, 2_000))
    assert few
    assert many <= 2.2 * few
