"""The event loop whose time is held: it moves at once, waits for threads only, and sees a deadlock."""

import asyncio
import threading
import time
from pathlib import Path

import anyio
import pytest

from reference_ws import App
from reference_ws.testing import DeadlockError, HeldTimeLoop, connect, run_in_held_time
from reference_ws.transcript import TranscriptFailure, check

pytest_plugins = ["pytester"]

HOUR = 3600
app = App()


@app.websocket("/patient")
async def patient(websocket):
    await websocket.accept()
    for _ in range(3):
        await anyio.sleep(HOUR)
        await websocket.send_text("an hour later")
    await websocket.receive()


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("sleep", [asyncio.sleep, anyio.sleep])
def test_the_time_moves_to_the_next_timer(sleep):
    async def main():
        await asyncio.gather(nap(2), nap(1), nap(1e9))

    async def nap(seconds):
        await sleep(seconds)
        seen.append(now())

    seen = []
    run_in_held_time(main())
    assert [1, 2, 1e9] == seen


def test_a_timeout_comes_at_its_time():
    async def main():
        with anyio.move_on_after(HOUR) as scope:
            await anyio.sleep_forever()
        assert (True, HOUR) == (scope.cancelled_caught, now())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), HOUR)
        assert 2 * HOUR == now()

    run_in_held_time(main())


def test_what_is_ready_runs_before_the_time_moves():
    async def main():
        asyncio.get_running_loop().call_later(1e-6, stopped.append, True)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert ([], 0) == (stopped, now())

    stopped = []
    run_in_held_time(main())


@pytest.mark.parametrize(
    "in_thread",
    [
        asyncio.to_thread,
        anyio.to_thread.run_sync,
        lambda function: asyncio.get_running_loop().run_in_executor(None, function),
    ],
    ids=["asyncio", "anyio", "executor"],
)
def test_a_thread_is_really_waited_for(in_thread):
    async def main():
        loop = asyncio.get_running_loop()
        come = asyncio.Event()

        def work():
            began.wait(60)
            loop.call_soon_threadsafe(come.set)
            come_here.wait(60)
            return threading.get_ident()

        async def goes_on():
            await come.wait()
            come_here.set()

        loop.call_soon(began.set)
        task = asyncio.create_task(goes_on())
        with anyio.fail_after(1e-6):
            assert threading.get_ident() != await in_thread(work)
        await task
        assert 0 == now()
        with anyio.move_on_after(1) as scope:  # the idle worker does not hold the time
            await anyio.sleep_forever()
        assert scope.cancelled_caught

    began, come_here = threading.Event(), threading.Event()
    run_in_held_time(main())


def test_a_thread_that_never_ends_is_told(monkeypatch):
    monkeypatch.setattr("reference_ws.testing.held_time.PATIENCE_S", 0.01)
    release = threading.Event()

    async def main():
        try:
            await asyncio.to_thread(release.wait)
        finally:
            release.set()

    with pytest.raises(DeadlockError, match=r"a thread has brought nothing for 0.01 s(?s:.*)to_thread\(release.wait\)"):
        run_in_held_time(main())


def test_a_deadlock_fails_at_once_and_says_where_everybody_waits(caplog):
    async def other():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("other")

    @app.websocket("/deaf")
    async def deaf(websocket):
        await websocket.accept()
        await anyio.sleep_forever()

    async def asks_the_deaf():
        running.append(asyncio.create_task(other(), name="other"))  # else it may be collected before its time
        async with connect(app, "/deaf", timeout_s=float("inf")) as client:
            await client.receive_text()

    ended, running = [], []
    with pytest.raises(DeadlockError) as failure:
        run_in_held_time(asks_the_deaf())
    told = str(failure.value)
    assert "test_testing_time.py" in told
    assert "in deaf: await anyio.sleep_forever()" in told
    assert "in asks_the_deaf: await client.receive_text()" in told
    assert "other waits at" in told
    assert ["other"] == ended
    (record,) = caplog.records
    assert record.message.startswith("a task that was cut off has ended by an exception\ntask: ")


