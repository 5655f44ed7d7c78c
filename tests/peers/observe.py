"""What can be asked of the WebSocket class of any system: each function takes the class and tells what it does."""

from __future__ import annotations

import inspect

from claims import binary, error_of, gone, play, raised, said, text, with_both_keys

RECEIVES = ("receive_text", "receive_bytes", "receive_json")
ITERATORS = ("iter_text", "iter_bytes", "iter_json")


async def ask(kind, handler, *incoming, accept=True, **scope):
    """Let a handler find something out, with a socket that is accepted; returns what it found."""
    found = []

    async def application(scope, receive, send):
        ws = kind(scope, receive, send)
        if accept:
            await ws.accept()
        found.append(await handler(ws))

    played = await play(application, *incoming, **scope)
    assert found, played.error
    return found[0]


def bare(method):
    """Write a method's parameters without their types."""
    signature = inspect.signature(method)
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


async def url_as_text(kind):
    async def handler(ws):
        return {
            "a str": isinstance(ws.url, str),
            "len()": raised(len, ws.url),
            "in": raised(lambda: "x" in ws.url),
            "+": raised(lambda: ws.url + "x"),
            "upper()": raised(lambda: ws.url.upper()).split(":")[0],
        }

    return await ask(kind, handler)


NO_TEXT = {"a str": False, "len()": "TypeError", "in": "TypeError", "+": "TypeError", "upper()": "AttributeError"}


async def query(kind):
    async def handler(ws):
        def assign():
            ws.query_params["n"] = "3"

        return {"['n'] of n=1&n=2": ws.query_params["n"], "assignment": raised(assign)}

    return await ask(kind, handler, query="n=1&n=2")


async def repeated_header(kind):
    async def handler(ws):
        def assign():
            ws.headers["x-new"] = "3"

        found = {"x: 1 and x: 2": ws.headers["x"], "getlist": hasattr(ws.headers, "getlist")}
        return {**found, "assignment": raised(assign)}

    return await ask(kind, handler, headers=[(b"x", b"1"), (b"x", b"2")])


async def untold_client(kind):
    async def handler(ws):
        return {"client": str(ws.client), ".client.host": raised(lambda: ws.client.host).split(":")[0]}

    return await ask(kind, handler, client=None)


async def odd_cookies(kind):
    async def handler(ws):
        return {"readable": [name for name in ("bad name", "b@d") if name in ws.cookies]}

    return await ask(kind, handler, headers=[(b"cookie", b"a=1; bad name=2; b@d=3")])


async def second_close(kind):
    async def handler(ws):
        await ws.close(4000)
        return await error_of(ws.close(4001))

    return {"a second close": await ask(kind, handler)}


async def close_with_reason(kind):
    sent = []

    async def application(scope, receive, send):
        ws = kind(scope, receive, send)
        await ws.accept()
        await ws.close(4000, "why")

    sent = (await play(application)).messages[-1]
    return {"close(4000, 'why')": [sent["code"], sent["reason"]]}


async def accept_with_headers(kind):
    async def application(scope, receive, send):
        await kind(scope, receive, send).accept(headers=[(b"a", b"b")])

    return {"accept(headers=...)": (await play(application)).error}


async def no_denial(kind):
    return {"send_denial_response": hasattr(kind, "send_denial_response")}


async def leaving(kind):
    """Tell what the methods do when the client leaves."""

    async def iterates(ws, name):
        async for _ in getattr(ws, name)():
            pass
        return "ends"

    async def raw(ws):
        return (await ws.receive())["type"]

    return {
        "receive_*": [
            (await ask(kind, lambda ws, name=name: error_of(getattr(ws, name)()), gone())) for name in RECEIVES
        ],
        "iter_*": [await ask(kind, lambda ws, name=name: iterates(ws, name), gone()) for name in ITERATORS],
        "receive": await ask(kind, raw, gone()),
        "async generators": sum(inspect.isasyncgenfunction(getattr(kind, name)) for name in ITERATORS),
    }


LEAVES = {
    "receive_*": ["WebSocketDisconnect"] * 3,
    "iter_*": ["ends"] * 3,
    "receive": "websocket.disconnect",
    "async generators": 3,
}


async def wrong_frame(kind):
    """Tell which error the other kind of frame is, and whether the message can still be had."""

    async def handler(ws):
        first = [
            await error_of(ws.receive_text()),
            await error_of(ws.receive_bytes()),
            await error_of(ws.receive_json()),
        ]
        return [*first, await ws.receive_text()]

    async def taken(ws):
        return [await what_comes(getattr(ws, name)()) for name in RECEIVES]

    sent = [binary(b"1"), text("2"), binary(b"3")]
    found = await ask(kind, handler, *sent, text("next"))
    both = await ask(kind, taken, *map(with_both_keys, sent))
    return {"wrong frame": found[:3], "with both keys": both, "then comes": found[3]}


async def what_comes(awaitable):
    """Wait for it, and say the value or name the error."""
    try:
        return str(await awaitable)
    except Exception as error:
        return said(error)


LOST = {
    "wrong frame": ["KeyError: 'text'", "KeyError: 'bytes'", "KeyError: 'text'"],
    "with both keys": ["None", "None", "TypeError"],
    "then comes": "next",
}
