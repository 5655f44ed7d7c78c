"""An ASGI server in memory: one connection, no socket, no thread, and no waiting for time to pass.

`InMemoryConnection` is the server's side of a connection, `handshake` makes the scope that it begins with. The client
for tests (`reference_ws.testing`) and the transcript player stand on it. It works with asyncio and with trio.
"""

from __future__ import annotations

import inspect
import linecache
import os
import site
import string
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from starlette.types import ASGIApp, Message, Scope
from starlette.websockets import WebSocketState

from reference_ws import lifecycle
from reference_ws.lifecycle import ACCEPT, CLOSE, CONNECT, DISCONNECT, RECEIVED, SENT

__tracebackhide__ = True  # pytest shows the test, and not what stands between it and the application

DENIAL: Final[Mapping[str, Any]] = {"websocket.http.response": {}}
"""The extensions of a server that can refuse a handshake with any HTTP response."""


@asynccontextmanager
async def background() -> AsyncIterator[TaskGroup]:
    """Open a task group whose tasks end with the block.

    What the block raises comes out as it is, not inside of an ``ExceptionGroup``: also what is no `Exception`, such as
    `KeyboardInterrupt` and the failure of a test.
    """
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except anyio.get_cancelled_exc_class():  # the task group knows best whose it is
            raise
        except BaseException as error:
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Signal:
    """Wakes whoever waits for something to happen on one connection, or on several that share it."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Something has happened."""
        event, self._event = self._event, anyio.Event()
        event.set()

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says True; it is asked again after everything that happens."""
        while not ready():
            await self._event.wait()


class InMemoryConnection:
    """The server's side of one connection, as ASGI describes it, in memory.

    It hands messages to the application in order, keeps what the application sends in ``sent``, and is strict: a
    message that the life cycle doesn't allow, or a subprotocol that the client didn't offer, is a `RuntimeError` in the
    application, as on the strictest server; text that UTF-8 can't carry is a `UnicodeEncodeError` for whoever sends it.

    ``held=True`` makes every ``send`` of the application wait until `take` or `release` releases it, so that a player
    can look at both states between two messages; ``application_state`` moves when it is released. ``both_keys`` puts
    ``text`` and ``bytes`` into every frame, as some servers do; ``send_raises`` False ignores what is sent after the
    client has left, instead of raising `OSError`. Several connections may share a ``signal``.
    """

    def __init__(
        self,
        scope: Scope,
        *,
        both_keys: bool = False,
        send_raises: bool = True,
        held: bool = False,
        signal: Signal | None = None,
    ) -> None:
        self.scope = scope
        self.client_state = WebSocketState.CONNECTING
        self.application_state = WebSocketState.CONNECTING
        self.ended = False
        """True once the application has returned or raised."""
        self.error: BaseException | None = None
        """The exception that left the application."""
        self.accepted = False
        """True once the application has accepted."""
        self.end: tuple[int, str] | None = None
        """How the connection ended, code and reason, as soon as either side has ended it; the first end counts."""
        self.stalled = False
        """True while the client reads nothing: as with full buffers, what is held is released only when it reads on."""
        self.steps = 0
        """Grows with everything that the application does, so that a player sees when it has settled."""
        self.signal = signal or Signal()
        self._both_keys = both_keys
        self._send_raises = send_raises
        self._held = held
        self._freed = False
        self._inbox: deque[Message] = deque([{"type": CONNECT}])
        self._farewell_taken = False
        self._sent: deque[tuple[Message, anyio.Event]] = deque()
        # The application's state as of its last send, released or not. What is legal is decided when a message is sent:
        # two tasks may send while the first send is held, and judged by `application_state`, which moves at the
        # release, a send after a held close would pass.
        self._state = WebSocketState.CONNECTING
        self._coroutine: Any = None

    async def run(self, app: ASGIApp) -> None:
        """Run the application until it ends; an exception that leaves it is kept in ``error``."""
        try:
            self._coroutine = app(self.scope, self.receive, self.send)
            await self._coroutine
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise
        except BaseException as error:  # the failure of a test in a handler is no Exception
            self.error = error
        finally:
            self.ended = True
            self._happened()

    @property
    def target(self) -> str:
        """What the client asked for, as it went over the wire: the path with its query."""
        path, query = self.scope["raw_path"].decode(), self.scope["query_string"].decode()
        return f"{path}?{query}" if query else path

    # --- the application's side -----------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Hand over the next message of the client (ASGI's ``receive``)."""
        self._happened()
        # The disconnect stays, as with uvicorn, for each of several tasks that wait for a message. Who asks only after
        # it waits for ever, so that a loop that doesn't look at what it gets is a deadlock, which is told, and no hang.
        late = self._farewell_taken
        await self.signal.wait(lambda: bool(self._inbox) and not late)
        message = self._inbox[0]
        if message["type"] == DISCONNECT:
            self._farewell_taken = True
        else:
            self._inbox.popleft()
        entry = lifecycle.RECEIVE[self.client_state][message["type"]]
        if isinstance(entry, WebSocketState):
            self.client_state = entry
        self._happened()
        return message

    async def send(self, message: Message) -> None:
        """Take a message of the application (ASGI's ``send``)."""
        self._happened()
        if self.gone and self._state is not WebSocketState.DISCONNECTED:
            if self._send_raises:
                self.client_state = self.application_state = WebSocketState.DISCONNECTED
                raise OSError("the client has left")
            return
        event = lifecycle.sent_event(message)
        entry = lifecycle.on_send(WebSocketState.CONNECTED, self._state, event)
        if not isinstance(entry, WebSocketState):
            raise RuntimeError(f"Illegal ASGI message {event!r}: {lifecycle.ERRORS[entry].problem}")
        chosen = message.get("subprotocol")
        if event == ACCEPT and chosen and chosen not in self.scope["subprotocols"]:
            raise RuntimeError(f"Illegal ASGI message {event!r}: The client did not offer the subprotocol {chosen!r}.")
        if event == SENT or (event == CLOSE and self.accepted):  # a refusal has no close frame, and brings no reason
            _on_the_wire(message.get("text" if event == SENT else "reason"))
        self._state = entry
        self.accepted = self.accepted or event == ACCEPT
        released = anyio.Event()
        self._sent.append((message, released))
        # Held, the application stands inside of its own send, as it would with a full socket buffer: it can't run ahead
        # of the line that a player reads, and both states are those between this message and the next. Who holds has to
        # release, or a handler that sends to several clients waits here for a line of another client, forever: see
        # `World.release`. That is why the message is in `_sent` before the wait and not after it.
        if self._held:
            await released.wait()
        elif self._freed:
            await anyio.lowlevel.checkpoint()  # who sends in a loop must not keep the event loop for itself
        self.application_state = entry
        if event == CLOSE and self.accepted:
            self.leave(message.get("code", 1000), message.get("reason") or "")
        elif entry is WebSocketState.DISCONNECTED:
            self.leave(1006, "")
        self._happened()

    # --- the client's side ----------------------------------------------------------------------------------------

    def deliver(self, text: str | None = None, data: bytes | None = None) -> None:
        """Put a frame of the client on its way to the application."""
        _on_the_wire(text)
        keys = {"text": text, "bytes": data}
        frame = keys if self._both_keys else {key: value for key, value in keys.items() if value is not None}
        self._inbox.append({"type": RECEIVED, **frame})
        self._happened()

    def leave(self, code: int = 1000, reason: str = "") -> None:
        """Put the client's end on its way to the application, unless it is; 1006 is a connection that vanished."""
        if not self.gone:
            self.end = code, reason
            while self.stalled and self._sent:  # nobody will read it any more
                self.take()
            self.stalled = False
            self._inbox.append({"type": DISCONNECT, "code": code, "reason": reason})
            self._happened()

    @property
    def gone(self) -> bool:
        """True once the client's end is on its way to the application."""
        return self.end is not None

    @property
    def sent(self) -> bool:
        """True while a message of the application waits to be taken."""
        return bool(self._sent)

    def take(self) -> Message:
        """Take the oldest message of the application, and let the ``send`` that brought it return."""
        message, released = self._sent.popleft()
        released.set()
        return message

    @property
    def holds(self) -> bool:
        """True while a ``send`` of the application waits to be released."""
        return self._held and not self.stalled and any(not released.is_set() for _, released in self._sent)

    def release(self) -> bool:
        """Let the oldest waiting ``send`` return, while its message stays. False when none waits."""
        if not self.holds:
            return False
        next(released for _, released in self._sent if not released.is_set()).set()
        return True

    def hold_no_more(self) -> None:
        """Let every ``send`` return, now and from now on."""
        self.stalled = False
        while self.release():
            pass
        self._held, self._freed = False, self._freed or self._held

    def waiting_at(self) -> str:
        """Tell where the application waits: file, line and source of the innermost frame of the user's code."""
        return waiting_at(self._coroutine)

    def waiting_frame(self) -> FrameType | None:
        """Find that frame; ``None`` before the application has begun and once it has ended."""
        return waiting_frame(self._coroutine)

    def _happened(self) -> None:
        self.steps += 1
        self.signal.notify()


