"""Run what the pages say of other systems, each in an environment of its own: ``python -m peers [--latest] [system]``.

The environments are made under ``.cache/peers``, from ``constraints/<system>.txt``; with ``--latest`` from the newest
releases. ``docs/peers.toml`` is written by this and by nothing else; where a run finds another thing than the pages
say, it fails. With ``--latest`` nothing is written but a report, which says claim by claim what has changed, and the
constraints that would make these releases the ones of the pages.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from reference_ws.guide.peers import SYSTEMS as LETTERS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache/peers"
RECORD = ROOT / "docs/peers.toml"
SERVERS = ("uvicorn", "hypercorn", "granian")


class System(NamedTuple):
    """One environment: what is installed, whose versions are told, and with which of the Pythons (none: with any)."""

    packages: Sequence[str]
    told: Sequence[str]
    pythons: Sequence[str] = ()
    served: bool = True


SYSTEMS = {
    "indexpy": System(["index.py"], ["index.py", "baize"], ["3.13", "3.12", "3.11", "3.10"]),  # pydantic 1
    "indexpy014": System(["index.py==0.14.1", "markupsafe==2.0.1"], ["index.py"], ["3.7"], served=False),
    "kui": System(["kui"], ["kui"]),
    "fastapi": System(["fastapi", "itsdangerous"], ["fastapi", "starlette"]),
    "lilya": System(["lilya"], ["lilya"]),
    "lihil": System(["lihil", "httpx"], ["lihil", "ididi", "starlette"]),
}


class UnavailableError(Exception):
    """There is no such Python here."""


def say(text: str) -> None:
    print(text, flush=True)


def python_of(system: System) -> str:
    """Find a Python that a system works with."""
    own = "{}.{}".format(*sys.version_info)
    if not system.pythons or own in system.pythons:
        return sys.executable
    pyenv = Path.home() / ".pyenv/versions"
    for version in system.pythons:
        for name in (f"python{version}", *(f"{home}/bin/python" for home in pyenv.glob(f"{version}.*"))):
            try:
                got = subprocess.run([name, "-c", "import venv"], capture_output=True)
            except OSError:
                continue
            if got.returncode == 0:
                return name
    raise UnavailableError(f"no Python {' or '.join(system.pythons)} here")


def pip(system: System, python: Path) -> list[str]:
    """Say how packages get into an environment: with the pip that is here, or, where that is too new, with its own."""
    here = [sys.executable, "-m", "pip", "--python", str(python)] if system.served else [str(python), "-m", "pip"]
    return [*here, "--disable-pip-version-check"]


def freeze(system: System, python: Path) -> str:
    return subprocess.run([*pip(system, python), "freeze"], capture_output=True, text=True, check=True).stdout


def environment(name: str, latest: bool) -> Path:
    """Make the environment of a system, or take the one that is there; returns its Python."""
    system = SYSTEMS[name]
    home = CACHE / "latest" / name if latest else CACHE / name
    constraints = HERE / f"constraints/{name}.txt"
    stamp = home / "ready"
    want = f"{datetime.date.today()}" if latest else constraints.read_text()
    if not (stamp.exists() and stamp.read_text() == want):
        started = time.monotonic()
        bare = ["--without-pip"] if system.served else []
        subprocess.run([python_of(system), "-m", "venv", "--clear", *bare, home], check=True)
        servers = [*SERVERS, "websockets", "wsproto"] if system.served else []
        # What the pages name is all there, to the last dependency; an old release that they name has no newer one.
        exactly = ["--no-deps", "-r", str(constraints)]
        subprocess.run(
            [*pip(system, home / "bin/python"), "install", "-q"]
            + ([*system.packages, *servers] if latest and system.served else exactly),
            check=True,
            stderr=None if system.served else subprocess.DEVNULL,
        )
        stamp.write_text(want)
        say(f"  {name}: installed in {time.monotonic() - started:.0f} s")
    return home / "bin/python"


def run(name: str, python: Path) -> list[dict[str, Any]]:
    """Run the claims of a system: what each has observed, and what the pages say."""
    command = [python, "-W", "ignore", "claims.py", f"of_{name}"]
    got = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    lines = [json.loads(line[1:]) for line in got.stdout.splitlines() if line.startswith("@")]
    if got.returncode or not lines:
        raise SystemExit(f"{name}: the run ended with {got.returncode}\n{got.stderr[-3000:]}")
    return lines


def evidence(observed: dict[str, Any]) -> str:
    """Say what was observed in one line."""
    return "; ".join(f"{case}: {_written(value)}" if case else _written(value) for case, value in observed.items())


def _written(value: Any) -> str:
    """Write a value; of the servers those together that do the same, and of a list of equal ones just one."""
    if isinstance(value, dict) and any("uvicorn" in key for key in value):
        alike: dict[str, list[str]] = {}
        for key, each in value.items():
            alike.setdefault(_written(each), []).append(key)
        if len(alike) == 1 and len(value) > 1:
            return f"{next(iter(alike))} (on {len(value)} setups)"
        return ", ".join(f"{text} ({', '.join(keys)})" for text, keys in alike.items())
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value[0] if len(set(value)) == 1 else ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def versions(name: str, python: Path) -> dict[str, Any]:
    """Tell which releases were run."""
    here = dict(line.lower().split("==") for line in freeze(SYSTEMS[name], python).splitlines() if "==" in line)
    told = {"versions": [f"{package} {here[package]}" for package in SYSTEMS[name].told]}
    if SYSTEMS[name].served:
        told["servers"] = [f"{server} {here[server]}" for server in SERVERS]
    number = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True)
    return {**told, "python": number.stdout.decode().strip()}


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Say what has changed from one record to the other, release by release and claim by claim."""
    for name, system in after["systems"].items():
        old = before["systems"].get(name, {})
        for key in ("versions", "servers"):
            if old.get(key) != system.get(key):
                yield f"{name}: {', '.join(old.get(key, ['nothing']))} -> {', '.join(system.get(key, []))}"
    for name, now in after["claims"].items():
        was = before["claims"].get(name)
        if was is None:
            yield f"{name} {now['verdict']} (new): {now['evidence']}"
        elif (was["verdict"], was["evidence"]) != (now["verdict"], now["evidence"]):
            yield f"{name} {was['verdict']} -> {now['verdict']}\n    was: {was['evidence']}\n    now: {now['evidence']}"


