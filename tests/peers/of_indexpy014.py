"""What the pages say of Index.py 0.14, the version that its page describes."""

import observe
from claims import fact, play, text
from indexpy import Index
from indexpy.websocket.request import WebSocket
from indexpy.websocket.view import SocketView


async def ask(handler, *incoming, **scope):
    return await observe.ask(WebSocket, handler, *incoming, **scope)


def made(handler, path="/"):
    one = Index()
    one.router.websocket(path)(handler)
    return one


@fact("I1-014", {"type": "WebSocket", "module": "indexpy.websocket.request"})
async def a_handler_gets_the_websocket_as_its_argument():
    found = []

    async def handler(websocket):
        found.extend([type(websocket).__name__, type(websocket).__module__])
        await websocket.accept()

    await play(made(handler))
    return {"type": found[0], "module": found[1]}


@fact("I4-014", {"as printed": ["accept", "text [1]", "close 1000"]})
async def the_sample_echoes():
    async def simple_echo(websocket):
        try:
            await websocket.accept()
            while True:
                message = await websocket.receive_json()
                await websocket.send_json(message)
        finally:
            await websocket.close(1000)

    return {"as printed": (await play(made(simple_echo), text("[1]"))).sent}


@fact("I5-014", {"module": "indexpy.websocket.view"})
def socketview_is_where_the_page_says():
    import indexpy.websocket

    return {"module": indexpy.websocket.SocketView.__module__}


@fact("I6-014", {"values": ["text", "bytes", "json"]})
def encoding_has_three_values():
    kind = str(SocketView.__annotations__["encoding"])
    return {"values": [value for value in ("text", "bytes", "json", "anystr") if value in kind]}


@fact("I7-014", {"default": "json"})
def encoding_defaults_to_json():
    return {"default": SocketView.encoding}


@fact("I10-014", {"self.websocket": "accept"})
async def views_have_their_websocket():
    class Looks(SocketView):
        async def on_connect(self):
            await self.websocket.accept()

    return {"self.websocket": (await play(made(Looks))).sent[0]}


@fact("I21-014", {"getlist": ["1", "2"], "keys": ["X-A"]})
async def headers_have_getlist_and_keep_their_case():
    async def handler(ws):
        return [ws.headers.getlist("x"), [key for key in list(ws.headers.keys()) if key.lower() == "x-a"]]

    found = await ask(handler, headers=[(b"x", b"1"), (b"x", b"2"), (b"X-A", b"1")])
    return {"getlist": found[0], "keys": found[1]}


@fact("I24-014", {"readable": ["bad name", "b@d"]})
async def invalid_cookies_can_be_read():
    return await observe.odd_cookies(WebSocket)