def asgi(app: Any) -> ASGIApp:
    """Give back an ASGI application. Raises `TypeError`, in one line, for what can't be called as one."""
    name = getattr(app, "__qualname__", None) or repr(app)
    if not callable(app):
        raise TypeError(f"{name} is no ASGI application: it can't be called.")
    try:
        inspect.signature(app).bind({}, None, None)
    except TypeError:
        raise TypeError(f"{name} does not take scope, receive and send: is it a factory? Call it.") from None
    except (ValueError, NameError):  # an extension's callable tells no parameters; an annotation is for type checkers
        pass
    if inspect.isclass(app) and not hasattr(app, "__await__"):
        raise TypeError(f"{name} is a class, no ASGI application: call it.")
    return app  # type: ignore[no-any-return]


def _on_the_wire(text: str | None) -> None:
    """Encode text as the wire does: a lone surrogate is a `UnicodeEncodeError`."""
    if text is not None:
        text.encode()


_PACKAGE: Final = Path(__file__).parents[1]
_PAGES: Final = _PACKAGE / "_source"
# Not from sysconfig: in Pyodide its folders begin with "//", and Python's own modules lie in an archive. On Windows the
# whole environment is among the packages' folders, where one may well have one's own code.
_PACKAGES: Final = (folder for folder in site.getsitepackages() if folder.endswith("-packages"))
_LIBRARIES: Final = [Path(os.__file__).parent, *map(Path, _PACKAGES)]


