"""What a statement about another system is tested with; runs in that system's own environment, on Python 3.7 and later.

`claim` marks a function whose name is the fact. It returns what it has observed, by name, the main case first; what it
should have observed is what the pages say. ``python claims.py of_fastapi`` runs all of them and writes a line of JSON
for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import deque
from pathlib import Path
from urllib.parse import quote

SECONDS = 60  # nothing here takes a second; a busy machine may
CLAIMS = {}


def claim(name, found, promised=None):
    """Mark the test of the claim `name`.

    ``found`` is what the pages say is observed, ``promised`` what the system's own page promises of it, where that is
    something else: the first entry is the main case.
    """

    def mark(function):
        assert name not in CLAIMS, name
        CLAIMS[name] = (function, found, {**found, **(promised or {})})
        return function

    return mark


def fact(name, found):
    """Mark the test of what the pages say beyond the promises of the system's own page."""
    return claim(name, found, promised=dict.fromkeys(found))


def untestable(name, why):
    """Mark a claim that no program can test."""
    CLAIMS[name] = (None, {"": why}, {})


def verdict(observed, promised):
    """Tell ``yes``, ``partly`` (all but another case than the main one) or ``no``; ``""`` where nothing is promised."""
    if not any(promise is not None for promise in promised.values()):
        return ""
    kept = [observed.get(case) == promise for case, promise in promised.items()]
    return "yes" if all(kept) else "partly" if kept[0] else "no"


async def error_of(awaitable):
    """Wait for it, and name its error: ``"KeyError: 'text'"``; ``"none"`` if there is none."""
    try:
        await awaitable
    except Exception as error:
        return said(error)
    return "none"


def raised(call, *arguments, **options):
    """Call it, and name its error."""
    try:
        call(*arguments, **options)
    except Exception as error:
        return said(error)
    return "none"


def said(error):
    """Name an error; of a `KeyError` and an `AttributeError` the missing name belongs to it."""
    return type(error).__name__ + (f": {error}" if isinstance(error, (KeyError, ModuleNotFoundError)) else "")


# --- in memory --------------------------------------------------------------------------------------------------------


def text(data):
    return {"type": "websocket.receive", "text": data}


def binary(data):
    return {"type": "websocket.receive", "bytes": data}


def with_both_keys(message):
    """Say a message as hypercorn does: the key of the other kind is there as well, and says None."""
    return {"text": None, "bytes": None, **message}


def gone(code=1000, reason=""):
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


class Played:
    """What an application has sent, and the name of the error that left it (``"none"``)."""

    def __init__(self):
        self.messages = []
        self.error = "none"

    @property
    def sent(self):
        """Say it in short: ``["accept", "text 'a'", "close 1000"]``."""
        return [_short(message) for message in self.messages]


def _short(message):
    kind = message["type"].split("websocket.")[-1]
    if kind == "send":
        payload = message.get("text")
        return f"text {payload}" if payload is not None else "bytes {}".format(message["bytes"].decode())
    if kind == "close":
        return "close {}".format(message.get("code", 1000))
    if kind == "http.response.start":
        return "deny {}".format(message["status"])
    return kind


async def play(app, *incoming, path="/", query="", headers=(), denial=True, **scope):
    """Let one client connect and send `incoming`; from then on it is gone (1005)."""
    queue = deque([{"type": "websocket.connect"}, *incoming])
    played = Played()

    async def receive():
        await asyncio.sleep(0)
        return queue.popleft() if queue else gone(1005)

    async def send(message):
        played.messages.append(message)

    full = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"x:81"), *headers],
        "client": ("127.0.0.1", 5000),
        "server": ("x", 81),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if denial else {},
        "state": {},
    }
    full.update(scope)
    try:
        await asyncio.wait_for(app(full, receive, send), SECONDS)
    except asyncio.TimeoutError:
        raise AssertionError("the application doesn't come to its end") from None
    except Exception as error:
        played.error = said(error)
    return played


async def get(app, path, query=""):
    """Make one HTTP request in memory; returns the messages."""
    sent = []
    queue = deque([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive():
        if not queue:
            await asyncio.sleep(SECONDS)
        return queue.popleft()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"x:81")],
        "client": ("127.0.0.1", 5000),
        "server": ("x", 81),
        "state": {},
    }
    await asyncio.wait_for(app(scope, receive, send), SECONDS)
    return sent


# --- over a socket ----------------------------------------------------------------------------------------------------

SETUPS = {
    "uvicorn/websockets": "uvicorn --log-level info --ws websockets --host 127.0.0.1 --port {port} {app}",
    "uvicorn/wsproto": "uvicorn --log-level info --ws wsproto --host 127.0.0.1 --port {port} {app}",
    "hypercorn": "hypercorn -b 127.0.0.1:{port} {app}",
    "granian": "granian --interface asgi --host 127.0.0.1 --port {port} {app}",
}
SERVERS = {}  # setup -> port
PROCESSES = []
ENDED = {}  # path -> the error that left the application
NOTES = {}  # path -> what its handler has noted


def note(path, value):
    """Keep what a handler on a server has seen, until `over` asks."""
    NOTES.setdefault(path, []).append(value)


