"""Runs a Redis for a test, on a free port of 127.0.0.1: there with the block, gone with it.

It keeps all that it takes in a folder, so that one that was killed knows it again when it is started there.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server import WAIT_S, free_port, in_process
from tools import program


class RedisServer:
    """``url`` names its database 0; `kill` gives it no time to say goodbye, `start` brings it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        # What was written survives a kill; only a power cut needs an fsync, which can take seconds on a busy disk.
        keep = ["--appendonly", "yes", "--appendfsync", "no", "--save", ""]
        command = [program("redis"), "--bind", "127.0.0.1", "--port", self.port, "--dir", self.folder, *keep]
        self._running = in_process(*command, port=self.port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = self._running.__enter__().process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_S)
        self._running.__exit__(None, None, None)


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.kill()
