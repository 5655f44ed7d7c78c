"""A compact, typed ASGI WebSocket library on Starlette.

`WebSocket` is the connection, `App` the application, ``websocket`` the connection of the running handler. The life
cycle itself is data: see `reference_ws.lifecycle`.
"""

from starlette.exceptions import WebSocketException

from reference_ws.application import App
from reference_ws.connection import URL, Address
from reference_ws.context import current, websocket
from reference_ws.errors import (
    CloseError,
    ConnectionOver,
    LifecycleError,
    NoConnectionError,
    UnwantedMessageError,
    WebSocketDataError,
    WebSocketDisconnect,
    WebSocketJSONError,
    WebSocketTypeError,
)
from reference_ws.lifecycle import WebSocketState
from reference_ws.parameters import AsyncResource, Cookie, Depends, Header, Ignore, ParameterError, Path, Query, use
from reference_ws.rooms import EngineError, Room, RoomError, Rooms
from reference_ws.routing import Router, Routes, SocketRoute, WebSocketRoute
from reference_ws.views import SocketView
from reference_ws.websocket import WebSocket

__version__ = "0.1.0"

__all__ = [
    "URL",
    "Address",
    "App",
    "AsyncResource",
    "CloseError",
    "ConnectionOver",
    "Cookie",
    "Depends",
    "EngineError",
    "Header",
    "Ignore",
    "LifecycleError",
    "NoConnectionError",
    "ParameterError",
    "Path",
    "Query",
    "Room",
    "RoomError",
    "Rooms",
    "Router",
    "Routes",
    "SocketRoute",
    "SocketView",
    "UnwantedMessageError",
    "WebSocket",
    "WebSocketDataError",
    "WebSocketDisconnect",
    "WebSocketException",
    "WebSocketJSONError",
    "WebSocketRoute",
    "WebSocketState",
    "WebSocketTypeError",
    "current",
    "use",
    "websocket",
]
