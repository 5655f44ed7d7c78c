"""Index.py: handlers take the connection from a context variable, and nothing else; `accept` takes no headers."""

from baize.asgi import WebSocketDisconnect
from handlers import handlers, in_context
from indexpy import Index, SocketRoute, websocket
from indexpy.requests import WebSocket, websocket_var


async def items() -> None:
    await websocket.accept()
    await websocket.send_json(websocket.path_params["item"])
    await websocket.close()


shared = handlers(WebSocket, WebSocketDisconnect)
endpoints = {path: in_context(websocket_var, handler) for path, handler in shared.items()}
del endpoints["/accept-headers"]
endpoints["/items/{item:int}"] = items
app = Index(routes=[SocketRoute(path, endpoint, None) for path, endpoint in endpoints.items()])
