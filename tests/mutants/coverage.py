"""Which tests run which lines of the library: asked of these alone, a mutant costs seconds.

The map is made once, in ``.cache/mutants/map.json``; of a file of tests or a page that has changed since, anew. Lines
of the library that stand elsewhere now are found again; who has run what stood in the place of a new one is asked for
that too, which is a guess: after greater changes delete the file. A test counts for what runs while it runs, its
fixtures included. What runs when a module is imported is everybody's: then whatever runs a line of the module is asked.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

FIRST = 3
"""So many users of a module are asked of what none of them runs."""

Lines = dict[str, list[int]]
"""File of the library -> the lines that a test runs of it."""
Map = dict[str, dict[str, Any]]
"""File of tests -> ``digest``, and ``tests``: id -> (seconds, lines), in the order in which they stand."""


def read_map(
    file: Path, tests: Iterable[Path], library: Sequence[Path], run: Callable[[list[str], object], None]
) -> Map:
    """Read the map, and make anew what has changed. ``run`` runs pytest over files, with a plugin."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"library": {}, "tests": {}}
    known: Map = kept["tests"]
    texts = {str(path): path.read_text().splitlines() for path in library}
    for path, before in kept["library"].items():
        if (now := texts.get(path, [])) != before:
            _move(known, path, before, now)
    digests = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in tests}
    stale = [path for path, digest in digests.items() if known.get(path, {}).get("digest") != digest]
    if stale:
        out = file.with_suffix(".new")
        out.parent.mkdir(parents=True, exist_ok=True)
        run(stale, Recorder(list(texts), out))
        seen = json.loads(out.read_text())
        known |= {path: {"digest": digests[path], "tests": seen.get(path, {})} for path in stale}
        file.write_text(json.dumps({"library": texts, "tests": known}))
        out.unlink()
    return {path: known[path] for path in digests}


def _move(known: Map, file: str, before: list[str], now: list[str]) -> None:
    """Find the lines again in a file of the library that has changed; who ran what stood there runs what is new."""
    places: dict[int, set[int]] = defaultdict(set)
    for kind, first, last, new_first, new_last in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        new = range(new_first + 1, new_last + 1)
        if kind == "equal":
            for line, there in zip(range(first + 1, last + 1), new, strict=True):
                places[line].add(there)
        else:  # of what is only new, the line before it
            for line in range(first if first == last else first + 1, last + 1):
                places[line].update(new)
    for entry in known.values():
        for _, ran in entry["tests"].values():
            if file in ran:
                ran[file] = sorted({there for line in ran[file] for there in places[line]})


class Recorder:
    """A plugin for pytest that writes down the lines each test runs."""

    def __init__(self, library: Sequence[str], out: Path) -> None:
        self.library, self.out, self.told = frozenset(library), out, out.with_suffix(".told")
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
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            for note in self.told.iterdir():
                for file, lines in json.loads(note.read_text()).items():
                    self.lines[file].update(lines)
                note.unlink()
            ran = {file: sorted(lines) for file, lines in self.lines.items()}
            self.seen[str(item.path)][item.nodeid] = time.perf_counter() - began, ran

    def pytest_configure(self) -> None:
        """Let the process of the documents' commands hand its lines over, too."""
        self.told.mkdir(parents=True, exist_ok=True)
        os.environ["PREPARED_FIRST"] = (
            f"import sys; sys.path.append({str(Path(__file__).parents[1])!r})\n"
            "from mutants.coverage import Recorder\nfrom pathlib import Path\n"
            f"Recorder({sorted(self.library)!r}, Path({str(self.out)!r})).in_a_command()"
        )

    def in_a_command(self) -> None:
        """Note what each command runs: it is a fork of this process, and ends with `main`."""
        import reference_ws_command

        main = reference_ws_command.main

        def noting() -> None:
            self.lines.clear()
            threading.settrace(self.trace)
            sys.settrace(self.trace)
            try:
                main()
            finally:
                sys.settrace(None)
                ran = {file: sorted(lines) for file, lines in self.lines.items()}
                (self.told / str(os.getpid())).write_text(json.dumps(ran))

        reference_ws_command.main = noting

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
    """List the tests that run any of the lines, or without lines any of the file: file, id, seconds.

    Those come first that run little else, and are quick. Of what runs only while it is imported, users are asked, and
    who runs nothing of the library: that looks at what its modules hold.
    """
    lines = set(lines)
    found, users = [], []
    for path, entry in known.items():
        for identity, (seconds, ran) in entry["tests"].items():
            there = ran.get(str(file), ())
            if there or not (lines or ran):
                users.append((seconds * (100 + sum(map(len, ran.values()))), path, identity, seconds))
                if not lines or not lines.isdisjoint(there):
                    found.append(users[-1])
    return [(path, identity, seconds) for _, path, identity, seconds in sorted(found) or sorted(users)[:FIRST]]


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
