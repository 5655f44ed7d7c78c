"""Over sockets: each peer on uvicorn in a process of its own, all of them on one core, the client on another."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.client import Conversation, Rate, WrongAnswerError, connection_rate, echo_rate, idle
from benchmarks.results import Row
from benchmarks.scenarios import JSON, TEXT, Scenario

__all__ = ["Server", "measure", "running"]

CONNECTIONS = 64
IDLE = 2000
WARM_UP_S = 0.2
BEFORE_IDLE = 200
"""Connections that are open before the memory is looked at, so that what is made once is not counted."""


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    @property
    def resident_kib(self) -> int:
        """Its memory, as the kernel counts it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def cpu_s(self) -> float:
        """Tell the CPU time that it has used."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def running(peer: str, builder: str, core: int, *arguments: str) -> Iterator[Server]:
    """Serve a peer's application on a free port while the block runs. Raises `WrongAnswerError` if it doesn't start."""
    command = [sys.executable, "-m", "benchmarks.server", peer, builder, str(core), *arguments]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise WrongAnswerError("the server did not start")
            yield Server(process, int(line))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


async def resident_kib_each(server: Server, conversation: Conversation) -> float:
    """Tell how much memory the server needs for one more connection that is accepted and says nothing."""
    first = await idle(conversation, server.port, BEFORE_IDLE)
    before = server.resident_kib
    more = await idle(conversation, server.port, IDLE)
    grown = server.resident_kib - before
    for connection in (*first, *more):
        connection.leave()
    await asyncio.gather(*(connection.over for connection in (*first, *more)))
    return grown / IDLE


@dataclass
class Plan:
    """How long to measure."""

    rounds: int
    seconds: float
    memory_rounds: int


def measure(
    names: list[str],
    plan: Plan,
    run: Callable[[Any], Any] = asyncio.run,
    progress: Callable[[str], Any] = lambda _: None,
) -> list[Row]:
    """Measure the peers in turn, round after round; ``run`` runs a coroutine on the client's event loop.

    Needs two cores, and Linux. A peer whose server doesn't start, or answers wrongly, is out, and the row names it.
    """
    client_core, server_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {client_core})
    try:
        rows = [
            *_rates(TEXT, names, server_core, plan, run, progress),
            *_rates(JSON, names, server_core, plan, run, progress),
            _memory(names, server_core, plan, run, progress),
        ]
    finally:
        os.sched_setaffinity(0, {client_core, server_core})
    return sorted(rows, key=lambda row: ["text", "json", "connections", "memory"].index(row.id))


def _rates(
    scenario: Scenario,
    names: list[str],
    core: int,
    plan: Plan,
    run: Callable[[Any], Any],
    progress: Callable[[str], Any],
) -> list[Row]:
    """Measure echoes; and with the text echo's servers, connections too."""
    echo = Row(scenario.id, scenario.title, "messages/CPU s", target=">= 0.90")
    opening = Row("connections", "connections", "connections/CPU s", target=">= 0.90")
    rows = [echo, opening] if scenario is TEXT else [echo]
    seen: dict[tuple[str, str], list[Rate]] = {}
    for number in range(plan.rounds):
        for name in names:
            progress(f"{scenario.title} over sockets, round {number + 1} of {plan.rounds}: {name}")
            if any(name in row.out for row in rows):
                continue
            try:
                # A new process each time: where its memory happens to lie makes it faster or slower by several percent.
                with running(name, scenario.builder, core) as server:
                    conversation = Conversation.of(server.port, scenario.sent)
                    for row in rows:
                        rate = run(_rate(row is opening, conversation, server, plan.seconds))
                        seen.setdefault((row.id, name), []).append(rate)
            except (WrongAnswerError, OSError, asyncio.TimeoutError) as error:
                for row in rows:
                    row.out[name] = f"{type(error).__name__}: {error}"[:200]
    for row in rows:
        for name in names:
            if name not in row.out:
                rates = seen[row.id, name]
                row.add(name, [rate.per_server_second for rate in rates])
                row.server_load[name] = statistics.median(rate.server_load for rate in rates)
                row.client_load[name] = max(rate.client_load for rate in rates)
    return rows


async def _rate(opening: bool, conversation: Conversation, server: Server, seconds: float) -> Rate:
    if not opening:
        return await echo_rate(conversation, server.port, CONNECTIONS, WARM_UP_S, seconds, server.cpu_s)
    await connection_rate(conversation, server.port, CONNECTIONS, WARM_UP_S, server.cpu_s)
    return await connection_rate(conversation, server.port, CONNECTIONS, seconds, server.cpu_s)


def _memory(names: list[str], core: int, plan: Plan, run: Callable[[Any], Any], progress: Callable[[str], Any]) -> Row:
    """Measure memory; a server that has served before has memory left over, so each round has new ones."""
    row = Row("memory", f"idle memory at {IDLE:,} connections", "KiB a connection", beyond_floor=True, target="<= 4.0")
    seen: dict[str, list[float]] = {}
    for number in range(plan.memory_rounds):
        for name in names:
            if name not in row.out:
                try:
                    with running(name, TEXT.builder, core) as server:
                        conversation = Conversation.of(server.port, TEXT.sent)
                        seen.setdefault(name, []).append(run(resident_kib_each(server, conversation)))
                except (WrongAnswerError, OSError, asyncio.TimeoutError) as error:
                    row.out[name] = f"{type(error).__name__}: {error}"[:200]
            progress(f"memory, round {number + 1} of {plan.memory_rounds}: {name}")
    for name, values in seen.items():
        if name not in row.out:
            row.add(name, values)
    return row
