"""Play the suite of the page ``conform`` on other systems: ``python -m peers.conform [--latest]``, in a checkout.

Each system has an environment of its own under ``.cache/peers/conform``, with this library beside it, in the versions
that ``docs/conform.toml`` names, or the newest ones. That file is written by this and by nothing else; when it has
changed, the exit code is 1 and what has changed is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import msgspec

from reference_ws.guide.conformance import Compared, System, conform_file, digest, read_compared, suite

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DOCS = ROOT / "docs"
CACHE = ROOT / ".cache/peers/conform"

OWN = "reference_ws"
SYSTEMS: Mapping[str, tuple[str, ...]] = {
    OWN: (),
    "Starlette": ("starlette",),
    "FastAPI": ("fastapi", "starlette"),
    "Lilya": ("lilya",),
    "Lihil": ("lihil", "starlette"),
    "Kui": ("kui", "baize"),
    "Index.py": ("index.py", "baize"),
    "Litestar": ("litestar",),
    "Quart": ("quart",),
}
"""Each system, and the distributions whose versions tell what was played: its own, and its connections'."""


def column(name: str, pinned: Mapping[str, str]) -> System:
    """Play the suite on a system. Raises `subprocess.CalledProcessError` with what pip or the system said."""
    python = Path(sys.executable)
    if name != OWN:
        python = CACHE / name.lower() / "bin/python"
        run(sys.executable, "-m", "venv", python.parents[1])
        wanted = [f"{each}=={pinned[each]}" if each in pinned else each for each in SYSTEMS[name]]
        # Pinned or not, pip replaces what is there; this library comes from the checkout, with its dependencies.
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-U", "-e", f"{ROOT}[cli]", *wanted)
    module = "on_" + "".join(filter(str.isalnum, name.lower()))
    return msgspec.json.decode(run(python, HERE / "column.py", name, module, *SYSTEMS[name]), type=System)


def run(*command: object) -> str:
    return subprocess.run([*map(str, command)], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def written(compared: Compared) -> Iterator[str]:
    """Give the lines of the file: a JSON string is a TOML string too."""

    def value(text: object) -> str:
        return json.dumps(text, ensure_ascii=False)

    yield "# What other systems keep of the suite on the page conform: written by `make conform`, never by hand."
    yield f"date = {compared.date}"
    yield f"suite = {value(compared.suite)}"
    for system in compared.systems:
        yield "\n[[systems]]"
        yield f"name = {value(system.name)}"
        versions = (f"{value(name)} = {value(version)}" for name, version in system.versions.items())
        yield f"versions = {{ {', '.join(versions)} }}"
        yield f"python = {value(system.python)}"
        yield f"not_offered = {value(list(system.not_offered))}"
        yield "differs = ["
        for each in system.differs:
            yield f"    {{ row = {value(each.row)}, expected = {value(each.expected)}, got = {value(each.got)} }},"
        yield "]"


def changes(before: Compared | None, now: Compared) -> Iterator[str]:
    old = {} if before is None else {system.name: system for system in before.systems}
    rows = [fence.anchor for fence in suite(DOCS, "zh").transcripts]
    for system in now.systems:
        if system.name not in old:
            yield f"{system.name}: is new"
            continue
        was = old[system.name]
        if was.versions != system.versions:
            yield f"{system.name}: {dict(was.versions)} -> {dict(system.versions)}"
        for row in rows:
            if was.outcome(row) != system.outcome(row):
                yield f"{system.name} {row}: {was.outcome(row)} -> {system.outcome(row)}"


def main() -> int:
    before = read_compared(DOCS) if conform_file(DOCS).exists() else None
    pinned: dict[str, Mapping[str, str]] = {}
    if before is not None and "--latest" not in sys.argv:
        pinned = {system.name: system.versions for system in before.systems}

    def told(name: str) -> System | None:
        try:
            system = column(name, pinned.get(name, {}))
        except subprocess.CalledProcessError as error:
            print(f"{name}: skipped\n{error.stderr.strip()[-2000:]}", flush=True)
            return None
        print(
            f"{name} {system.versions}: {len(system.differs)} differ, {len(system.not_offered)} not offered", flush=True
        )
        return system

    with ThreadPoolExecutor(2) as two:
        systems = [*two.map(told, SYSTEMS)]
    now = Compared(date.today(), digest(suite(DOCS, "zh")), [system for system in systems if system])
    changed = [*changes(before, now)]
    print(*changed, sep="\n")
    if changed or before is None or before.suite != now.suite:
        conform_file(DOCS).write_text("\n".join(written(now)) + "\n", "utf-8")
    return 1 if changed or None in systems else 0


if __name__ == "__main__":
    sys.exit(main())
