"""What is measured: for each scenario the application, what its client sends, and what must come back."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

__all__ = ["IN_MEMORY", "JSON", "TEXT", "Resource", "Scenario", "opened", "resource"]

MESSAGES = 2000
"""Messages on one connection, so many that the connection itself no longer counts."""


def _document(number: int, answers: int | None) -> str:
    """Write a chat message of 125 bytes, like the texts."""
    value = {
        "id": 10_000 + number,
        "room": "olá-世界",
        "user": "Анна",
        "text": "a message as people write it, not long".ljust(49 if answers is None else 52, "."),
        "answers": answers,
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


TEXTS = [f"{number:>125}" for number in range(MESSAGES)]
DOCUMENTS = [_document(number, 7) for number in range(MESSAGES)]
DOCUMENTS_WITH_NULL = [_document(number, None) for number in range(MESSAGES)]


@dataclass(frozen=True)
class Scenario:
    """One row of the table: a unit is one message, or one connection of several messages."""

    id: str
    title: str
    builder: str
    """The function of a peer's module that makes the application."""
    sent: list[str]
    argument: int | None = None
    path: str = "/ws"
    query: bytes = b""
    answer: Callable[[str], str] = str
    unit: str = "message"
    plain: str | None = None
    """The id of the scenario whose time is taken away, where a row tells what something adds."""
    target: str = ""

    @property
    def expected(self) -> list[str]:
        """What must come back, message by message."""
        return [self.answer(text) for text in self.sent]

    @property
    def units(self) -> int:
        """How many units one connection holds."""
        return len(self.sent) if self.unit == "message" else 1

    def scope(self) -> dict[str, Any]:
        """Make a new ASGI scope, as uvicorn makes it for a browser's handshake."""
        return {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "root_path": "",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "headers": [
                (b"host", b"127.0.0.1:8000"),
                (b"upgrade", b"websocket"),
                (b"connection", b"Upgrade"),
                (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
                (b"sec-websocket-version", b"13"),
                (b"origin", b"http://127.0.0.1:8000"),
                (b"user-agent", b"benchmarks"),
            ],
            "subprotocols": [],
            "state": {},
            "extensions": {"websocket.http.response": {}},
        }

    def received(self) -> list[Message]:
        """Make new ASGI messages, as the application receives them."""
        frames: list[Message] = [{"type": "websocket.receive", "text": text, "bytes": None} for text in self.sent]
        return [{"type": "websocket.connect"}, *frames, {"type": "websocket.disconnect", "code": 1000, "reason": ""}]

    def build(self, peer: Any) -> ASGIApp | None:
        """Make the application of a peer's module, or ``None`` where the peer doesn't offer this."""
        builder = getattr(peer, self.builder, None)
        if builder is None:
            return None
        app: ASGIApp = builder() if self.argument is None else builder(self.argument)
        return app


@dataclass
class Opened:
    """How often the resource of the binding scenario was opened, and closed again."""

    opened: int = field(default=0)
    closed: int = field(default=0)


opened = Opened()


class Resource:
    """What the dependency of the binding scenario yields: a class, as Lihil takes nothing built in."""

    name = "resource"


_RESOURCE = Resource()


async def resource() -> AsyncGenerator[Resource, None]:
    """Yield the dependency of the binding scenario, the same for all peers."""
    opened.opened += 1
    try:
        yield _RESOURCE
    finally:
        opened.closed += 1


TEXT = Scenario("text", "text echo", "text_echo", TEXTS, target="<= 2.4")
JSON = Scenario("json", "JSON echo", "json_echo", DOCUMENTS, target="<= 0.5")
_ONE = TEXTS[:1]

IN_MEMORY = [
    TEXT,
    JSON,
    Scenario("json-null", "JSON echo, a null in it", "json_echo", DOCUMENTS_WITH_NULL),
    Scenario("connection", "connection", "text_echo", _ONE, unit="connection", target="<= 4.2"),
    *(
        Scenario(
            f"routes-{count}",
            f"connection, {count:,} routes" if count > 1 else "connection, 1 route",
            "many_routes",
            _ONE,
            argument=count,
            path=f"/route{count - 1}/ann",
            unit="connection",
            target="<= 8.0" if count == 1000 else "",
        )
        for count in (1, 10, 100, 1000)
    ),
    Scenario(
        "binding",
        "binding, added",
        "binding",
        _ONE,
        path="/items/7",
        query=b"limit=5&q=ann",
        answer=lambda text: f"12 ann resource {text}",
        unit="connection",
        plain="connection",
    ),
]
