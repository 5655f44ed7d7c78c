"""What a failing transcript tells of the application behind it, and of the test that has played it."""

import inspect

import anyio
import pytest

from reference_ws import App, WebSocket
from reference_ws.transcript import TranscriptFailure, check, parse, play

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
