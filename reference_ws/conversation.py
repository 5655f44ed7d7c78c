"""The frame in which a handler runs: whatever happens in it, its connection ends with it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any, Final

import anyio
import anyio.lowlevel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from reference_ws.binding import Bindings, Bound
from reference_ws.context import enter, leave
from reference_ws.errors import UnwantedMessageError, WebSocketDisconnect
from reference_ws.lifecycle import CONNECTING, DISCONNECTED
from reference_ws.parameters import ParameterError, function_of
from reference_ws.websocket import WebSocket

logger = logging.getLogger(__name__)

GOODBYE_S: Final = 1.0
"""How long a cancelled handler's connection may take to send its close frame to a client that doesn't read."""

CLEAN_UP_S: Final = 10.0
"""How long the clean-ups of a cancelled handler may take, all together."""


HANDLERS: Final = "starlette.exception_handlers"
"""Where Starlette keeps, in the scope, the exception handlers of the application: ``(by class, by status)``."""

UNANSWERED: Final = "reference_ws.unanswered"
"""Where the outermost `App` keeps, in the scope, the connections whose exception is on its way out."""

EXPECTED: Final = (ParameterError, WebSocketException, HTTPException, UnwantedMessageError)
"""Exceptions that are answers to a client, and no faults of the application."""


# --- the frame --------------------------------------------------------------------------------------------------------


async def converse(bound: Bound, websocket: WebSocket) -> None:
    """Run a handler, and end the connection with it.

    While it runs, the connection is the one that `reference_ws.websocket` stands for.

    A handler that returns closes with 1000, or refuses what it has not accepted. One that raises refuses with 500 (or
    closes with 1011 after accept), and the exception goes on to the server's log. A `WebSocketDisconnect` that comes
    through because the client has left is how most handlers end, and is no error. A handler that is cancelled closes
    with 1001. What counts as the handler's end is what its dependencies have made of it: they are cleaned up before
    the connection is closed, so that they may close it, or deal with an exception; a cancelled one is closed first.
    """
    token = enter(websocket)
    failure: Exception | None = None
    try:
        try:
            if bound.needs_bindings:
                websocket._bindings = Bindings(websocket, bound)
            yields = bound.needs_bindings and websocket._bindings.yields
            await (_with_dependencies(bound, websocket) if yields else bound.call(websocket))
        except Exception as error:
            failure = error  # for the log, if the answer to it is cancelled
            failure = await _ended_by(websocket, error)
        if failure is None and not websocket._over:
            await websocket.close()
    except GeneratorExit:  # nothing can be awaited any more
        raise
    except BaseException:
        await _say_goodbye(websocket)
        if failure is not None and not _has_left(websocket, failure):
            logger.error("The handler had failed before it was cancelled", exc_info=failure)
        raise
    finally:
        websocket.release()
        websocket._bindings = None  # they know the connection: no cycle
        leave(token)
    if failure is not None:
        raise failure


async def _with_dependencies(bound: Bound, websocket: WebSocket) -> None:
    """Run a handler inside of dependencies that yield, as inside of nested ``with`` statements.

    The one scope of its own is around the dependencies, never between the two halves of one: a dependency may hold a
    scope or a task group open at its ``yield``.
    """
    before: BaseException | None = None
    ended: BaseException | None = None
    cancellation: BaseException | None = None
    bindings: Bindings = websocket._bindings
    with anyio.CancelScope() as frame:
        try:
            await bound.call(websocket)
        except GeneratorExit:  # nothing can be awaited any more
            raise
        except BaseException as error:
            ended = error
        while bindings.unfinished:
            if cancellation is None and _cuts_off(ended):
                cancellation = ended
                await _say_goodbye(websocket)
                frame.shield, frame.deadline = True, anyio.current_time() + CLEAN_UP_S
            before, clean_up = ended, bindings.clean_up(ended)
            if cancellation is not None:
                ended = await clean_up
            else:
                ended = await _shielded(clean_up, frame)
                if bindings.unfinished and not _cuts_off(ended):
                    ended = await _held_off() or ended
            if cancellation is not None and not _cuts_off(ended):
                before, ended = ended, await _still_cancelled(cancellation, frame) or ended
            if isinstance(before, Exception) and _cuts_off(ended) and not _has_left(websocket, before):
                logger.error("A cancellation has taken the place of this exception", exc_info=before)
        if frame.cancel_called:
            logger.error("A cancelled handler's clean-ups took more than %s s and were cut off", CLEAN_UP_S)
        if ended is not None:
            try:
                raise ended
            finally:  # its traceback holds this frame: no cycle
                before = ended = None
    if frame.cancelled_caught and cancellation is not None:
        raise cancellation


@types.coroutine
def _shielded(
    clean_up: Coroutine[Any, Any, BaseException | None], frame: anyio.CancelScope
) -> Generator[Any, Any, BaseException | None]:
    """Await a clean-up, behind the frame's shield as soon as it waits for something: most never do, and need none.

    A cancellation that comes meanwhile is seen when it is over, or has had its ten seconds. `Task.cancel` alone can't
    be held off: it ends what the clean-up waits for at that moment.
    """
    try:
        waits_for = clean_up.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    frame.shield = True
    over = _later(CLEAN_UP_S, lambda: setattr(frame, "shield", False))
    try:
        while True:  # this is `yield from`, whose first step has been taken
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: PERF203
                waits_for = clean_up.throw(error)
            else:
                waits_for = clean_up.send(sent)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        over()
        frame.shield = False


def _later(delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
    """Call something later, beside the task that runs; what is returned takes that back."""
    try:
        return asyncio.get_running_loop().call_later(delay_s, call).cancel
    except RuntimeError:  # trio has no timers, but tasks that are nobody's children
        trio = sys.modules["trio"]
        scope: anyio.CancelScope = trio.CancelScope()

        async def wait() -> None:
            with scope:
                await trio.sleep(delay_s)
                call()

        trio.lowlevel.spawn_system_task(wait)
        return scope.cancel


def _cuts_off(error: BaseException | None) -> bool:
    """Tell whether this is a cancellation, or ends the program."""
    return error is not None and not isinstance(error, Exception)


async def _held_off() -> BaseException | None:
    """Tell the cancellation that a shield has held off, if there is one."""
    try:
        await anyio.lowlevel.checkpoint_if_cancelled()
    except anyio.get_cancelled_exc_class() as cancelled:
        return cancelled
    return None


async def _still_cancelled(cancellation: BaseException, frame: anyio.CancelScope) -> BaseException | None:
    """Tell what goes on though a dependency has caught it.

    Only leaving the scope that a cancellation comes from ends it. That may be a dependency's own, which is left now:
    a timeout, or a task group one of whose tasks has failed.
    """
    frame.shield = False
    again = await _held_off()
    frame.shield = True
    if again is not None:
        return again
    if isinstance(cancellation, asyncio.CancelledError):  # Task.cancel() comes once
        cancelling = getattr(asyncio.current_task(), "cancelling", None)  # since Python 3.11
        return cancellation if cancelling is None or cancelling() > 0 else None
    return None if isinstance(cancellation, anyio.get_cancelled_exc_class()) else cancellation


# --- what an exception is answered with -------------------------------------------------------------------------------


async def _ended_by(websocket: WebSocket, error: Exception) -> Exception | None:
    """Answer an exception, or leave that to whoever stands outside; return what the server's log has to show, if any.

    Inside of an `App` the connection stays as it is: middleware and outer applications see the exception first, and
    the outermost App answers what nobody has (see `last`). A route alone is the outermost itself.
    """
    try:
        if await _handled(websocket, error, websocket.scope.get(HANDLERS)):
            return None
    except Exception as further:
        error = further
    if _has_left(websocket, error):
        return None
    if UNANSWERED in websocket.scope:
        websocket.scope[UNANSWERED].append(websocket)
    elif await _answered_last(websocket, error):
        return None
    if isinstance(error, HTTPException) and websocket.application_state is not CONNECTING:
        # Starlette's middleware would answer it with a response, and there is none any more.
        late = RuntimeError(f"{error!r} was raised after accept(): there is no HTTP response any more.")
        late.__cause__ = error
        return late
    return error


async def last(call: Awaitable[None], scope: Scope, handlers: Mapping[Any, Any]) -> None:
    """Await what an application does with a connection, and answer an exception that nobody in it has answered.

    ``handlers`` are the application's exception handlers; one for `Exception` or 500 is called, and the exception goes
    on to the server's log, as Starlette does it for HTTP. Only the outermost application ends the connection.
    """
    outermost = UNANSWERED not in scope
    failed: list[WebSocket] = scope.setdefault(UNANSWERED, [])
    outside = scope.get(HANDLERS)  # of a Starlette application that this one is mounted in
    try:
        await call
        return
    except Exception as raised:
        if not failed:  # no handler of ours has begun: the server ends what is there
            raise
        error = failure = raised
    handler = handlers.get(500) or handlers.get(Exception)
    try:
        if handler is not None and not isinstance(error, EXPECTED):
            await _call(handler, failed[-1], error)
    except Exception as further:
        failure = further
    if not outermost or _found(outside, error) or not await _answered_last(failed[-1], error):
        try:
            raise failure
        finally:  # its traceback holds this frame: no cycle
            del error, failure


class Answers:
    """Does for WebSockets what Starlette's ``ExceptionMiddleware`` does, in its place and with its handlers.

    Starlette's calls a handler with a connection that knows nothing of its states. It also wraps ``send``, which only a
    response needs: that would be paid for with every message.
    """

    def __init__(self, app: Any) -> None:
        self.starlettes: ExceptionMiddleware = app
        self.handlers = app._exception_handlers, app._status_handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lead a connection or a request on, and answer what nobody inside has answered."""
        if scope["type"] != "websocket":
            await self.starlettes(scope, receive, send)
            return
        scope[HANDLERS] = self.handlers
        try:
            await self.starlettes.app(scope, receive, send)
        except Exception as error:
            failed = scope.get(UNANSWERED)  # empty where what has failed is no handler of ours
            if not await _handled(failed[-1] if failed else WebSocket(scope, receive, send), error, self.handlers):
                raise
            if failed:
                await failed.pop().close()