def recorded(app):
    """Put something around a served application that remembers how each connection ended."""

    async def outer(scope, receive, send):
        path = scope.get("path", "")
        if scope["type"] != "websocket":
            return await app(scope, receive, send)
        if path == "/outcome":
            about = scope["query_string"].decode()
            await send({"type": "websocket.accept"})
            deadline = time.monotonic() + SECONDS
            while about not in ENDED and time.monotonic() < deadline:  # noqa: ASYNC110 (another connection's)
                await asyncio.sleep(0.02)
            outcome = [ENDED.pop(about, "still runs"), NOTES.pop(about, [])]
            return await send({"type": "websocket.send", "text": json.dumps(outcome)})
        error = "none"
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            error = "cancelled"
            raise
        except BaseException as caught:
            error = said(caught)
            raise
        finally:
            ENDED[path] = error

    return outer


def serve(app):
    """Start the four servers with an application, ``"of_fastapi:served"``, and wait until they answer."""
    for setup, command in SETUPS.items():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = Path(tempfile.gettempdir(), f"peers-{os.getpid()}-{len(PROCESSES)}.log").open("w+")  # noqa: SIM115
        arguments = [sys.executable, "-m", *command.format(port=port, app=app).split()]
        here = str(Path(__file__).parent)
        process = subprocess.Popen(arguments, cwd=here, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": here})
        PROCESSES.append((process, log))
        SERVERS[setup] = port
    deadline = time.monotonic() + SECONDS
    for (process, log), port in zip(PROCESSES, SERVERS.values()):  # noqa: B905 (Python 3.7)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(f"a server doesn't start: {log.read()[-1000:]}") from None
                time.sleep(0.05)


def stop():
    """End the servers."""
    for process, _ in PROCESSES:
        process.terminate()
    for process, log in PROCESSES:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        Path(log.name).unlink()
    PROCESSES.clear()
    SERVERS.clear()


class Visit:
    """How one connection went: what came, with which code it ended, or the HTTP status that refused it."""

    def __init__(self):
        self.came = []
        self.code = None
        self.status = None
        self.headers = {}
        self.error = None  # that left the application
        self.notes = []

    @property
    def end(self):
        """Say ``"HTTP 403"``, ``"dropped"`` (no close frame), ``1005`` (one without a code) or the code."""
        return f"HTTP {self.status}" if self.status else "dropped" if self.code is None else self.code


async def over(setup, path, *sends, leave=None, replies=0, outcome=True, query=""):
    """Visit a path: send, wait for so many replies, leave with a code, or wait until the other side ends it."""
    import websockets
    from websockets.asyncio.client import connect  # noqa: TID251 (tests/server.py is not of this environment)

    visit = Visit()
    base = f"ws://127.0.0.1:{SERVERS[setup]}"
    try:
        async with connect(base + path + query, proxy=None, open_timeout=SECONDS, ping_interval=None) as client:
            visit.headers = dict(client.response.headers.raw_items())
            try:
                for data in sends:
                    await client.send(data)
                while leave is None or len(visit.came) < replies:
                    visit.came.append(await asyncio.wait_for(client.recv(), SECONDS))
                await client.close(leave)
            except websockets.ConnectionClosed as error:
                visit.code = error.rcvd.code if error.rcvd else None
            else:
                visit.code = "left"
    except websockets.InvalidStatus as error:
        visit.status = error.response.status_code
    if outcome:
        async with connect(base + "/outcome?" + quote(path), proxy=None, open_timeout=SECONDS) as client:
            visit.error, visit.notes = json.loads(await asyncio.wait_for(client.recv(), SECONDS * 2))
    return visit


async def everywhere(look, path, *sends, **options):
    """Visit a path on each server: setup -> what `look` finds in the `Visit`."""
    return {setup: look(await over(setup, path, *sends, **options)) for setup in SERVERS}


# --- running ----------------------------------------------------------------------------------------------------------


def run(module, only=()):
    """Run the claims of a module; writes a line of JSON for each."""
    importlib.import_module(module)
    served = getattr(sys.modules[module], "served", None)
    if served is not None:
        serve(module + ":served")
    try:
        for name, (function, found, promised) in CLAIMS.items():
            if only and name not in only:
                continue
            line = {"id": name, "fact": function.__name__ if function else "", "expected": found}
            if function is None:
                line.update(observed=found, verdict="untestable")
            else:
                try:
                    observed = function()
                    if asyncio.iscoroutine(observed):
                        observed = asyncio.run(asyncio.wait_for(observed, SECONDS * 4))
                    observed = json.loads(json.dumps(observed))
                    line.update(observed=observed, verdict=verdict(observed, json.loads(json.dumps(promised))))
                except Exception:
                    line.update(observed={"the test fails": traceback.format_exc(limit=-3)}, verdict="fails")
            sys.stdout.write("\n@" + json.dumps(line) + "\n")
            sys.stdout.flush()
    finally:
        with contextlib.suppress(Exception):
            stop()


if __name__ == "__main__":
    import claims  # the tests' own instance, not this one

    claims.run(sys.argv[1], sys.argv[2:])
