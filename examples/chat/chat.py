"""A chat: rooms with a history, people who sign in, as many processes as you like. README.md beside it runs it.

What it takes from the environment:

- ``CHAT_ENGINE``: ``redis://...`` that all its processes share; without it, the rooms are this process's own.
- ``CHAT_SECRET``: signs the tokens, the same in all processes; without it, a token holds until this process ends.
- ``CHAT_USERS``: the file with the people's names and the hashes of their passwords; ``python chat.py NAME`` adds one.
"""

import getpass
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import anyio
from anyio import to_thread
from msgspec import Meta
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_ws import App, EngineError, Rooms, SocketRoute, WebSocket
from reference_ws.guards import LimitGuard, OriginGuard

HERE = Path(__file__).parent
ENGINE = os.environ.get("CHAT_ENGINE")
SECRET = os.environ.get("CHAT_SECRET", "").encode()
USERS = Path(os.environ.get("CHAT_USERS", HERE / "users.json"))

HELLO_S = 10  # how long somebody may stay without having said who they are
TOKEN_S = 12 * 60 * 60
NAME = re.compile(r"[\w-]{1,32}")  # of people and of rooms: letters and digits of any script

if ENGINE and len(SECRET) < 32:
    sys.exit("CHAT_SECRET is missing or shorter than 32 characters: the processes would not know each other's tokens.")
SECRET = SECRET or secrets.token_bytes(32)


@dataclass
class Hello:
    """The first message: a name and a password, or the token that they were answered with."""

    token: str = ""
    name: str = ""
    password: str = ""
    after: str | None = None


@dataclass
class Said:
    """Every message after it. The client chooses `key`: by it, it knows its own again, and drops one sent twice.

    Without a text it asks whether anybody is there: a page sees no pings of the server's.
    """

    key: Annotated[str, Meta(pattern="^[0-9a-f-]{1,36}$")]
    text: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None


# --- who it is --------------------------------------------------------------------------------------------------------

HASHING = anyio.CapacityLimiter(2)  # guesses wait here: each takes 16 MB and a good part of a tenth of a second


def hashed(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()


def read_users() -> dict[str, str]:
    return json.loads(USERS.read_text("utf-8")) if USERS.exists() else {}


def knows(name: str, password: str) -> bool:
    """Compare with the stored hash; for a name that nobody has, it takes as long."""
    salt, _, stored = read_users().get(name, "nobody$").partition("$")
    return hmac.compare_digest(hashed(password, salt), stored)


def token_of(name: str, until: int) -> str:
    """Sign a name until a time, in seconds since 1970; a new password, or none, makes it void."""
    claim = f"{name}:{until}"
    signed = f"{claim}:{read_users().get(name, '')}"
    return f"{claim}:{hmac.digest(SECRET, signed.encode(), 'sha256').hex()}"


async def recognise(hello: Hello) -> tuple[str, int] | None:
    """Give the name, and until when it holds; ``None`` for a stranger. Raises `ValueError` for what is no token."""
    if hello.token:
        name, until_, _ = hello.token.split(":")
        until = int(until_)
        genuine = hmac.compare_digest(token_of(name, until).encode(), hello.token.encode())
        return (name, until) if genuine and name in read_users() and time.time() < until else None
    if not await to_thread.run_sync(knows, hello.name, hello.password, limiter=HASHING):
        return None
    return hello.name, int(time.time()) + TOKEN_S


# --- the rooms --------------------------------------------------------------------------------------------------------

rooms = Rooms(ENGINE, history=200, id_key="id")


async def talk(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    try:
        await converse(websocket, room)
    except ValueError:  # no JSON, or JSON that is no message of this chat: nothing that the page sends
        await websocket.close(4400, "this is no message of the chat")
    except EngineError:  # Redis was away when somebody came
        await websocket.close(1013, "try again later")


async def converse(websocket: WebSocket, room: str) -> None:
    person = None
    with anyio.move_on_after(HELLO_S):
        hello = await websocket.receive_json(type=Hello)
        person = await recognise(hello)
    if person is None:
        await websocket.close(4401, "sign in")
        return
    if not NAME.fullmatch(room):
        await websocket.close(4404, "no room can have this name")
        return
    name, until = person
    with anyio.move_on_after(until - time.time()):
        async with rooms.join(room, websocket, after=hello.after) as here:
            await websocket.send_json({"type": "welcome", "name": name, "token": token_of(name, until)})
            async for said in websocket.iter_json(type=Said):
                if said.text is None:
                    await websocket.send_json({"type": "here", "key": said.key})
                    continue
                at = round(time.time() * 1000)
                try:
                    await here.send_json({"key": said.key, "name": name, "text": said.text, "at": at})
                except EngineError:  # Redis is away: everybody stays, and the page tries again
                    await websocket.send_json({"type": "later", "key": said.key})
    await websocket.close(4401, "sign in")


# --- the application --------------------------------------------------------------------------------------------------


class Headers:
    """The page runs its own script and nothing else, in nobody's frame."""

    POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    POLICY += "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = {"content-security-policy": self.POLICY, "x-content-type-options": "nosniff"}
                message["headers"] += [(name.encode(), value.encode()) for name, value in more.items()]
            await send(message)

        await self.app(scope, receive, add)


app = App(
    routes=[SocketRoute("/rooms/{room:path}", talk), Mount("/", StaticFiles(directory=HERE / "page", html=True))],
    middleware=[
        Middleware(Headers),
        Middleware(OriginGuard),
        Middleware(
            LimitGuard,
            max_message_bytes=8_000,  # a thousand characters, each escaped in JSON
            messages_per_s=5,
            burst=20,
            max_connections=5_000,
            max_connections_per_client=50,
        ),
    ],
)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not NAME.fullmatch(sys.argv[1]):
        sys.exit(
            "usage: python chat.py NAME (up to 32 letters, digits, - and _) asks for a password and keeps its hash"
        )
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        sys.exit("no password: nothing was written")
    salt = secrets.token_hex(16)
    users = read_users() | {sys.argv[1]: f"{salt}${hashed(password, salt)}"}
    unread = USERS.with_suffix(".new")  # a reader sees the old file or the new one, never half of it
    unread.touch(mode=0o600)
    unread.write_text(json.dumps(users, ensure_ascii=False, indent=1) + "\n", "utf-8")
    unread.replace(USERS)
