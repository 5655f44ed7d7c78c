"""``python -m benchmarks``: measure all the peers, print the tables, keep the result."""

from __future__ import annotations

import asyncio
import datetime
import re
import subprocess
import time
import warnings
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import inmemory, peers, rooms, sockets
from benchmarks.results import Report, Row, machine, versions
from benchmarks.scenarios import IN_MEMORY
from reference_ws.transcript import Recorder

HERE = Path(__file__).parent
ROOT = HERE.parent
DISTRIBUTIONS = (
    *("reference-ws", "starlette", "fastapi", "lilya", "kui", "lihil", "litestar"),
    *("uvicorn", "websockets", "uvloop", "httptools", "msgspec", "pydantic", "anyio", "baize"),
    *("channels", "channels-redis", "django", "python-socketio", "broadcaster", "redis"),
)
PARTS = ("memory", "sockets", "rooms")
RECORDED = ("text", "json", "connection")


def entries(out: dict[str, str]) -> list[inmemory.Entry]:
    """Make every peer's application of every scenario; a peer that can't be imported goes into ``out``."""
    made: list[inmemory.Entry] = []
    for name in peers.NAMES:
        try:
            peer = peers.load(name)
        except ImportError as error:
            out[name] = f"not installed ({error})"
            continue
        apps = ((scenario, scenario.build(peer)) for scenario in IN_MEMORY)
        made += [inmemory.Entry(scenario, name, app) for scenario, app in apps if app is not None]
    return made


def recording() -> list[inmemory.Entry]:
    """Make this library's applications, plain and recorded."""
    made: list[inmemory.Entry] = []
    for scenario in IN_MEMORY:
        if scenario.id in RECORDED:
            app = scenario.build(peers.load("reference_ws"))
            assert app is not None
            made += [
                inmemory.Entry(scenario, "off", app),
                inmemory.Entry(scenario, "recording", app, wrap=Recorder),
            ]
    return made


def growth(rows: list[Row]) -> list[str]:
    """Tell how the cost of a connection grows with the number of routes."""
    by_id = {row.id: row.medians for row in rows}
    one, many = by_id["routes-1"], by_id["routes-1000"]
    parts = [f"{peer} {many[peer] / one[peer]:.2f}" for peer in many if peer in one and peer != "raw"]
    return [f"1,000 routes cost, x one route of the same peer (target for reference_ws: <= 1.3): {', '.join(parts)}."]


def commit() -> str:
    """Name the commit of this checkout, and say whether files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


@click.command()
@click.option("--quick", is_flag=True, help="Under two minutes; the result goes to .cache/bench.")
@click.option("--only", type=click.Choice(PARTS), help="Only a part; the result goes to .cache/bench.")
@click.option("--note", multiple=True, help="A remark that goes into the result, such as what else ran.")
def main(quick: bool, only: str | None, note: tuple[str, ...]) -> None:
    """Measure this library beside its peers, in memory, over sockets and in rooms."""
    warnings.simplefilter("ignore")  # the peers have some of their own
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # in a file, the tables need not fit a window
    today = datetime.date.today().isoformat()
    found = {**versions(*DISTRIBUTIONS), "commit": commit()}
    report = Report(today, "make bench" + " QUICK=1" * quick, machine(), found, list(note))
    start = time.perf_counter()
    rounds, sample_s = (3, 0.01) if quick else (21, 0.05)
    plan = sockets.Plan(2, 0.4, 1) if quick else sockets.Plan(7, 1.0, 3)
    rooms_plan = rooms.Plan(1, 0.3, 100) if quick else rooms.Plan(4, 0.7, 250)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    # It draws only between samples: a thread that draws would take the client's time.
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        steps = {
            "memory": 2 * (rounds + 1),
            "sockets": len(peers.NAMES) * (2 * plan.rounds + plan.memory_rounds),
            "rooms": len(rooms.PEERS) * 3 * rooms_plan.rounds,
        }
        task = progress.add_task("starting", total=steps[only] if only else sum(steps.values()))

        def advance(said: str) -> None:
            progress.update(task, advance=1, description=f"{said:<60}")
            progress.refresh()

        if only in (None, "memory"):
            out: dict[str, str] = {}
            rows = asyncio.run(inmemory.measure(entries(out), rounds, sample_s, progress=advance))
            for row in rows:
                row.out |= out
            report.tables["In memory"] = rows
            report.notes += growth(rows)
        if only in (None, "sockets"):
            names = [name for name in peers.NAMES if only or name not in out]
            report.tables["Over sockets"] = sockets.measure(names, plan, run=uvloop.run, progress=advance)
        if only in (None, "rooms"):
            report.tables["Rooms"] = rooms.measure(rooms_plan, run=uvloop.run, progress=advance)
            report.notes += [] if rooms.redis_program() else [rooms.NO_REDIS]
        if only in (None, "memory"):
            recorded = asyncio.run(inmemory.measure(recording(), rounds, sample_s, floor="off", progress=advance))
            report.tables["What recording costs, in memory"] = recorded
    report.seconds = time.perf_counter() - start
    _tell(console, report)
    _keep(console, report, ROOT / ".cache/bench" if quick or only else HERE / "results")


def _tell(console: Console, report: Report) -> None:
    for title in report.tables:
        console.print(report.rich(title))
        for remark in report.remarks(title):
            console.print(f"- {remark}", markup=False)
    for note in report.notes:
        console.print(note, markup=False)


def _keep(console: Console, report: Report, folder: Path) -> None:
    path = folder / f"{report.date}.json"
    report.write(path)
    console.print(f"{report.seconds:.0f} s; written: {path.relative_to(ROOT)}", markup=False)
    if folder == HERE / "results":
        readme = HERE / "README.md"
        fresh = f"<!-- results -->\n\n{report.markdown()}\n<!-- end of results -->"
        text = re.sub(
            r"<!-- results -->.*<!-- end of results -->", lambda _: fresh, readme.read_text(), flags=re.DOTALL
        )
        readme.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