async def _handled(websocket: WebSocket, error: Exception, handlers: Any) -> bool:
    """Let the exception handlers of one application deal with an error, Starlette's own two among them."""
    error = _alone(error)
    handler = _found(handlers, error)
    if handler is None or (isinstance(error, HTTPException) and websocket.application_state is not CONNECTING):
        return False
    await _call(handler, websocket, error)
    return True


def _found(handlers: Any, error: Exception) -> Any:
    if handlers is None:
        return None
    by_class, by_status = handlers
    handler = by_status.get(error.status_code) if isinstance(error, HTTPException) else None
    return handler or next((by_class[kind] for kind in type(error).__mro__ if kind in by_class), None)


async def _call(handler: Any, websocket: WebSocket, error: Exception) -> None:
    token = enter(websocket)  # outside of the handler's own frame, too
    try:
        if inspect.iscoroutinefunction(function_of(handler)):
            response = await handler(websocket, error)
        else:
            response = await run_in_threadpool(handler, websocket, error)
    except (Exception, GeneratorExit):
        raise
    except BaseException:
        await _say_goodbye(websocket)
        raise
    finally:
        leave(token)
    if response is not None and websocket.application_state is CONNECTING:
        await refuse(websocket, response)


async def _answered_last(websocket: WebSocket, error: Exception) -> bool:
    """End the connection as an exception asks for; tell whether that is all that has to be said about it."""
    try:
        try:
            raise error
        except Exception:  # what fails from here on is told together with what it comes from
            return await _end_for(websocket, _alone(error))
    except Exception:
        await _end(websocket, 1011)
        raise
    except GeneratorExit:  # nothing can be awaited any more
        raise
    except BaseException:
        await _say_goodbye(websocket)
        raise
    finally:
        websocket.release()
        del error  # its traceback holds this frame: no cycle


