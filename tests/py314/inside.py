"""What runs inside Pyodide: pytest, on an event loop that waits for nothing, and without what the platform can't do."""

import asyncio
import inspect
import platform
from collections import Counter
from collections.abc import Iterable
from typing import Final

import pytest

TESTS: Final = (
    *(f"tests/test_{name}.py" for name in (
        "binding", "codec", "connection", "context", "explanations", "finding", "guards", "inmemory", "lifecycle",
        "one_way_in", "parameters", "properties", "routing", "testing", "views", "websocket",
    )),
    "tests/transcript",
    "docs",
)  # fmt: skip
"""The tests of the library that need neither a socket nor a process of their own."""

NO_TRIO: Final = "trio refuses the platform"
STACK: Final = "the stack of WebAssembly overruns, which ends the interpreter"
NO_THREADS: Final = "there are no threads"
NO_SOCKETS: Final = "there are no sockets"

HELD: Final = "time is held: it stands while something is ready, and is not the clock's"

NEVER_RUN: Final = {"test_a_circle_is_a_value_error": STACK}
"""Part of a test's name or parameters -> why it isn't even tried."""

MUST_FAIL: Final[dict[str, str]] = {}
"""The same, and part of a document's fence -> why it is tried and must fail: should it pass, it has to go from here."""


def found(table: dict[str, str], text: str) -> str | None:
    return next((reason for part, reason in table.items() if part in text), None)


class LeavingOut:
    """Leaves out what can't run here, and counts."""

    def __init__(self) -> None:
        self.passed = 0
        self.left_out: Counter[str] = Counter()

    def pytest_configure(self) -> None:
        from reference_ws.testing import HeldTimeLoop  # here: pytest wants to import anyio first, which is a plugin

        asyncio.new_event_loop = asyncio.events.new_event_loop = HeldTimeLoop

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        tried, never = [], []
        for item in items:
            values = getattr(getattr(item, "callspec", None), "params", {}).values()
            fence = getattr(getattr(item, "example", None), "parsed", None)
            source = getattr(fence, "source", "") or (
                inspect.getsource(item.function) if hasattr(item, "function") else ""
            )
            text = "\n".join(
                [item.name, source, *(str(each) for each in values if isinstance(each, str | bytes | dict))]
            )
            if reason := NO_TRIO if "trio" in values else found(NEVER_RUN, text):
                self.left_out[reason] += 1
                never.append(item)
                continue
            if reason := found(MUST_FAIL, text):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
            tried.append(item)
        items[:] = tried
        config.hook.pytest_deselected(items=never)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed += 1
        elif report.skipped:
            self.left_out[getattr(report, "wasxfail", None) or str(report.longrepr)] += 1

    def __str__(self) -> str:
        reasons = "; ".join(f"{count} because {reason}" for reason, count in self.left_out.most_common())
        left_out = f"{self.left_out.total()} were left out" + (f" ({reasons})" if reasons else "")
        return f"CPython {platform.python_version()}: {self.passed} passed, {left_out}."


def run(arguments: Iterable[str]) -> int:
    asyncio._set_running_loop(None)  # Pyodide's own loop is said to be running; nothing here returns to it
    plugin = LeavingOut()
    given = list(arguments)
    tests = () if any(not each.startswith("-") for each in given) else TESTS
    exit_code = pytest.main([*given, *tests, "-q", "-rfE", "-p", "no:cacheprovider"], plugins=[plugin])
    print(plugin)
    return int(exit_code)