def main() -> int:
    """Run everything; 1 where something isn't as the pages say."""
    parser = argparse.ArgumentParser(prog="python -m peers")
    parser.add_argument("--latest", action="store_true", help="take the newest releases, and report what has changed")
    parser.add_argument("systems", nargs="*", choices=[*SYSTEMS, []], help="only these; docs/peers.toml keeps the rest")
    options = parser.parse_args()
    before = msgspec.toml.decode(RECORD.read_bytes()) if RECORD.exists() else {"systems": {}, "claims": {}}
    names = options.systems or list(SYSTEMS)
    started = time.monotonic()
    say(f"Making {len(names)} environments under {CACHE.relative_to(ROOT)} (once; two at a time) ...")

    def prepare(name: str) -> Path | UnavailableError:
        try:
            return environment(name, options.latest)
        except UnavailableError as missing:
            return missing

    with ThreadPoolExecutor(2) as pool:
        pythons = dict(zip(names, pool.map(prepare, names), strict=True))
    after: dict[str, Any] = {"systems": {}, "claims": {}}
    failed: list[str] = []
    for number, (name, python) in enumerate(pythons.items(), 1):
        if isinstance(python, UnavailableError):
            say(f"[{number}/{len(names)}] {name}: SKIPPED, {python}; what docs/peers.toml says of it stays")
            continue
        since = time.monotonic()
        lines = run(name, python)
        told = versions(name, python)
        after["systems"][name] = {**told, "date": f"{datetime.date.today()}"}
        otherwise = [line for line in lines if line["observed"] != line["expected"]]
        for line in lines:
            entry = {"system": name, "verdict": line["verdict"], "fact": line["fact"].replace("_", " ")}
            after["claims"][line["id"]] = {**entry, "evidence": evidence(line["observed"])}
        failed += [
            f"{line['id']} {line['fact']}\n    the pages say: {evidence(line['expected'])}\n"
            f"    the run finds: {evidence(line['observed'])}"
            for line in otherwise
        ]
        count = Counter(line["verdict"] or "more" for line in lines)
        counted = ", ".join(f"{n} {verdict}" for verdict, n in count.items())
        say(
            f"[{number}/{len(names)}] {', '.join(told['versions'])} on Python {told['python']}: {len(lines)} statements"
            f" ({counted}), {len(otherwise)} not as the pages say, {time.monotonic() - since:.0f} s"
        )
    say(f"{len(after['claims'])} statements run in {time.monotonic() - started:.0f} s.")
    changed = list(differences(before, after))
    if options.latest:
        return report(changed, failed, pythons)
    for line in failed:
        say(line)
    if failed:
        say(f"{len(failed)} statements are not as the pages say; {RECORD.relative_to(ROOT)} stays as it is.")
        return 1
    for line in changed:
        say(line)
    if changed:
        write(before, after)
        say(f"{RECORD.relative_to(ROOT)} is written anew: see whether the sentences of the pages still hold.")
        return 1
    skipped = [name for name, python in pythons.items() if isinstance(python, UnavailableError)]
    say(f"Everything is as the pages say{f', but not run: {skipped}' if skipped else ''}.")
    return 0


