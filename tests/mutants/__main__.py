"""``make mutants``: change the library in one place at a time, and see whether anything notices.

The documents of one language are asked first, then the unit tests, those that run the changed place: what only unit
tests notice, no page teaches; what nobody notices is a missing test, a missing sentence, or code that nobody needs.

A process that has imported what doesn't change forks for each question. The child imports the library, with one module
compiled from a changed tree; no file is written. So does the process in which the documents' commands run; any other
that a test starts sees the library unchanged.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from mutants.changes import ROOT, Change, Changed, changes
from mutants.coverage import Chosen, read_map, wanted
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LIBRARY = [
    file for folder in (".", "transcript", "testing") for file in sorted((ROOT / "reference_ws" / folder).glob("*.py"))
]
UNIT_TESTS = [
    file for folder in (".", "transcript") for file in sorted((ROOT / "tests" / folder).glob("test_*.py"))
    if file.stem not in {
        # They start processes, build packages, or measure: they don't see the mutant, or take long.
        "test_benchmarks", "test_cli", "test_cli_conform", "test_cli_connect", "test_cli_run",
        "test_documents_over_sockets", "test_fuzz",
        "test_layout", "test_nginx", "test_tools", "test_typing", "test_wheel",
    }
]  # fmt: skip
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
"""Names of mutants, each with the reason why it does what the library does, or what nobody is promised."""
FOUND = ROOT / ".cache" / "mutants"
QUIET = ("-q", "-p", "no:cacheprovider", "--no-header", "-W", "ignore::pytest.PytestAssertRewriteWarning")
PATIENCE = 4
"""A question may take so many times as long as without a change, and half a minute, on a machine that has nothing else
to do: then it hangs, which is noticed."""
FEW = 12
"""So many tests are asked first, the most likely ones: most mutants are noticed by then, and few files are read."""


@dataclass
class Question:
    """One run of pytest in a process of its own."""

    pid: int
    deadline: float
    hangs: bool = False


def ask(change: Change | None, arguments: Sequence[str], plugin: object, allowed_s: float) -> Question:
    """Begin to run tests with this change."""
    pid = os.fork()
    if pid == 0:
        status = 3
        try:
            os.setsid()
            quiet = os.open(os.devnull, os.O_RDWR)
            for each in (0, 1, 2):
                os.dup2(quiet, each)
            if change is not None:
                sys.meta_path.insert(0, Changed(change))
                os.environ["PREPARED_FIRST"] = (
                    f"import pickle, sys; sys.path.append({str(ROOT / 'tests')!r})\n"
                    "from mutants.changes import Changed\n"
                    f"sys.meta_path.insert(0, Changed(pickle.loads({pickle.dumps(change)!r})))"
                )
            status = int(pytest.main([*QUIET, *arguments], [plugin]))
        finally:
            os._exit(status)
    return Question(pid, time.monotonic() + allowed_s)


def without_a_change(files: list[str], plugin: object) -> None:
    """Run whole files for the map. Raises `SystemExit` when a test fails."""
    if answer(ask(None, files, plugin, 3600)):
        raise SystemExit(f"They fail without a change: {' '.join(files)}")


def answered(question: Question) -> bool | None:
    """Tell whether the tests have noticed, or ``None`` while they run."""
    pid, status = os.waitpid(question.pid, os.WNOHANG)
    if not pid and time.monotonic() < question.deadline:
        return None
    with suppress(ProcessLookupError):
        os.killpg(question.pid, signal.SIGKILL)  # what it has started ends with it
    if not pid:
        os.waitpid(question.pid, 0)
        question.hangs = True
        return True
    return os.waitstatus_to_exitcode(status) != 0


def answer(question: Question) -> bool:
    while (noticed := answered(question)) is None:
        time.sleep(0.02)
    return noticed


def all_changes(only: str | None) -> list[Change]:
    """List the changes of the library, or of the modules whose names stand in ``only``, with commas between them."""
    modules = only.split(",") if only else None
    found = [each for file in LIBRARY for each in changes(file)]
    return [each for each in found if modules is None or each.module.removeprefix("reference_ws.") in modules]


def equivalent() -> dict[str, str]:
    """Read `EQUIVALENT`. Raises `SystemExit` when it names what is no mutant."""
    reasons = msgspec.toml.decode(EQUIVALENT.read_bytes(), type=dict[str, str])
    if unknown := reasons.keys() - {each.what for each in all_changes(None)}:
        raise SystemExit(f"{EQUIVALENT.relative_to(ROOT)} names what is no mutant: {', '.join(sorted(unknown))}")
    return reasons


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
@click.option("--only", help="The mutants of these modules: guards,transcript.grammar")
@click.option("--again", is_flag=True, help="Those that survived the last time.")
@click.option("--tests-first", is_flag=True, help="Ask the documents last: this finds the survivors sooner.")
@click.option("--minutes", type=float, help="Stop after so long, and tell what is known by then.")
def main(
    count: int,
    seed: int,
    language: str,
    jobs: int,
    only: str | None,
    again: bool,
    tests_first: bool,
    minutes: float | None,
) -> None:
    console = Console()
    preload()
    console.print("Which tests run which lines ... (minutes, when much has changed)")
    pages = sorted((ROOT / "docs" / language).glob("*.md"))
    known = read_map(FOUND / "map.json", [*pages, *UNIT_TESTS], LIBRARY, without_a_change)
    names = ["the documents", "the unit tests"]
    maps = {
        name: {str(file): known[str(file)] for file in files}
        for name, files in zip(names, (pages, UNIT_TESTS), strict=True)
    }
    if tests_first:
        names.reverse()
    found, reasons = all_changes(only), equivalent()
    survived = FOUND / "survived.json"
    if again:
        before = json.loads(survived.read_text())
        sample = [each for each in found if each.what in before]
    else:
        sample = random.Random(seed).sample(found, min(count, len(found)))
    named = [each for each in sample if each.what in reasons]
    sample = [each for each in sample if each.what not in reasons]
    began = time.monotonic()
    ends = began + 60 * minutes if minutes else None
    noticed: dict[str, list[Change]] = {name: [] for name in names}
    survivors: list[Change] = []

    def questions(change: Change) -> Iterator[tuple[str, list[str], list[str], float]]:
        for name in names:
            tests = wanted(maps[name], change.file, change.lines)
            for some in (tests[:FEW], tests[FEW:]):
                if some:
                    paths, identities, seconds = zip(*some, strict=True)
                    busy = max(jobs, os.getloadavg()[0]) / (os.cpu_count() or 1) + 1
                    yield name, list(dict.fromkeys(paths)), list(identities), busy * (30 + PATIENCE * sum(seconds))

    waiting = [(each, questions(each)) for each in reversed(sample)]
    running: list[tuple[Change, Iterator[Any], str, Question]] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("mutants", total=len(sample))
        while waiting or running:
            if ends is not None and time.monotonic() > ends:
                waiting.clear()
            while waiting and len(running) < jobs:
                change, further = waiting.pop()
                if (question := next(further, None)) is None:
                    survivors.append(change)
                    progress.console.print(f"survived: {change}", soft_wrap=True, markup=False, highlight=False)
                    progress.advance(task)
                    continue
                name, paths, identities, allowed_s = question
                running.append((change, further, name, ask(change, ["-x", *paths], Chosen(identities), allowed_s)))
            time.sleep(0.02)
            for entry in list(running):
                change, further, name, asked = entry
                if (seen := answered(asked)) is None:
                    continue
                running.remove(entry)
                if seen:
                    noticed[name].append(change)
                    progress.advance(task)
                    if name != names[0] or asked.hangs:
                        told = f"{'hangs in' if asked.hangs else 'only'} {name}: {change}"
                        progress.console.print(told, soft_wrap=True, markup=False, highlight=False)
                else:
                    waiting.append((change, further))
                told = ", ".join(f"{len(noticed[name])} by {name}" for name in names)
                progress.update(task, description=f"{told}, {len(survivors)} survive")
    told_of = max(sum(map(len, noticed.values())) + len(survivors), 1)
    first, second = (len(noticed[name]) for name in names)
    console.print(
        f"{told_of} of {len(found):,} mutants (seed {seed}), {(time.monotonic() - began) / told_of:.1f} s each: "
        f"{names[0]} ({language}) noticed {first / told_of:.0%}, with {names[1]} {(first + second) / told_of:.0%}; "
        f"{len(survivors)} survived. {len(named)} more of the sample are equivalent: {EQUIVALENT.relative_to(ROOT)}."
    )
    for change in sorted(survivors, key=str):
        console.print(f"  {change}", soft_wrap=True, markup=False, highlight=False)
    survived.write_text(json.dumps([each.what for each in survivors], indent=1))


if __name__ == "__main__":
    main()
