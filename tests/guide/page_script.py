"""What the page's script does in a browser, done by socket clients: docs/assets/lab/ without its face."""

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any

import anyio
from server import WAIT_S
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

Message = dict[str, Any]


class PageScript:
    """Speaks with the lab at `url` (``ws://127.0.0.1:8000``), and connects, sends and closes when it says so."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.origin: Any = url.replace("ws", "http", 1)
        self.messages: list[Message] = []
        self.deaf = False
        self._sockets: dict[str, asyncio.Future[ClientConnection]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "PageScript":
        self.control = await connect(f"{self.url}/lab", proxy=None, origin=self.origin, max_size=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.control.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def say(self, do: str, **words: Any) -> None:
        await self.control.send(json.dumps({"do": do, **words}))

    async def hear(self, *kinds: str, within_s: float = WAIT_S) -> Message:
        """Do what the lab says until it says something of these kinds."""
        while True:
            with anyio.fail_after(within_s):
                message = json.loads(await self.control.recv())
            self.messages.append(message)
            client, do = message.get("client", ""), message["do"]
            if do == "connect" and not self.deaf:
                self._sockets[client] = asyncio.get_running_loop().create_future()
                self._begin(self._connect(self._sockets[client], message))
            elif do == "send":
                data = message["text"] if "text" in message else base64.b64decode(message["base64"])
                await (await self._sockets[client]).send(data)
            elif do == "close":
                self._begin(self._close(await self._sockets[client], message))
            if do in kinds:
                return message

    async def play(self, page: str, language: str, example: int, mode: str = "run", **more: Any) -> Message:
        """Play an example to its end; return how it came out."""
        await self.say("start", page=page, language=language, example=example, mode=mode, **more)
        while True:
            message = await self.hear("over", "problem", "show")
            if message["do"] != "show":
                return message
            if mode == "step" and message["next"]:
                await self.say("next")

    async def end(self, client: str) -> int:
        """Wait until a connection is over; return the close code that the browser sees."""
        socket = await self._sockets[client]
        with anyio.fail_after(WAIT_S):
            await socket.wait_closed()
        return socket.close_code or 0

    @property
    def shows(self) -> list[Message]:
        return [message for message in self.messages if message["do"] == "show"]

    def _begin(self, coroutine: Any) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    async def _connect(self, opened: "asyncio.Future[ClientConnection]", message: Message) -> None:
        with suppress(InvalidStatus, ConnectionClosed, EOFError):
            async with connect(
                self.url + message["path"],
                subprotocols=message["protocols"] or None,
                proxy=None,
                origin=self.origin,
                max_size=None,
            ) as socket:
                opened.set_result(socket)
                async for _ in socket:
                    pass

    async def _close(self, socket: ClientConnection, message: Message) -> None:
        if "code" in message:
            await socket.close(message["code"], message["reason"])
        else:
            socket.protocol.send_close()
            socket.send_data()
