"""A compact, typed ASGI WebSocket library on Starlette.

`WebSocket` is the connection, `App` the application, ``websocket`` the connection of the running handler. The life
cycle itself is data: see `reference_ws.lifecycle`.
"""

from starlette.exceptions import WebSocketException

from reference_ws.application import App
from reference_ws.connection import URL, Address
from reference_ws.context import websocket
from reference_ws.lifecycle import WebSocketState
from reference_ws.routing import Router, SocketRoute
from reference_ws.websocket import (
    CloseError,
    ConnectionOver,
    LifecycleError,
    WebSocket,
    WebSocketDataError,
    WebSocketDisconnect,
    WebSocketTypeError,
)

__all__ = [
    "URL",
    "Address",
    "App",
    "CloseError",
    "ConnectionOver",
    "LifecycleError",
    "Router",
    "SocketRoute",
    "WebSocket",
    "WebSocketDataError",
    "WebSocketDisconnect",
    "WebSocketException",
    "WebSocketState",
    "WebSocketTypeError",
    "websocket",
]