def test_what_is_outside_the_program_is_refused():
    async def main():
        loop = asyncio.get_running_loop()
        for refused in (
            lambda: asyncio.open_connection("127.0.0.1", 9),
            lambda: asyncio.start_server(print, "127.0.0.1", 0),
            lambda: asyncio.create_subprocess_exec("true"),
            lambda: loop.getaddrinfo("localhost", 80),
            lambda: loop.add_signal_handler(15, print),
            lambda: loop.add_reader(0, print),
        ):
            with pytest.raises(NotImplementedError, match="reaches nothing outside"):
                await refused()

    run_in_held_time(main())


def test_run_until_idle_returns_to_its_caller_between_two_timers():
    async def ticks():
        while True:
            seen.append(now())
            await asyncio.sleep(10)

    seen = []
    loop = HeldTimeLoop()
    task = loop.create_task(ticks())
    loop.run_until_idle()
    assert ([0], 0) == (seen, loop.time())
    loop.run_until_idle(25)
    assert ([0, 10, 20], 25) == (seen, loop.time())
    loop.run_until_idle(5)
    assert ([0, 10, 20, 30], 30) == (seen, loop.time())
    loop.close()
    assert task.cancelled()
    loop.close()


def test_it_runs_inside_a_running_loop_which_goes_on_afterwards():
    async def inner():
        await asyncio.sleep(HOUR)
        return asyncio.current_task()

    async def main():
        before = asyncio.current_task()
        assert before is not run_in_held_time(inner())
        with pytest.raises(ValueError, match="inside"):
            run_in_held_time(raises())
        assert before is asyncio.current_task()
        await asyncio.sleep(0.001)

    async def raises():
        raise ValueError("inside")

    asyncio.run(main())


def test_a_held_loop_that_runs_cannot_be_run_again():
    async def main():
        again = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already running"):
            asyncio.get_running_loop().run_until_complete(again)
        again.close()

    run_in_held_time(main())


def test_in_trio_the_way_to_hold_time_is_told():
    async def main():
        coroutine = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="MockClock"):
            run_in_held_time(coroutine)
        coroutine.close()

    anyio.run(main, backend="trio")


@pytest.mark.parametrize("run", [asyncio.run, run_in_held_time])
def test_check_plays_in_held_time(run):
    text = '-> connect /patient\n<- accept\n.. 3500000ms\n<- text "an hour later"\n<- text "an hour later"'
    began = time.monotonic()
    run(check(app, text + '\n<- text "an hour later"', timeout_s=2 * HOUR, held_time=True))
    with pytest.raises(TranscriptFailure, match=r"nothing within 3 s\)\nthe application waits at .* in patient"):
        run(check(app, "-> connect /patient\n<- accept\n<- text ...", timeout_s=3, held_time=True))
    assert time.monotonic() - began < HOUR  # three of them have passed inside


def test_check_in_held_time_reaches_no_server():
    with pytest.raises(ValueError, match="over a socket"):
        asyncio.run(check("ws://127.0.0.1:9", "-> connect /\n<- accept", held_time=True))


def test_the_plugin_gives_marked_tests_the_loop(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those that are no part of this take as long as the rest
    pytester.makeconftest('pytest_plugins = ["reference_ws.testing.plugin"]')
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        async def began():
            return asyncio.get_running_loop().time()

        @pytest.mark.held_time
        async def test_patience(began):
            await asyncio.sleep(1e9)
            assert began + 1e9 == asyncio.get_running_loop().time()

        @pytest.mark.held_time
        async def test_deadlock():
            await asyncio.Event().wait()

        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        async def test_real(anyio_backend):
            assert "HeldTimeLoop" != type(asyncio.get_running_loop()).__name__

        def test_plain():
            pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "anyio", "-p", "no:cacheprovider", "--strict-markers")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*DeadlockError: nothing can happen any more*", "*in test_deadlock: *Event().wait()*"])
