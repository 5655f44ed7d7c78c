"""Many connections are held open while some talk: how long an answer takes, beside Starlette's in the same run."""

import asyncio
import resource
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import quantiles

from server import connect, in_process

ROUNDS = 3


async def held_open(stack: AsyncExitStack, url: str, count: int):
    at_once = asyncio.Semaphore(100)

    async def one():
        async with at_once:
            return await connect(url, compression=None)

    connections = await asyncio.gather(*(one() for _ in range(count)))
    for connection in connections:
        stack.callback(connection.transport.abort)
    return connections


async def talk(connection, messages: int) -> list[float]:
    took = []
    for number in range(messages):
        began = time.perf_counter()
        await connection.send(str(number))
        assert str(number) == await connection.recv()
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
    return took


def test_talkers_are_answered_while_many_are_silent(full, number):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    silent, talking, messages = (min(5000, hard - 500), 200, 20) if full else (100, 10, 5)

    async def measure(url: str) -> list[float]:
        async with AsyncExitStack() as stack:
            await held_open(stack, url, silent)
            talkers = await held_open(stack, url, talking)
            took = await asyncio.gather(*(talk(connection, messages) for connection in talkers))
        return [each for one in took for each in one]

    took = {"reference_ws": [], "starlette": []}
    for _ in range(ROUNDS if full else 1):
        for name, measured in took.items():
            with in_process(sys.executable, Path(__file__).with_name("load_server.py"), name) as server:
                measured += asyncio.run(measure(server.url))
    for name, measured in took.items():
        assert talking * messages * (ROUNDS if full else 1) == len(measured)
        percents = quantiles(measured, n=100)
        number(
            f"{silent:,} silent and {talking} talking connections, {name}: "
            f"p50 {percents[49] * 1000:.2f} ms, p99 {percents[98] * 1000:.2f} ms of {len(measured):,} answers"
        )
