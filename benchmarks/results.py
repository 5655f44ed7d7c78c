"""What was measured, as rows: medians and ratios, tables for the terminal and for the README, a file with the date."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

from rich.table import Table

__all__ = ["FLOOR", "OURS", "Report", "Row", "machine", "versions"]

OURS = "reference_ws"
FLOOR = "raw"
"""The peer to which all the others are compared."""

ORDER = (
    *("starlette", "fastapi", "lilya", "kui", "lihil", "litestar"),
    *("channels", "channels_pubsub", "socketio", "broadcaster", OURS),
)


@dataclass
class Row:
    """One measured thing: for each peer the median over rounds, in ``unit``.

    The cells show the ratio to the floor; without a floor, what was measured. With ``plain``, the id of another row,
    they show what this one adds to that one, in ``unit``; with ``beyond_floor``, what a peer adds to the floor.
    """

    id: str
    title: str
    unit: str
    plain: str | None = None
    beyond_floor: bool = False
    target: str = ""
    floor: str = FLOOR
    medians: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    """Half of the distance between the quartiles, as a part of the median: how much the rounds differ."""
    out: dict[str, str] = field(default_factory=dict)
    """Peer -> why it is not in the table."""
    server_load: dict[str, float] = field(default_factory=dict)
    """Peer -> the part of its core that the server used, in the median; it should be all of it."""
    client_load: dict[str, float] = field(default_factory=dict)
    """Peer -> the part of its core that the client needed; above 0.75 it may be the bottleneck."""

    def add(self, peer: str, values: list[float]) -> None:
        """Enter what the rounds have shown for a peer."""
        self.medians[peer] = statistics.median(values)
        if len(values) > 1:
            low, _, high = statistics.quantiles(values, n=4)
            self.spread[peer] = (high - low) / 2 / self.medians[peer] if self.medians[peer] else 0.0

    def shown(self, peer: str, rows: dict[str, Row]) -> float | None:
        """Give the figure that stands in the table, or ``None`` where there is none."""
        value = self.medians.get(peer)
        if self.plain is not None:
            plain = rows[self.plain].medians.get(peer) if self.plain in rows else None
            return None if value is None or plain is None else value - plain
        floor = self.medians.get(self.floor)
        if not self.floor:
            return value
        if value is None or floor is None:
            return None
        return value - floor if self.beyond_floor else value / floor

    def met(self, peer: str, rows: dict[str, Row]) -> bool | None:
        """Tell whether a peer meets the target; ``None`` without a target or a figure."""
        value = self.shown(peer, rows)
        if value is None or not self.target:
            return None
        sign, limit = self.target.split()
        return value <= float(limit) if sign == "<=" else value >= float(limit)

    def before(self, peer: str, rows: dict[str, Row]) -> list[str]:
        """List the other peers, the floor aside, whose figure is better than this one's."""
        own, sign = self.shown(peer, rows), -1 if self.target.startswith(">=") else 1
        others = {each: self.shown(each, rows) for each in self.medians if each not in (peer, self.floor)}
        return [each for each, value in others.items() if None not in (value, own) and sign * value < sign * own]


