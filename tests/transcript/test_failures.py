"""What a failing transcript tells of the application behind it, and of the test that has played it."""

import inspect

import anyio
import pytest
from starlette.endpoints import WebSocketEndpoint

from reference_ws import App, WebSocket
from reference_ws.testing import connect
from reference_ws.transcript import TranscriptError, TranscriptFailure, check, parse, play

pytestmark = pytest.mark.anyio

app = App()


@app.router.websocket("/divide")
async def divide(websocket: WebSocket):
    await websocket.accept()
    async for number in websocket.iter_json():
        await websocket.send_json(1 / number)


@app.router.websocket("/refuses")
async def refuses(websocket: WebSocket):
    raise LookupError("nobody\nis here")


@app.router.websocket("/several")
async def several(websocket: WebSocket):
    async def fail(text):
        raise ValueError(text)

    await websocket.accept()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail, "one")
        tasks.start_soon(fail, "two")


def line_of(text, function):
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


async def failure_of(text, **options):
    with pytest.raises(TranscriptFailure) as failed:
        await check(app, text, file="x.ws", **options)
    return failed.value


async def test_the_exception_behind_a_close_is_told_under_the_difference():
    failure = await failure_of("-> connect /divide\n<- accept\n-> json 0\n<- json 1")
    assert [
        "  - <- json 1",
        "  + <- close 1011",
        "the application raised ZeroDivisionError: division by zero",
        f"  at {__file__}:{line_of('1 / number', divide)} in divide: await websocket.send_json(1 / number)",
    ] == str(failure).splitlines()[4:]
    assert isinstance(failure.__cause__, ZeroDivisionError)
    assert failure.report.cause is failure.__cause__


async def test_the_exception_behind_a_refusal():
    failure = await failure_of("-> connect /refuses\n<- accept")
    assert "the application raised LookupError: nobody\nis here\n  at " in str(failure)
    assert isinstance(failure.__cause__, LookupError)


async def test_the_exception_behind_a_message_that_does_not_come_though_it_is_another_clients():
    failure = await failure_of(
        "a -> connect /divide\na <- accept\nb -> connect /divide\nb <- accept\na -> json 0\nb <- json 1", timeout_s=0.1
    )
    assert "  + (nothing within 0.1 s)\nthe application waits at" in str(failure)
    assert isinstance(failure.__cause__, ZeroDivisionError)


async def test_the_exception_that_another_line_expects_is_none_behind_a_difference():
    failure = await failure_of(
        "a -> connect /divide\na <- accept\na -> json 0\na <- close 1011\na !! ZeroDivisionError\n"
        "b -> connect /divide\nb <- accept\nb -> json 1\nb <- json 2"
    )
    assert '  + b <- text "1.0"' == str(failure).splitlines()[-1]
    assert failure.__cause__ is None


async def test_the_place_of_an_exception_that_differs_from_the_expected_one():
    failure = await failure_of("-> connect /divide\n<- accept\n-> json 0\n<- close 1011\n!! ValueError")
    assert f":{line_of('1 / number', divide)} in divide" in str(failure)


async def test_all_exceptions_of_a_group():
    failure = await failure_of("-> connect /several\n<- accept\n<- close 1000")
    assert 1 == str(failure).count("the application raised ValueError: one\n")
    assert 1 == str(failure).count("the application raised ValueError: two\n")


async def test_without_a_difference_or_without_an_exception_there_is_no_cause():
    assert (await play(app, parse("-> connect /divide\n<- accept"))).cause is None
    assert (await failure_of("-> connect /divide\n<- accept\n-> json 1\n<- json 2")).__cause__ is None


async def test_that_a_client_has_left_is_nothing_behind_a_difference():
    async def leaves(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise OSError("the client has left")

    with pytest.raises(TranscriptFailure) as failed:
        await check(
            leaves, "a -> connect /\na <- accept\na -> close\nb -> connect /\nb <- accept\nb <- close", timeout_s=0.1
        )
    assert failed.value.__cause__ is None


async def test_check_names_the_file_and_the_line_of_whoever_calls_it():
    with pytest.raises(TranscriptFailure) as failed:
        await check(
            app,
            """
            -> connect /divide
            <- accept
            -> json 1
            <- json "this is line three"
            """,
        )
    here = line_of("this is line three", test_check_names_the_file_and_the_line_of_whoever_calls_it)
    assert f"{__file__}:{here}: expected and got differ" == str(failed.value).splitlines()[0]


SAID_TWICE = """-> connect /divide
<- accept
<- close"""


async def test_a_text_that_stands_elsewhere_has_its_own_lines():
    with pytest.raises(TranscriptFailure) as failed:
        await check(app, SAID_TWICE, timeout_s=0.05)
    defined = inspect.getsource(inspect.getmodule(divide)).split("SAID_TWICE = ")[0].count("\n") + 1
    assert str(failed.value).startswith(f"{__file__}:{defined + 2}:")


async def test_of_two_places_with_the_same_text_the_nearer_one_is_named():
    with pytest.raises(TranscriptFailure) as failed:
        await check(
            app,
            """-> connect /divide
<- accept
<- close""",
            timeout_s=0.05,
        )
    here = line_of('""",', test_of_two_places_with_the_same_text_the_nearer_one_is_named)
    assert str(failed.value).startswith(f"{__file__}:{here}:")


async def test_a_text_that_stands_nowhere_as_it_is_has_the_line_of_the_call():
    with pytest.raises(TranscriptFailure) as failed:
        await check(app, "-> connect /divide?\n<- accept\n<- close", timeout_s=0.05)
    with pytest.raises(TranscriptError) as wrong:
        await check(app, "-> connect /divide\n<- acept")
    for error, line in ((failed, 3), (wrong, 2)):
        place = str(error.value).splitlines()[0]
        assert place.startswith(f"{__file__}:")
        assert f", <transcript>:{line}:" in place


async def test_the_caller_is_found_from_a_task_too():
    failures = []

    async def play_in_task():
        try:
            await check(app, "-> connect /nowhere\n" + "<- accept")
        except TranscriptFailure as failure:
            failures.append(str(failure))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play_in_task)
    assert failures[0].startswith(f"{__file__}:")


async def test_pytest_shows_the_test_and_nothing_of_the_player():
    with pytest.raises(TranscriptFailure) as failed:
        await check(app, "-> connect /divide\n<- deny 403")
    shown = [entry for entry in failed.traceback if not entry.ishidden(failed)]
    assert [__file__] == [str(entry.path) for entry in shown]


NOT_APPLICATIONS = [
    (None, "None is no ASGI application: it can't be called."),
    (lambda: app, "does not take scope, receive and send: is it a factory? Call it."),
    (App, "App is a class, no ASGI application: call it."),
]


@pytest.mark.parametrize(("wrong", "told"), NOT_APPLICATIONS)
async def test_what_is_no_application_is_told_in_one_line(wrong, told):
    with pytest.raises(TypeError) as failed:
        await check(wrong, "-> connect /\n<- accept")
    assert str(failed.value).endswith(told)
    assert "\n" not in str(failed.value)
    with pytest.raises(TypeError) as failed:
        async with connect(wrong, "/"):
            pass
    assert str(failed.value).endswith(told)


async def test_an_application_may_be_a_class_that_is_awaited():
    class Endpoint(WebSocketEndpoint):
        async def on_connect(self, websocket):
            await websocket.accept()

    await check(Endpoint, "-> connect /\n<- accept\n-> close")
