"""One module for each peer, written as its own documentation writes it.

A module has `text_echo()`, `json_echo()`, `many_routes(count)` and, where the peer binds parameters, `binding()`; each
makes an ASGI application. Nothing is switched off that is on by default. Those that have rooms, or something like
them, have `rooms(url)`: without the address of a Redis for one process, with it for many.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["NAMES", "load"]

NAMES = ("raw", "starlette", "fastapi", "lilya", "kui", "lihil", "litestar", "reference_ws")
"""In the order of the table; ``raw`` is the floor to which the others are compared."""


def load(name: str) -> ModuleType:
    """Import a peer's module. Raises `ImportError` where the peer is not installed."""
    return importlib.import_module(f"benchmarks.peers.{name}")
