"""Rooms under all that goes wrong: three processes, 300 members, 100,000 messages (`make rooms`).

Redis is killed and started again, processes are killed, members stop reading, and all come back at once. A member that
loses its connection comes back with the id of the last message that it had, to any process. In the end each member has
to have had each message of its room once, in the order of their numbers, which have no gaps: and those that were
acknowledged to their senders have to be among them.
"""

import asyncio
import json
import logging
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a program, it stands on what the tests stand on

from redis_server import RedisServer, redis_server
from server import connect, free_port, in_process
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from reference_ws import EngineError, Rooms

SERVER = Path(__file__).with_name("rooms_server.py")
PADDING = "." * 1000


@dataclass
class Soak:
    """So much of everything; the counters are what it has come to."""

    members: int = 300
    messages: int = 100_000
    """So many are taken at least; what was sent while Redis was away comes on top."""
    rooms: int = 30
    processes: int = 3
    rounds: int = 4
    """How often each thing goes wrong."""
    stop_s: float = 10
    """How long those who stop reading don't."""
    say: Callable[[str], object] = print
    told: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    taken: dict[str, dict[int, str]] = field(default_factory=dict)
    """Room -> a message's number -> what its sender was told that it is."""
    ports: list[int] = field(default_factory=list)
    people: "list[Member]" = field(default_factory=list)

    def result(self) -> dict[str, int]:
        """Compare what members had with what was taken, and with each other."""
        counts = Counter(lost=0, doubled=0, out_of_order=0)
        for room, taken in self.taken.items():
            people = [member for member in self.people if member.room == room]
            everything = dict(pair for member in people for pair in member.had) | taken
            ends = min(number for number, text in everything.items() if text == "end")
            for member in people:
                numbers = [number for number, _ in member.had]
                had = dict(member.had)
                counts["lost"] += sum(had.get(number) != everything.get(number, "?") for number in range(1, ends + 1))
                counts["doubled"] += len(numbers) - len(had)
                counts["doubled"] += len(had) - len(set(had.values()))  # one that was sent twice has two numbers
                counts["out_of_order"] += sum(after < before for before, after in pairwise(numbers))
        return dict(counts)

    async def run(self, folder: Path) -> dict[str, int]:
        with redis_server(folder) as redis, ExitStack() as stack:
            self.ports = [free_port() for _ in range(self.processes)]
            servers = [self._serve(stack, redis.url, port) for port in self.ports]
            self.taken = {f"room {number}": {} for number in range(self.rooms)}
            self.people = [Member(self, f"room {number % self.rooms}", number) for number in range(self.members)]
            tasks = [asyncio.create_task(member.run()) for member in self.people]
            progress = asyncio.create_task(self._progress())
            try:
                await self._harm(redis, stack, servers, tasks)
                while self.told["taken"] < self.messages:
                    await _sleep(0.05, tasks)
                async with Rooms(redis.url, history=100_000, id_key="id") as rooms:
                    for name in self.taken:
                        await _at_last(rooms.send_json, name, {"text": "end"})
                await asyncio.gather(*tasks)
            finally:
                for task in [*tasks, progress]:
                    task.cancel()
                await asyncio.gather(*tasks, progress, return_exceptions=True)
        return self.result()

    def _serve(self, stack: ExitStack, url: str, port: int):
        return stack.enter_context(in_process(sys.executable, SERVER, url, port, port=port, stdout=None, stderr=None))

    async def _harm(self, redis: RedisServer, stack: ExitStack, servers: list, tasks: list) -> None:
        """Spread what goes wrong over the messages, in another order each round."""
        in_thread = asyncio.get_running_loop().run_in_executor

        async def kill_redis() -> None:
            await in_thread(None, redis.kill)
            await asyncio.sleep(random.random())
            await in_thread(None, redis.start)

        async def kill_process() -> None:
            number = random.randrange(self.processes)
            servers[number].process.kill()
            await in_thread(None, servers[number].process.wait)
            servers[number] = await in_thread(None, self._serve, stack, redis.url, self.ports[number])

        async def stop_reading() -> None:
            for member in random.sample(self.people, max(1, self.members // 20)):
                member.stopped = True

        async def come_back_at_once() -> None:
            for member in self.people:
                if member.connection is not None:
                    member.connection.transport.abort()

        harms = [kill_redis, kill_process, stop_reading, come_back_at_once]
        steps = [harm for _ in range(self.rounds) for harm in random.sample(harms, len(harms))]
        for number, harm in enumerate(steps, 1):
            while self.told["taken"] < self.messages * number / (len(steps) + 1):
                await _sleep(0.02, tasks)
            self.told[harm.__name__.replace("_", " ")] += 1
            await harm()

    async def _progress(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(10)
            had = sum(len(member.had) for member in self.people)
            self.say(f"{time.monotonic() - began:5.0f} s: {self.sent:,} sent, {had:,} received; {_list(self.told)}")


@dataclass
class Member:
    """One who talks in a room, and comes back whenever the connection is lost."""

    soak: Soak
    room: str
    number: int
    had: list[tuple[int, str]] = field(default_factory=list)
    last: str = "0-0"
    connection: ClientConnection | None = None
    stopped: bool = False

    async def run(self) -> None:
        pause_s = 0.02
        while not self.had or self.had[-1][1] != "end":
            try:
                port, room = random.choice(self.soak.ports), self.room.replace(" ", "%20")
                async with connect(
                    f"ws://127.0.0.1:{port}/{room}?after={self.last}",
                    compression=None,
                    max_queue=4,
                    close_timeout=0.1,
                ) as self.connection:
                    self.soak.told["connections"] += 1
                    known = len(self.had)
                    await self._talk(self.connection)
                    pause_s = 0.02 if len(self.had) > known else pause_s
            except ConnectionClosed as error:
                self.soak.told[f"closed: {error.rcvd.code} {error.rcvd.reason}" if error.rcvd else "lost"] += 1
            except (OSError, InvalidHandshake, InvalidMessage):
                self.soak.told["refused"] += 1
            await asyncio.sleep(random.random() * pause_s)
            pause_s = min(2 * pause_s, 1)

    async def _talk(self, connection: ClientConnection) -> None:
        soak = self.soak
        small = connection.transport.get_extra_info("socket")
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        waiting = None
        while True:
            if self.stopped:
                self.stopped = False
                await asyncio.sleep(soak.stop_s)
            if waiting is None and soak.told["taken"] < soak.messages and self.number < soak.rooms * 4:
                waiting = f"{soak.sent} {PADDING}"
                soak.sent += 1
                await connection.send(waiting)
            text = await connection.recv()
            kind, _, rest = text.partition(" ")
            if text.startswith('{"id"'):
                message = json.loads(text)
                self.last = message["id"]
                self.had.append((int(self.last.partition("-")[2]), message["text"]))
                if message["text"] == "end":
                    return
            elif kind == "taken":
                id_, _, sent = rest.partition(" ")
                soak.taken[self.room][int(id_.partition("-")[2])] = sent
                soak.told["taken"] += 1
                waiting = None
            else:
                soak.told[kind if kind == "unknown" else text] += 1
                waiting = None
                await asyncio.sleep(0.05)  # Redis is away: who went on at once would be told so thousands of times


async def _sleep(seconds: float, tasks: list) -> None:
    """Sleep, but for a task that has failed: then there is nothing to wait for."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _at_last(send: Callable, *arguments: object) -> None:
    while True:
        with suppress(EngineError):
            return await send(*arguments)
        await asyncio.sleep(0.1)


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))


async def main() -> int:
    for number in signal.SIGINT, signal.SIGTERM:  # the processes that it has started end with it
        asyncio.get_running_loop().add_signal_handler(number, asyncio.current_task().cancel)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each connection that was cut under a send
    soak = Soak(messages=int(sys.argv[1]) if sys.argv[1:] else Soak.messages)
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        result = await soak.run(Path(folder))
    had = sum(len(member.had) for member in soak.people)
    print(f"{time.monotonic() - began:.0f} s: {soak.sent:,} messages sent, {had:,} received by {soak.members} members.")
    print(f"What happened, and what they were told: {_list(soak.told)}.")
    print(", ".join(f"{what.replace('_', ' ')}: {count}" for what, count in result.items()))
    return int(any(result.values()))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
