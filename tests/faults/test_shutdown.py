"""SIGTERM while many connections are open: each is told, everything is cleaned up, the exit code is 0."""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from server import WAIT_S, connect, in_process
from websockets.exceptions import ConnectionClosed

PLACES = ("receiving", "elsewhere", "watching", "sending", "viewed")


async def code_of_the_end(url, opened):
    async with connect(url) as connection:
        opened.release()
        try:
            while True:
                await connection.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


@pytest.mark.parametrize("server", ["serve", "websockets-sansio", "websockets"])
def test_sigterm_ends_every_connection(server, full, number, tmp_path):
    count = 500 if full else 50
    file, errors = tmp_path / "counts.json", tmp_path / "errors.txt"
    script = Path(__file__).with_name("shutdown_server.py")

    async def run():
        opened = asyncio.Semaphore(0)
        clients = [
            asyncio.create_task(code_of_the_end(f"{serving.url}/{PLACES[n % len(PLACES)]}", opened))
            for n in range(count)
        ]
        for _ in range(count):
            await asyncio.wait_for(opened.acquire(), WAIT_S)
        began = time.monotonic()
        serving.process.send_signal(signal.SIGTERM)
        codes = Counter(await asyncio.gather(*clients))
        exit_code = await asyncio.to_thread(serving.process.wait, WAIT_S)
        took_s = time.monotonic() - began
        counts = json.loads(file.read_text("utf-8"))
        assert {1012: count} == codes
        assert {"made": count, "cleaned up": count, "ended": count, "lifespans ended": 1} == counts
        assert 0 == exit_code, errors.read_text()
        number(
            f"SIGTERM to {server}: {count} connections got 1012, all were cleaned up, exit code 0 after {took_s:.1f} s"
        )

    with errors.open("wb") as stderr, in_process(sys.executable, script, server, file, stderr=stderr) as serving:
        asyncio.run(run())
