"""Cancelled receives, sends at once and loops that only send, on every server: nothing is lost, nobody is kept out."""

import asyncio
import json
import random
from contextlib import suppress

import pytest
from server import WAIT_S
from test_faults_on_servers import open_client
from websockets.exceptions import ConnectionClosed

SEED = 11


@pytest.mark.parametrize("path", ["/impatient", "/guarded/impatient"])
def test_cancelled_receives_lose_nothing(server, full, number, path):
    connections, messages = (10, 5_000) if full else (4, 300)

    async def talk(seed: int) -> list[int]:
        pauses = random.Random(seed)
        async with open_client(server.url + path) as client:
            for n in range(messages):
                await client.send(str(n))
                if pauses.random() < 0.7:
                    await asyncio.sleep(pauses.choice([0, 0.0005, 0.001, 0.003]))
            await client.send("all sent")
            told = json.loads(await client.recv())
            await client.wait_closed()  # a close from both sides at once ends hypercorn's process on trio
            return told

    async def talk_all() -> list[list[int]]:
        return await asyncio.gather(*(talk(SEED + n) for n in range(connections)))

    everybody = asyncio.run(talk_all())
    came, misplaced, cut = map(sum, zip(*everybody, strict=True))
    number(
        f"{server.name} {path}: {came:,} of {connections * messages:,} messages came, {misplaced} in a wrong place, "
        f"{cut:,} receives were cancelled"
    )
    assert [(messages, 0)] * connections == [(each, wrong) for each, wrong, _ in everybody]
    assert cut > 0


def test_sends_at_once_arrive_in_the_order_in_which_they_began(server):
    count = 100

    async def read_slowly() -> tuple[list[int], list[int]]:
        async with open_client(f"{server.url}/together/{count}", max_queue=1) as client:
            client.transport.pause_reading()
            await asyncio.sleep(0.5)  # else no buffer is full yet, and the test is lenient
            client.transport.resume_reading()
            came = [int(await client.recv()) for _ in range(count)]
            began = json.loads(await client.recv())
            await client.send("read")
            await client.wait_closed()
            return began, came

    began, came = asyncio.run(asyncio.wait_for(read_slowly(), WAIT_S))
    assert sorted(began) == list(range(count))
    assert began == came


@pytest.mark.parametrize("how", ["alone", "watched"])
def test_who_only_sends_lets_others_run_and_notices_the_end(server, how):
    async def listen_and_talk() -> str:
        async with open_client(f"{server.url}/only-sends/{how}") as listener:

            async def listen() -> None:
                with suppress(ConnectionClosed):  # 4001 is an error to the iterator
                    while True:
                        await listener.recv()

            listening = asyncio.create_task(listen())
            async with open_client(f"{server.url}/echo") as other:
                await other.send("is anybody there?")
                answer = await asyncio.wait_for(other.recv(), WAIT_S)
            await listener.close(4001, "bored")
            await listening
        return answer

    assert "is anybody there?" == asyncio.run(listen_and_talk())
    [(_, code, _)] = server.records(f"/only-sends/{how}", 1, WAIT_S)
    assert code in (4001, 1006)  # a server that was writing when the close came may say that the client has vanished
    assert [] == server.complaints()
