import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest
from lab_loop import on_lab_loop

from reference_ws.guide.lab.clock import CLOCK, Clock

#: Long enough that even a busy machine stops the clock before a wait is over.
SPAN_S = 0.5


def started(clock: Clock, function: Callable[[], Awaitable[object]]) -> "asyncio.Task[object]":
    """Start a task that sees this clock."""
    token = CLOCK.set(clock)
    try:
        return asyncio.ensure_future(function())
    finally:
        CLOCK.reset(token)


async def call_later() -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(SPAN_S, done.set)
    await done.wait()


async def wait_in_vain() -> None:
    with anyio.move_on_after(SPAN_S):
        await anyio.sleep_forever()


async def time_out() -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(anyio.sleep_forever(), SPAN_S)


async def in_a_task_of_its_own() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, SPAN_S)


WAITS = [
    lambda: asyncio.sleep(SPAN_S),
    lambda: anyio.sleep(SPAN_S),
    call_later,
    wait_in_vain,
    time_out,
    in_a_task_of_its_own,
]


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_ends_only_while_the_clock_runs(wait):
    async def main() -> None:
        clock = Clock()
        began = clock.time()
        task = started(clock, wait)
        await asyncio.sleep(0)
        clock.stop()
        before = clock.time()
        await asyncio.sleep(SPAN_S + 0.1)
        assert (False, before) == (task.done(), clock.time())
        clock.go_on()
        await asyncio.wait_for(task, 60)
        assert clock.time() - began >= SPAN_S - 0.001

    on_lab_loop(main())


def test_what_begins_while_the_clock_stands_still_waits_for_it():
    async def main() -> None:
        clock = Clock()
        clock.stop()
        task = started(clock, lambda: anyio.sleep(0.01))
        await asyncio.sleep(0.05)
        assert not task.done()
        clock.go_on()
        await asyncio.wait_for(task, 60)

    on_lab_loop(main())


def test_what_is_called_off_is_not_called():
    async def main() -> None:
        clock, called = Clock(), []
        token = CLOCK.set(clock)
        timers = [asyncio.get_running_loop().call_later(0.01, called.append, number) for number in range(3)]
        CLOCK.reset(token)
        timers[0].cancel()
        clock.stop()
        timers[1].cancel()
        clock.go_on()
        await asyncio.sleep(0.05)
        assert [2] == called
        assert [True, True, False] == [timer.cancelled() for timer in timers]
        timers[2].cancel()  # too late, and no harm

    on_lab_loop(main())


def test_other_tasks_have_the_time_of_the_event_loop():
    async def main() -> None:
        clock = Clock()
        clock.stop()
        await asyncio.wait_for(asyncio.sleep(0.01), 1)
        loop = asyncio.get_running_loop()
        assert loop.time() > clock.time()
        assert loop.time() == pytest.approx(loop.real_time(), abs=0.01)

    on_lab_loop(main())


def test_two_clocks_stand_still_by_themselves():
    async def main() -> None:
        first, second = Clock(), Clock()
        tasks = [started(clock, lambda: anyio.sleep(0.02)) for clock in (first, second)]
        first.stop()
        await asyncio.sleep(0.06)
        assert [False, True] == [task.done() for task in tasks]
        first.go_on()
        await asyncio.wait_for(tasks[0], 1)

    on_lab_loop(main())


def test_a_clock_can_not_be_stopped_on_another_event_loop():
    async def main() -> None:
        clock = Clock()
        clock.stop()
        await asyncio.wait_for(started(clock, lambda: anyio.sleep(0.01)), 1)
        clock.go_on()

    asyncio.run(main())