@dataclass
class Report:
    """All the rows of a run, and where they come from."""

    date: str
    command: str
    machine: dict[str, str]
    versions: dict[str, str]
    notes: list[str] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    """Title -> rows."""
    seconds: float = 0.0

    def write(self, path: Path) -> None:
        """Write everything as JSON, ratios included."""
        document = asdict(self)
        for title, rows in self.tables.items():
            by_id = {row.id: row for row in rows}
            for row, written in zip(rows, document["tables"][title], strict=True):
                shown = {peer: row.shown(peer, by_id) for peer in row.medians}
                written["shown"] = {peer: value for peer, value in shown.items() if value is not None}
        path.parent.mkdir(parents=True, exist_ok=True)
        rounded = json.loads(json.dumps(document), parse_float=lambda text: float(f"{float(text):.5g}"))
        path.write_text(json.dumps(rounded, indent=1, ensure_ascii=False) + "\n", "utf-8")

    def columns(self, rows: list[Row]) -> list[str]:
        """List the peers of a table beside the floor, those that are out included."""
        named = {peer for row in rows for peer in (*row.medians, *row.out)} - {row.floor for row in rows}
        return sorted(named, key=lambda peer: (*ORDER, peer).index(peer))

    def cells(self, title: str) -> list[list[str]]:
        """Give a table as text, its head first."""
        rows = self.tables[title]
        by_id, peers = {row.id: row for row in rows}, self.columns(rows)
        table = [["", rows[0].floor, *peers, "target"]]
        for row in rows:
            floor = row.medians.get(row.floor)
            head = "" if floor is None or row.plain else f"{_short(floor)} {row.unit}"
            sign = "+" if row.plain or row.beyond_floor else "x" if row.floor else ""
            cells = []
            for peer in peers if row.floor else (rows[0].floor, *peers):
                value = row.shown(peer, by_id)
                if value is None:
                    cells.append("out" if peer in row.out else "")
                else:
                    missed = peer == OURS and row.met(peer, by_id) is False
                    cells.append(f"{sign}{_short(value)}{' (missed)' * missed}")
            title = f"{row.title}, {row.unit}" if row.plain or not row.floor else row.title
            table.append([title, *([head] if row.floor else []), *cells, row.target])
        return table

    def remarks(self, title: str) -> list[str]:
        """Tell who is ahead of this library, who is out and why, and where the client was too busy."""
        said = []
        by_id = {row.id: row for row in self.tables[title]}
        for row in self.tables[title]:
            said += [f"{row.title}: {peer} is ahead of {OURS}" for peer in row.before(OURS, by_id)]
            said += [f"{row.title}: {peer} is out, {reason}" for peer, reason in row.out.items()]
            if row.client_load:
                busiest = max(row.client_load, key=row.client_load.__getitem__)
                load = row.client_load[busiest]
                least = min(row.server_load.values(), default=1.0)
                said.append(
                    f"{row.title}: the client needed {load:.0%} of its core at the most (for {busiest}), "
                    f"the servers {least:.0%} of theirs at the least"
                )
                said += [
                    f"{row.title}: the client may be the bottleneck of {peer} ({load:.0%})"
                    for peer, load in row.client_load.items()
                    if load > 0.75
                ]
        return said

    def rich(self, title: str) -> Table:
        """Give a table for the terminal."""
        head, *lines = self.cells(title)
        table = Table(*head, title=title)
        for column in table.columns[1:]:
            column.justify = "right"
        for line in lines:
            table.add_row(*line)
        return table

    def markdown(self) -> str:
        """Give everything for the README."""
        parts = [
            f"Run on {self.date} by `{self.command}`, {self.seconds:.0f} s; "
            + ", ".join(f"{name} {value}" for name, value in self.machine.items())
            + ".",
            *self.notes,
        ]
        for title in self.tables:
            head, *lines = self.cells(title)
            rule = ["---", *["--:"] * (len(head) - 1)]
            table = "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))
            parts += [f"### {title}", table, "\n".join(f"- {remark}" for remark in self.remarks(title))]
        parts.append("Versions: " + ", ".join(f"{name} {version}" for name, version in self.versions.items()) + ".")
        return "\n\n".join(part for part in parts if part) + "\n"


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine() -> dict[str, str]:
    """Describe what this runs on."""
    described = {"CPython": platform.python_version(), "kernel": platform.release(), "CPUs": str(os.cpu_count())}
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model n")]
        described["CPU"] = models[0] if models else platform.machine()
    return described


def versions(*names: str) -> dict[str, str]:
    """Look up the installed versions of distributions; those that are not installed are left out."""
    found = {}
    for name in names:
        for distribution in metadata.distributions(name=name):
            found[name] = distribution.version
    return found