def raised_at(error: BaseException) -> str:
    """Describe where an exception was raised, as `waiting_at` does: the innermost frame of the user's code."""
    found = traceback.extract_tb(error.__traceback__)
    if not found:
        return "no frame: it was not raised here"
    place = ([each for each in found if is_the_users(each.filename)] or found)[-1]
    return f"{place.filename}:{place.lineno} in {place.name}: {place.line}"


def waiting_at(coroutine: Any) -> str:
    """Describe where a coroutine waits: file, line and source of the innermost frame of the user's code.

    That is code which is not in Python's, an installed library's or this package's files; the documents' pages, which
    an installed package holds, count as the user's. When no frame is, as in a `SocketView` that waits for a message,
    the innermost one of this package is described, else the innermost of all.
    """
    frame = waiting_frame(coroutine)
    if frame is None:
        return "no frame: it has not begun, or has ended"
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line} in {frame.f_code.co_name}: {linecache.getline(file, line).strip()}"


def waiting_frame(coroutine: Any) -> FrameType | None:
    """Find the frame that `waiting_at` describes; ``None`` before the coroutine has begun and once it has ended."""
    frames: list[FrameType] = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            frames.append(frame)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    theirs = [frame for frame in frames if is_the_users(frame.f_code.co_filename)]
    ours = [frame for frame in frames if _is_the_librarys(frame.f_code.co_filename)]
    return next((group[-1] for group in (theirs, ours, frames) if group), None)


@cache
def _is_the_librarys(file: str) -> bool:
    """Tell what a view or a connection waits in; this server itself waits for everything."""
    return Path(file).is_relative_to(_PACKAGE) and file != __file__


@cache
def is_the_users(file: str) -> bool:
    """Tell whether a file is neither Python's, nor an installed library's, nor this package's own."""
    path = Path(file)
    if file.startswith("<frozen "):  # Python's own import system
        return False
    return path.is_relative_to(_PAGES) or not any(path.is_relative_to(home) for home in (_PACKAGE, *_LIBRARIES))


def percent_encoded(target: str) -> str:
    """Write a path or a query as it goes over the wire: non-ASCII characters and spaces become ``%XX``."""
    return quote(target, safe=string.punctuation)


def handshake(
    target: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    client: tuple[str, int] | None = ("testclient", 50000),
    extensions: Mapping[str, Any] = DENIAL,
) -> Scope:
    """Build the ASGI scope of a handshake for `target`, a path with a query, or a whole ``ws://`` or ``wss://`` URL.

    Characters that a request line can't hold are percent-encoded, as clients do.
    """
    url = urlsplit(f"ws://testserver{target}" if target.startswith("/") else target)  # //a/b is a path too
    scheme = url.scheme or "ws"
    port = url.port or (443 if scheme == "wss" else 80)
    raw_path = percent_encoded(url.path or "/")
    lines = [
        ("host", url.netloc or "testserver"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ]
    given = [(name.lower(), value) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]
    offered = list(subprotocols)
    for name, value in given:
        if name == "sec-websocket-protocol":
            offered += [token.strip() for token in value.split(",")]
    if subprotocols:
        given.append(("sec-websocket-protocol", ", ".join(subprotocols)))
    names = {name for name, _ in given}
    lines = [line for line in lines if line[0] not in names] + given
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": scheme,
        "server": (url.hostname or "testserver", port),
        "client": client,
        "root_path": "",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": percent_encoded(url.query).encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines],
        "subprotocols": offered,
        "state": {},
        "extensions": dict(extensions),
    }