def write(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Write the record: what was run now, and of what couldn't be run what stood there."""
    unrun = [name for name in before["systems"] if name not in after["systems"]]
    kept = {name: claim for name, claim in before["claims"].items() if claim["system"] in unrun}
    systems = {**before["systems"], **after["systems"]}
    merged = {
        "systems": {name: systems[name] for name in SYSTEMS if name in systems},
        "claims": dict(sorted({**kept, **after["claims"]}.items(), key=lambda item: order(item[0]))),
    }
    head = "# What the released packages do: written by `make peers`, never by hand.\n\n"
    tables = (
        f"[{table}]\n" + "".join(f"{name} = {_inline(entry)}\n" for name, entry in entries.items())
        for table, entries in merged.items()
    )
    RECORD.write_text(head + "\n".join(tables), encoding="utf-8")


def _inline(entry: dict[str, Any]) -> str:
    """Write a table of TOML in one line; JSON's strings and lists are TOML's."""
    return f"{{ {', '.join(f'{key} = {json.dumps(value, ensure_ascii=False)}' for key, value in entry.items())} }}"


def order(name: str) -> tuple[int, int, str]:
    """Sort I1, I2, ... I25, then K, F, L and H, as the pages do."""
    number = name[1:].partition("-")[0]
    return [*LETTERS].index(name[0]), int(number), name


def report(changed: list[str], failed: list[str], pythons: dict[str, Any]) -> int:
    """Leave the report of the newest releases, and the constraints that would make the pages speak of them."""
    folder = CACHE / "latest"
    (folder / "constraints").mkdir(parents=True, exist_ok=True)
    for name, python in pythons.items():
        if not isinstance(python, UnavailableError):
            (folder / f"constraints/{name}.txt").write_text(freeze(SYSTEMS[name], python))
    text = "\n".join(
        [
            f"# The newest releases on {datetime.date.today()}, compared with docs/peers.toml",
            "",
            *(changed or ["Nothing has changed."]),
            "",
            f"## Not as the pages say: {len(failed)}",
            "",
            *failed,
            "",
        ]
    )
    (folder / "report.md").write_text(text, encoding="utf-8")
    say(text)
    say(f"The report is {(folder / 'report.md').relative_to(ROOT)}. To let the pages speak of these releases:")
    say(f"cp {(folder / 'constraints').relative_to(ROOT)}/*.txt tests/peers/constraints/ && make peers")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
