"""Tools for tests of any ASGI application that speaks WebSocket: a server and its client, in memory.

There is no thread and no socket; it works with asyncio and with trio. `connect` is what a test uses;
`InMemoryConnection` is the ASGI server behind it, and `run_lifespan` keeps the application running around several
connections. In `HeldTimeLoop` no real time passes; `reference_ws.testing.plugin` is for pytest. For HTTP routes and for
tests without ``async`` there is `TestClient`, Starlette's own (it needs the package httpx2).
"""

from typing import TYPE_CHECKING, Any

from reference_ws.testing.client import Client, HandshakeRefused, connect
from reference_ws.testing.held_time import DeadlockError, HeldTimeLoop, run_in_held_time
from reference_ws.testing.inmemory import InMemoryConnection, handshake
from reference_ws.testing.lifespan import run_lifespan

__all__ = [
    "Client",
    "DeadlockError",
    "HandshakeRefused",
    "HeldTimeLoop",
    "InMemoryConnection",
    "TestClient",
    "connect",
    "handshake",
    "run_in_held_time",
    "run_lifespan",
]

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def __getattr__(name: str) -> Any:
    # Not imported above: whoever plays a transcript need not have an HTTP client installed.
    if name == "TestClient":
        from starlette.testclient import TestClient

        return TestClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
