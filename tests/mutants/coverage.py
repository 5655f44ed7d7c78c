"""Which tests run which lines of the library: asked of these alone, a mutant costs seconds.

The map is made once, in ``.cache/mutants/map.json``; of a file of tests or a page that has changed since, anew. A test
counts for what runs while it runs, its fixtures included. What runs when a module is imported is everybody's: then
whatever runs any line of the module is asked.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

Lines = dict[str, list[int]]
"""File of the library -> the lines that a test runs of it."""
Map = dict[str, dict[str, Any]]
"""File of tests -> ``digest``, and ``tests``: id -> (seconds, lines), in the order in which they stand."""


def read_map(
    file: Path, tests: Iterable[Path], library: Sequence[Path], run: Callable[[list[str], object], None]
) -> Map:
    """Read the map, and make anew what has changed. ``run`` runs pytest over files, with a plugin."""
    known: Map = json.loads(file.read_text()) if file.exists() else {}
    common = _digest(library)
    digests = {str(path): _digest([path], common) for path in tests}
    stale = [path for path, digest in digests.items() if known.get(path, {}).get("digest") != digest]
    if stale:
        out = file.with_suffix(".new")
        out.parent.mkdir(parents=True, exist_ok=True)
        run(stale, Recorder([str(path) for path in library], out))
        seen = json.loads(out.read_text())
        known |= {path: {"digest": digests[path], "tests": seen.get(path, {})} for path in stale}
        file.write_text(json.dumps(known))
        out.unlink()
    return {path: known[path] for path in digests}


def _digest(files: Iterable[Path], salt: str = "") -> str:
    digest = hashlib.sha256(salt.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


class Recorder:
    """A plugin for pytest that writes down the lines each test runs."""

    def __init__(self, library: Sequence[str], out: Path) -> None:
        self.library, self.out = frozenset(library), out
        self.seen: dict[str, dict[str, tuple[float, Lines]]] = defaultdict(dict)
        self.lines: dict[str, set[int]] = defaultdict(set)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace one test."""
        _forget()
        self.lines.clear()
        began = time.perf_counter()
        threading.settrace(self.trace)
        sys.settrace(self.trace)
        try:
            return (yield)  # type: ignore[return-value]
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            ran = {file: sorted(lines) for file, lines in self.lines.items()}
            self.seen[str(item.path)][item.nodeid] = time.perf_counter() - began, ran

    def pytest_sessionfinish(self) -> None:
        """Hand over."""
        self.out.write_text(json.dumps(self.seen))

    def trace(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        """Note a line, when it is one of the library's."""
        code: CodeType = frame.f_code
        if code.co_filename not in self.library:
            return None
        lines = self.lines[code.co_filename]

        def note(frame: FrameType, event: str, _: object) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
            return note

        lines.add(frame.f_lineno)
        return note


def _forget() -> None:
    """Empty the library's caches, so that each test runs what it needs."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "reference_ws":
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


def wanted(known: Map, file: Path, lines: Iterable[int]) -> list[tuple[str, str, float]]:
    """List the tests that run any of the lines: file, id, seconds; those first that run little else, and are quick."""
    lines = set(lines)
    found = []
    for path, entry in known.items():
        for identity, (seconds, ran) in entry["tests"].items():
            if not lines.isdisjoint(ran.get(str(file), ())):
                found.append((seconds * (100 + sum(map(len, ran.values()))), path, identity, seconds))
    return [(path, identity, seconds) for _, path, identity, seconds in sorted(found)]


class Chosen:
    """A plugin for pytest that runs these tests alone, in this order; the fences of a page in the page's."""

    def __init__(self, identities: Sequence[str]) -> None:
        self.places: dict[str, int] = {}
        for place, identity in enumerate(identities):
            page = identity.partition("::")[0]
            self.places[identity] = self.places.setdefault(page, place) if page.endswith(".md") else place

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self.places), key=lambda item: self.places[item.nodeid]
        )
