"""Who answers an exception: whoever stands nearest to the handler and wants to, and the outermost application last."""

import logging

import anyio
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from reference_ws import (
    App,
    CloseError,
    ParameterError,
    Router,
    SocketRoute,
    SocketView,
    UnwantedMessageError,
    WebSocket,
    WebSocketDataError,
    WebSocketException,
    WebSocketJSONError,
    WebSocketTypeError,
    websocket,
)
from reference_ws.testing import InMemoryConnection, handshake
from reference_ws.transcript import check

pytestmark = pytest.mark.anyio


class MineError(Exception):
    pass


async def fails(ws: WebSocket):
    await ws.accept()
    raise MineError


async def refuses(ws: WebSocket):
    raise MineError


async def takes(ws: WebSocket, n: int):
    await ws.accept()


async def on_mine(ws, error):
    await ws.send_text("sorry")
    await ws.close(4000, "mine")


async def plays(app, text):
    await check(app, text)


def inner(*, handler=fails, **options):
    return App(routes=[SocketRoute("/ws", handler)], **options)


# --- an application around an application -----------------------------------------------------------------------------


async def test_the_outer_applications_handler_answers_with_the_connection_itself():
    outer = App(routes=[Mount("/in", inner())], exception_handlers={MineError: on_mine})
    await plays(outer, '-> connect /in/ws\n<- accept\n<- text "sorry"\n<- close 4000 "mine"')


async def test_the_inner_applications_handler_answers_first():
    async def on_inner(ws, error):
        await ws.close(4001)

    app = inner(exception_handlers={MineError: on_inner})
    outer = App(routes=[Mount("/in", app)], exception_handlers={MineError: on_mine})
    await plays(outer, "-> connect /in/ws\n<- accept\n<- close 4001")


async def test_a_handler_that_closes_nothing_has_answered_all_the_same():
    async def nothing(ws, error): ...

    outer = App(routes=[Mount("/in", inner())], exception_handlers={MineError: nothing})
    await plays(outer, "-> connect /in/ws\n<- accept\n<- close 1000")


async def test_a_response_of_the_outer_handler_refuses():
    async def deny(ws, error):
        return PlainTextResponse("no", 418)

    outer = App(routes=[Mount("/in", inner(handler=refuses))], exception_handlers={MineError: deny})
    await plays(outer, '-> connect /in/ws\n<- deny 418 text "no"')


async def test_parameter_errors_are_answered_outside_too():
    async def deny(ws, error):
        return PlainTextResponse("no", 400)

    outer = App(routes=[Mount("/in", inner(handler=takes))], exception_handlers={ParameterError: deny})
    await plays(outer, '-> connect /in/ws\n<- deny 400 text "no"')


async def test_starlette_around_an_app_answers_first():
    async def closes(ws, error):
        await ws.close(4000)

    outer = Starlette(routes=[Mount("/in", inner())], exception_handlers={MineError: closes})
    await plays(outer, "-> connect /in/ws\n<- accept\n<- close 4000")


async def test_what_nobody_answers_is_ended_once_by_the_outermost():
    outer = App(routes=[Mount("/in", inner())])
    await plays(outer, "-> connect /in/ws\n<- accept\n<- close 1011\n!! MineError")
    outer = App(routes=[Mount("/in", inner(handler=refuses))])
    await plays(outer, '-> connect /in/ws\n<- deny 500 text "Internal Server Error"\n!! MineError')


# --- middleware -------------------------------------------------------------------------------------------------------


