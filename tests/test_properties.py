"""Random conversations: `WebSocket` agrees with the bare tables, and no illegal message ever reaches the server."""

import asyncio
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_ws import LifecycleError, WebSocket, WebSocketDisconnect, WebSocketState, lifecycle
from reference_ws.lifecycle import CONNECTED, CONNECTING, DISCONNECTED, SEND
from reference_ws.testing import InMemoryConnection, handshake

RAW = {
    "websocket.accept": {"type": "websocket.accept"},
    "websocket.send": {"type": "websocket.send", "text": "raw"},
    "websocket.close": {"type": "websocket.close", "code": 4000, "reason": "raw"},
    "websocket.http.response.start": {"type": "websocket.http.response.start", "status": 401, "headers": []},
    "websocket.http.response.body": {"type": "websocket.http.response.body", "body": b"x", "more_body": True},
    "websocket.http.response.body (last)": {"type": "websocket.http.response.body", "body": b"x"},
    "http.response.start": {"type": "http.response.start"},
}
CLIENT = ["client text", "client bytes", "client close", "client drop"]
CALLS = ["accept", "send_text", "receive", "receive_text", "receive_bytes", "close", "is_disconnected"]

conversations = st.lists(st.sampled_from([*CLIENT, *CALLS, *RAW]), max_size=25)


class Model:
    """What the tables alone say about a conversation."""

    def __init__(self):
        self.client = self.application = CONNECTING
        self.inbox = deque([{"type": "websocket.connect"}])
        self.gone = False
        self.sent = []

    def arrive(self, message):
        if not self.gone:
            self.inbox.append(message)
            self.gone = message["type"] == "websocket.disconnect"

    def send(self, event):
        entry = lifecycle.on_send(self.client, self.application, event)
        if not isinstance(entry, WebSocketState):
            return entry
        if self.gone:
            self.client = self.application = DISCONNECTED
            return "vanished" if self.inbox[-1]["code"] == 1006 else "disconnected"
        accepted = self.application is CONNECTED
        self.application = entry
        self.sent.append(event)
        if entry is DISCONNECTED:
            self.arrive({"type": "websocket.disconnect", "code": 4000 if accepted else 1006})
        return None

    def receive(self):
        entry = lifecycle.on_receive(self.client, self.application, self.inbox[0]["type"])
        if isinstance(entry, WebSocketState):
            self.client = entry
            self.inbox.popleft()
            return None
        return entry


async def outcome(attempt):
    try:
        await attempt
    except LifecycleError as error:
        return error.id
    except WebSocketDisconnect as error:
        return "vanished" if error.code == 1006 else "disconnected"
    return None


class Conversation:
    """The same on a real `WebSocket`, with a server that raises for every illegal message."""

    def __init__(self):
        self.server = InMemoryConnection(handshake("/"))
        self.websocket = WebSocket(self.server.scope, self.server.receive, self.server.send)
        self.model = Model()

    async def do(self, name):
        websocket, model = self.websocket, self.model
        if name in ("client text", "client bytes"):
            if model.application is CONNECTED and not model.gone:
                frame = {"text": "x"} if name == "client text" else {"bytes": b"x"}
                model.arrive({"type": "websocket.receive", **frame})
                self.server.deliver(frame.get("text"), frame.get("bytes"))
        elif name in ("client close", "client drop"):
            code = 1006 if name == "client drop" else 1001
            model.arrive({"type": "websocket.disconnect", "code": code})
            self.server.leave(code)
        elif name in RAW:
            assert model.send(name) == await outcome(websocket.send(RAW[name]))
        elif name == "accept":
            expected = lifecycle.on_send(model.client, model.application, "websocket.accept")
            if isinstance(expected, WebSocketState):
                expected = (model.receive() if model.client is CONNECTING else None) or model.send("websocket.accept")
            assert expected == await outcome(websocket.accept())
        elif name == "send_text":
            assert model.send("websocket.send") == await outcome(websocket.send_text("x"))
        elif name == "close":
            if DISCONNECTED not in (model.client, model.application):
                model.send(
                    "websocket.http.response.body (last)"
                    if model.application is WebSocketState.RESPONSE
                    else "websocket.close"
                )
            assert await outcome(websocket.close(4000)) is None
        elif name == "is_disconnected":
            over = DISCONNECTED in (model.client, model.application)
            assert (over or any(m["type"] == "websocket.disconnect" for m in model.inbox)) == (
                await websocket.is_disconnected()
            )
        else:
            await self.receive(name)
        assert (model.client, model.application) == (websocket.client_state, websocket.application_state)

    async def receive(self, name):
        model = self.model
        attempt = getattr(self.websocket, name)
        event = model.inbox[0]["type"] if model.inbox else "websocket.receive"
        if name == "receive":
            entry = lifecycle.on_receive(model.client, model.application, event)
        else:
            entry = lifecycle.on_receive_data(model.client, model.application)
        if not isinstance(entry, WebSocketState):
            assert entry == await outcome(attempt())
        elif model.inbox:
            message = model.inbox[0]
            expected = model.receive()
            if name != "receive" and event == "websocket.disconnect":
                expected = "vanished" if message["code"] == 1006 else "disconnected"
            elif name != "receive" and name.removeprefix("receive_") not in message:
                expected = "wrong-frame"
            assert expected == await outcome(attempt())

    async def end(self):
        await self.websocket.close()
        self.websocket.release()
        sent = []
        while self.server.sent:
            sent.append(lifecycle.sent_event(self.server.take()))
        if DISCONNECTED not in (self.model.client, self.model.application):
            self.model.send(
                "websocket.http.response.body (last)"
                if self.model.application is WebSocketState.RESPONSE
                else "websocket.close"
            )
        assert self.model.sent == sent
        assert 1 >= sum(SEND[CONNECTED].get(event) is DISCONNECTED for event in sent)


@given(conversations)
@settings(max_examples=400, deadline=None)
def test_a_random_conversation_goes_as_the_tables_say(names):
    async def run():
        conversation = Conversation()
        for name in names:
            await conversation.do(name)
        await conversation.end()

    asyncio.run(run())
