"""The servers: how each is started, as a process of its own, and what it told meanwhile."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from server import WAIT_S, free_port, in_process

FOLDER: Final = Path(__file__).parent
DOCS: Final = FOLDER.parents[1] / "docs"
PYTHON: Final = (sys.executable, "-m")
LIMIT_BYTES: Final = 32 * 2**20
"""How long a message may be, where a server has a limit that can be set."""

_UVICORN = (*PYTHON, "uvicorn", "application:app", "--port", "{port}", "--ws-max-size", str(LIMIT_BYTES))
_UVICORN += ("--lifespan", "off", "--timeout-graceful-shutdown", "1", "--ws")
_HYPERCORN = (*PYTHON, "hypercorn", "application:app", "--bind", "127.0.0.1:{port}", "--workers", "0", "-k")

COMMANDS: Final = {
    "uvicorn websockets": (*_UVICORN, "websockets"),
    "uvicorn websockets-sansio": (*_UVICORN, "websockets-sansio"),
    "uvicorn wsproto": (*_UVICORN, "wsproto"),
    "hypercorn asyncio": (*_HYPERCORN, "asyncio"),
    "hypercorn trio": (*_HYPERCORN, "trio"),
    "granian": (*PYTHON, "granian", "application:app", "--interface", "asginl", "--port", "{port}"),
    "daphne": (
        *(*PYTHON, "daphne", "application:app", "--bind", "127.0.0.1", "--port", "{port}"),
        *("--websocket-max-message-size", str(LIMIT_BYTES), "--websocket-max-frame-size", str(LIMIT_BYTES)),
    ),
}
"""Name of a server -> its command line."""

_ENTRY: Final = re.compile(r"^(?=[A-Z]+: |\[|\d|Task |Exception ignored)", re.MULTILINE)
"""Where an entry of a log begins: after a level, a time, or as Python tells what nobody caught."""


@dataclass
class Server:
    """A running server; ``url`` is its address for WebSockets, ``log`` the file of its output."""

    name: str
    url: str
    log: Path
    told: int = field(default=0)

    @property
    def version(self) -> str:
        return version(self.name.split()[0])

    def get(self, path: str) -> Any:
        """Ask the served application over HTTP; it answers in JSON."""
        with urllib.request.urlopen(self.url.replace("ws:", "http:", 1) + path, timeout=WAIT_S) as response:
            return json.load(response)

    def records(self, path: str, count: int, within_s: float) -> list[list[Any]]:
        """Wait until `count` handlers of `path` have ended; return what they saw."""
        found: list[list[Any]] = []
        deadline = time.monotonic() + within_s
        while len(found) < count and time.monotonic() < deadline:
            found += [seen for of, *seen in self.get("/records") if of == path]
            time.sleep(0.02)
        return found

    def complaints(self) -> list[str]:
        """Return the last lines of the tracebacks that were logged since the last time.

        What a page's own code raises is part of its lesson, and isn't among them.
        """
        time.sleep(0.05)  # handlers end a little later than their clients
        text = self.log.read_text()
        news, self.told = text[self.told :], len(text)
        raised = [entry for entry in _ENTRY.split(news) if "Traceback" in entry and f"{DOCS}/" not in entry]
        return sorted({entry.rstrip().splitlines()[-1] for entry in raised})


@contextmanager
def running(name: str, log: Path) -> Iterator[Server]:
    """Run a server on a free port of 127.0.0.1 until the block ends."""
    port = free_port()
    command = [part.format(port=port) for part in COMMANDS[name]]
    with (
        log.open("w") as output,
        in_process(*command, port=port, cwd=FOLDER, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        yield Server(name, process.url, log)