class Turns:
    """Makes a close of an exception, as ASGI middleware does it."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        try:
            await self.app(dict(scope), receive, send)  # some middleware hands on a copy
        except MineError:
            await send({"type": "websocket.close", "code": 4002, "reason": ""})


async def test_a_middleware_turns_an_exception_into_a_close():
    for app in (
        inner(middleware=[Middleware(Turns)]),
        App(routes=[Mount("/", inner(), middleware=[Middleware(Turns)])]),
        App(routes=[SocketRoute("/ws", fails, middleware=[Middleware(Turns)])]),
    ):
        await plays(app, "-> connect /ws\n<- accept\n<- close 4002")


async def test_a_failing_middleware_is_left_to_the_server():
    class Broken(Turns):
        async def __call__(self, scope, receive, send):
            if scope["type"] == "websocket":
                raise MineError

    await plays(inner(middleware=[Middleware(Broken)]), "-> connect /ws\n!! MineError")


async def test_a_handler_answers_what_fails_before_any_connection_of_ours_is_there():
    async def broken(scope, receive, send):
        raise MineError

    async def closes(ws, error):
        await ws.close(4000)

    class Raises:
        def __init__(self, app): ...

        __call__ = staticmethod(broken)

    app = App(exception_handlers={MineError: closes})
    app.router = Router(middleware=[Middleware(Raises)])
    await plays(app, "-> connect /ws\n<- deny 403")
    outer = App(routes=[Mount("/in", broken)], exception_handlers={MineError: closes})
    await plays(outer, "-> connect /in/ws\n<- deny 403")


# --- exception_handlers={Exception: ...} ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [Exception, 500])
async def test_a_handler_for_everything_is_called_and_the_exception_goes_on(key):
    await plays(
        inner(exception_handlers={key: on_mine}),
        '-> connect /ws\n<- accept\n<- text "sorry"\n<- close 4000 "mine"\n!! MineError',
    )


async def test_a_handler_for_everything_that_fails_does_not_keep_the_connection_open():
    async def breaks(ws, error):
        raise LookupError

    await plays(
        inner(exception_handlers={Exception: breaks}), "-> connect /ws\n<- accept\n<- close 1011\n!! LookupError"
    )


async def test_what_is_an_answer_to_the_client_is_nothing_for_a_handler_for_everything():
    async def never(ws, error):
        raise AssertionError

    app = inner(handler=takes, exception_handlers={Exception: never})
    fault = '{"name": "n", "in": "query", "given": null, "expected": "int"}'
    await plays(app, f'-> connect /ws\n<- deny 422 json {{"errors": [{fault}]}}')


async def test_the_context_variable_works_in_outer_handlers_too():
    async def closes(ws, error):
        await websocket.close(4003)

    for key, log in ((MineError, ""), (Exception, "\n!! MineError")):
        outer = App(routes=[Mount("/in", inner())], exception_handlers={key: closes})
        await plays(outer, f"-> connect /in/ws\n<- accept\n<- close 4003{log}")


# --- what the client sends wrongly ------------------------------------------------------------------------------------


async def reads_json(ws: WebSocket):
    await ws.accept()
    async for _ in ws.iter_json(type=int):
        pass


async def reads_text(ws: WebSocket):
    await ws.accept()
    await ws.receive_text()


class View(SocketView):
    async def on_receive(self, data: int): ...


@pytest.mark.parametrize("handler", [reads_json, View])
@pytest.mark.parametrize("frame", ['text "not json"', 'text "\\"one\\""', "bytes ff"])
async def test_the_clients_fault_closes_with_1003_and_is_one_line(handler, frame, caplog):
    with caplog.at_level(logging.INFO, "reference_ws"):
        await plays(inner(handler=handler), f"-> connect /ws\n<- accept\n-> {frame}\n<- close 1003")
    assert [("INFO", None)] == [(record.levelname, record.exc_info) for record in caplog.records]


async def test_the_line_does_not_claim_a_code_that_the_handler_has_not_sent(caplog):
    async def handler(ws: WebSocket):
        try:
            await reads_json(ws)
        finally:
            await ws.close(1000)

    with caplog.at_level(logging.INFO, "reference_ws"):
        await plays(inner(handler=handler), '-> connect /ws\n<- accept\n-> text "a"\n<- close 1000')
    assert ["/ws: closed already: "] == [record.getMessage()[:21] for record in caplog.records]


async def test_a_frame_of_the_other_kind_closes_with_1003():
    await plays(inner(handler=reads_text), "-> connect /ws\n<- accept\n-> bytes ff\n<- close 1003")


async def test_it_is_caught_by_one_name_and_the_same_iterator_goes_on():
    caught = []

    async def handler(ws: WebSocket):
        await ws.accept()
        frames = ws.iter_json("text", type=int)
        while True:
            try:
                async for number in frames:
                    await ws.send_json(number)
                return
            except UnwantedMessageError as error:  # noqa: PERF203
                caught.append(type(error))

    frames = '-> text "1"\n<- json 1\n-> text "{"\n-> text "[]"\n-> bytes 31\n-> text "2"\n<- json 2\n-> close 1000'
    await plays(inner(handler=handler), f"-> connect /ws\n<- accept\n{frames}")
    assert [WebSocketJSONError, WebSocketTypeError, WebSocketDataError] == caught


async def test_an_exception_handler_takes_it():
    async def closes(ws, error):
        await ws.close(4004)

    app = inner(handler=reads_json, exception_handlers={UnwantedMessageError: closes})
    await plays(app, '-> connect /ws\n<- accept\n-> text "{"\n<- close 4004')


@pytest.mark.parametrize("key", [MineError, Exception])
async def test_a_cancellation_while_somebody_answers_says_goodbye(key):
    async def waits(ws, error):
        await anyio.sleep_forever()

    outer = App(routes=[Mount("/in", inner())], exception_handlers={key: waits})
    async with anyio.create_task_group() as tasks:
        connection = InMemoryConnection(handshake("/in/ws"))
        tasks.start_soon(connection.run, outer)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert "websocket.accept" == connection.take()["type"]
    assert 1001 == connection.take()["code"]
    assert not isinstance(connection.error, Exception)


@pytest.mark.parametrize("alone", [False, True])
async def test_a_cancellation_while_the_answer_is_on_its_way_goes_on(alone):
    ended = []

    async def receive():
        return {"type": "websocket.connect"}

    async def run():
        try:
            app = SocketRoute("/ws", refuses) if alone else inner(handler=refuses)
            await app(handshake("/ws"), receive, lambda _: anyio.sleep_forever())
        except BaseException as error:
            ended.append(error)
            raise

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert [anyio.get_cancelled_exc_class()] == [type(error) for error in ended]


@pytest.mark.parametrize("alone", [False, True])
async def test_an_http_exception_refuses_also_without_an_application_or_from_an_exception_handler(alone):
    async def early(ws: WebSocket):
        if alone:
            raise HTTPException(418, "tea", {"x-pot": "small"})
        raise MineError

    async def on_error(ws, error):
        raise HTTPException(418, "tea", {"x-pot": "small"})

    everything = []
    if alone:
        app = SocketRoute("/ws", early)
    else:
        handlers = {MineError: on_error, Exception: lambda ws, error: everything.append(error)}
        app = inner(handler=early, exception_handlers=handlers)
    await plays(app, '-> connect /ws\n<- deny 418 text "tea"\n    x-pot: small')
    await check(app, "-> connect /ws\n<- deny 403", denial=False)
    assert not everything


@pytest.mark.parametrize("alone", [False, True])
async def test_an_exception_that_asks_for_a_close_that_can_not_be_is_told_with_what_is_wrong_in_it(alone):
    async def early(ws: WebSocket):
        await ws.accept()
        raise WebSocketException(9999)

    app = SocketRoute("/ws", early) if alone else inner(handler=early)
    connection = InMemoryConnection(handshake("/ws"))
    await connection.run(app)
    assert isinstance(connection.error, CloseError)
    assert isinstance(connection.error.__context__, WebSocketException)
    assert ["websocket.accept", 1011] == [connection.take()["type"], connection.take()["code"]]


# --- exception handlers that fail -------------------------------------------------------------------------------------


async def test_the_error_of_an_exception_handler_takes_the_place_of_what_it_was_for():
    async def on_error(ws, error):
        raise KeyError("other")

    app = inner(exception_handlers={MineError: on_error})
    await plays(app, '-> connect /ws\n<- accept\n<- close 1011\n!! KeyError "other"')


async def test_what_a_task_group_wraps_is_answered_as_if_it_were_alone():
    async def grouped(ws: WebSocket):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails, ws)

    app = inner(handler=grouped, exception_handlers={MineError: on_mine})
    await plays(app, '-> connect /ws\n<- accept\n<- text "sorry"\n<- close 4000 "mine"')


async def test_an_exception_whose_answer_is_cancelled_is_logged(caplog):
    asked = anyio.Event()

    async def never_answers(ws, error):
        asked.set()
        await anyio.sleep_forever()

    app = inner(exception_handlers={MineError: never_answers})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(InMemoryConnection(handshake("/ws")).run, app)
        await asked.wait()
        tasks.cancel_scope.cancel()

    logged = [(record.getMessage(), record.exc_info[0]) for record in caplog.records if record.exc_info]
    assert [("The handler had failed before it was cancelled", MineError)] == logged
