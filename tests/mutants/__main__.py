"""``make mutants``: change the library in one place at a time, and see whether anything notices.

The documents of one language are asked first, then the unit tests: what only those notice, no page teaches; what nobody
notices is a missing test, a missing sentence, or code that nobody needs.

A process that has imported what doesn't change forks for each question. The child imports the library, with one module
compiled from a changed tree; no file is written. A test that starts a process of its own sees the library unchanged.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from mutants.changes import Change, changed, changes
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "reference_ws"
UNIT_TESTS = sorted(str(file) for file in (ROOT / "tests").glob("test_*.py") if file.stem not in {
    # They start processes, build packages, or measure: they don't see the mutant, or take long.
    "test_answers", "test_benchmarks", "test_catalogs", "test_cli", "test_cli_conform", "test_cli_connect", "test_cli_run",
    "test_documents_over_sockets", "test_explanations", "test_finding", "test_fuzz", "test_properties",
    "test_layout", "test_nginx", "test_tools", "test_wheel",
})  # fmt: skip
QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of what was imported before pytest began
PATIENCE = 4
"""A question may take so many times as long as without a change, and half a minute: then it hangs, which is noticed."""


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module of the library from a changed tree."""

    def __init__(self, name: str, file: Path, tree: ast.Module) -> None:
        self.name, self.file, self.code = name, file, compile(tree, str(file), "exec", dont_inherit=True)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        spec = importlib.util.spec_from_loader(name, self, origin=str(self.file), is_package=False)
        if spec is not None:
            spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.file)
        exec(self.code, module.__dict__)


@dataclass
class Question:
    """One run of pytest in a process of its own."""

    pid: int
    deadline: float


def ask(change: Change | None, tests: Sequence[str], allowed_s: float) -> Question:
    """Begin to run the tests with this change."""
    pid = os.fork()
    if pid == 0:
        status = 3
        try:
            os.setsid()
            quiet = os.open(os.devnull, os.O_RDWR)
            for each in (0, 1, 2):
                os.dup2(quiet, each)
            if change is not None:
                sys.meta_path.insert(0, Changed(change.module, change.file, changed(change)))
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", *QUIET, *tests]))
        finally:
            os._exit(status)
    return Question(pid, time.monotonic() + allowed_s)


def answered(question: Question) -> bool | None:
    """Tell whether the tests have noticed, or ``None`` while they run."""
    pid, status = os.waitpid(question.pid, os.WNOHANG)
    if not pid and time.monotonic() < question.deadline:
        return None
    with suppress(ProcessLookupError):
        os.killpg(question.pid, signal.SIGKILL)  # what it has started ends with it
    if not pid:
        os.waitpid(question.pid, 0)
        return True
    return os.waitstatus_to_exitcode(status) != 0


def answer(question: Question) -> bool:
    while (noticed := answered(question)) is None:
        time.sleep(0.02)
    return noticed


def all_changes(only: str | None) -> list[Change]:
    files = sorted(PACKAGE.glob("*.py"))
    return [each for file in files if only in (None, file.stem) for each in changes(file)]


def preload() -> None:
    """Import what no mutant changes, so that no child has to."""
    for name in (
        "anyio",
        "trio",
        "msgspec",
        "pydantic",
        "starlette.testclient",
        "sybil",
        "websockets",
        "uvicorn",
        "hypothesis",
    ):
        with suppress(ImportError):
            importlib.import_module(name)


@click.command(help=__doc__.split("\n\n")[0] if __doc__ else "")
@click.option("--count", default=300, show_default=True, help="How many mutants.")
@click.option("--seed", default=11, show_default=True, help="Which ones.")
@click.option("--language", default="zh", show_default=True, help="Whose documents are asked first.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="How many at a time.")
@click.option("--only", help="The mutants of one module.")
@click.option("--minutes", type=float, help="Stop after so long, and tell what is known by then.")
def main(count: int, seed: int, language: str, jobs: int, only: str | None, minutes: float | None) -> None:
    console = Console()
    preload()
    stages = {"the documents": [str(ROOT / "docs" / language)], "the unit tests": UNIT_TESTS}
    allowed_s = {}
    for name, tests in stages.items():
        console.print(f"{name}, without a change ...")
        began = time.monotonic()
        if answer(ask(None, tests, 3600)):
            raise SystemExit(f"{name} fail without a change: {' '.join(tests)}")
        allowed_s[name] = 30 + PATIENCE * jobs * (time.monotonic() - began)
        console.print(f"{name}, without a change: {time.monotonic() - began:.0f} s")
    found = all_changes(only)
    sample = random.Random(seed).sample(found, min(count, len(found)))
    ends = time.monotonic() + 60 * minutes if minutes else None
    noticed: dict[str, list[Change]] = {name: [] for name in stages}
    survivors: list[Change] = []
    waiting: list[tuple[Change, list[str]]] = [(each, list(stages)) for each in reversed(sample)]
    running: list[tuple[Change, list[str], Question]] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("mutants", total=len(sample))
        while waiting or running:
            if ends is not None and time.monotonic() > ends:
                waiting.clear()
            while waiting and len(running) < jobs:
                change, left = waiting.pop()
                running.append((change, left, ask(change, stages[left[0]], allowed_s[left[0]])))
            time.sleep(0.02)
            for entry in list(running):
                change, left, question = entry
                if (seen := answered(question)) is None:
                    continue
                running.remove(entry)
                if seen:
                    noticed[left[0]].append(change)
                elif left[1:]:
                    waiting.append((change, left[1:]))
                    continue
                else:
                    survivors.append(change)
                    progress.console.print(f"survived: {change}", soft_wrap=True, markup=False, highlight=False)
                progress.advance(task)
                documents, units = (len(each) for each in noticed.values())
                progress.update(
                    task, description=f"{documents} by documents, {units} by tests, {len(survivors)} survive"
                )
    told = sum(map(len, noticed.values())) + len(survivors)
    documents, units = (len(each) for each in noticed.values())
    console.print(
        f"{told} of {len(found):,} mutants (seed {seed}): documents ({language}) noticed {documents / max(told, 1):.0%}"
        f", with the unit tests {(documents + units) / max(told, 1):.0%}; {len(survivors)} survived."
    )
    for change in sorted(survivors, key=str):
        console.print(f"  {change}", soft_wrap=True, markup=False, highlight=False)


if __name__ == "__main__":
    main()