async def _end_for(websocket: WebSocket, error: Exception) -> bool:
    if isinstance(error, ParameterError) and websocket.application_state is CONNECTING:
        await refuse(websocket, JSONResponse({"errors": error.faults}, 422), 1008)
    elif isinstance(error, HTTPException) and websocket.application_state is CONNECTING:
        await refuse(websocket, PlainTextResponse(error.detail, error.status_code, error.headers))
    elif isinstance(error, WebSocketException):  # these two: outside of an application, or of an exception handler
        await websocket.close(error.code, error.reason)
    elif isinstance(error, UnwantedMessageError):  # the client's fault: a line for who reads the log, no traceback
        closed = websocket.application_state is DISCONNECTED  # by a `finally`, for one
        logger.info("%s: closed%s: %s", websocket.scope["path"], " already" if closed else " with 1003", error)
        await websocket.close(1003)  # what the server can't do it has to end itself
    else:
        await _end(websocket, 1011)
        return False
    return True


# --- ending -----------------------------------------------------------------------------------------------------------


async def refuse(websocket: WebSocket, response: Response, code: int = 1000) -> None:
    """Refuse with a response where the server can deny, else by closing."""
    try:
        if websocket.can_deny:
            await websocket.send_denial_response(response)
        await websocket.close(code)
    except WebSocketDisconnect:
        pass  # the client didn't wait for the answer


async def _end(websocket: WebSocket, code: int) -> None:
    """End a connection that has failed. That this may fail too, on a server's side, must not keep what follows."""
    try:
        if code == 1011 and websocket.application_state is CONNECTING:
            await refuse(websocket, PlainTextResponse("Internal Server Error", 500), code)
        else:
            await websocket.close(code)
    except Exception:
        logger.exception("The connection could not be closed")


async def _say_goodbye(websocket: WebSocket) -> None:
    """Close the connection of a cancelled handler; its clean-ups don't keep the client waiting."""
    with anyio.move_on_after(GOODBYE_S, shield=True):
        await _end(websocket, 1001)


def _alone(error: Exception) -> Exception:
    """Take the one exception out of a group of one, as a task group makes it."""
    grouped: Sequence[BaseException] = getattr(error, "exceptions", ())
    return _alone(grouped[0]) if len(grouped) == 1 and isinstance(grouped[0], Exception) else error


def _has_left(websocket: WebSocket, error: Exception) -> bool:
    """Tell whether an error says no more than that the client has left, a group of such errors too."""
    if websocket.client_state is not DISCONNECTED:
        return False
    if isinstance(error, WebSocketDisconnect):
        return True
    split = getattr(error, "split", None)  # ExceptionGroup, which Python 3.10 doesn't know by name
    return split is not None and split(WebSocketDisconnect)[1] is None
