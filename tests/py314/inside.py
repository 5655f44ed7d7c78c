"""What runs inside Pyodide: pytest, on an event loop that waits for nothing, and without what the platform can't do."""

import asyncio
import inspect
import platform
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

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

NEVER_RUN: Final = {
    "test_an_application_that_never_stops_sending_fails_in_time": HELD,
    "test_a_circle_is_a_value_error": STACK,
    "[" * 10_000: STACK,
    "served(": NO_SOCKETS,
    "test_json_that_python_can_not_hold_is_the_clients_fault": STACK,
}
"""Part of a test's name or parameters -> why it isn't even tried."""

MUST_FAIL: Final = {
    "TestClient(": NO_THREADS,
    "to_thread": NO_THREADS,
    "from websockets.": NO_SOCKETS,
    "test_a_server_that_is_not_there_is_a_failure": NO_SOCKETS,
    "test_any_starlette_response_can_refuse[asyncio-streamed]": NO_THREADS,
    "test_any_starlette_response_can_refuse[asyncio-file]": NO_THREADS,
    "test_time_counts_from_the_connect": HELD,
    "test_a_line_that_does_not_come_fails_in_time": HELD,
    "Thread(": NO_THREADS,
}
"""The same, and part of a document's fence -> why it is tried and must fail: should it pass, it has to go from here."""


class HeldLoop(asyncio.BaseEventLoop):
    """An event loop whose time is a number that it moves itself: to the next timer, when nothing is ready."""

    # What BaseEventLoop asks of its subclasses; the selector is the loop itself.
    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits, and there is no timer that could wake one")
        self._now += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...


def found(table: dict[str, str], text: str) -> str | None:
    return next((reason for part, reason in table.items() if part in text), None)


class LeavingOut:
    """Leaves out what can't run here, and counts."""

    def __init__(self) -> None:
        self.passed = 0
        self.left_out: Counter[str] = Counter()

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
    asyncio.new_event_loop = asyncio.events.new_event_loop = HeldLoop
    plugin = LeavingOut()
    given = list(arguments)
    tests = () if any(not each.startswith("-") for each in given) else TESTS
    exit_code = pytest.main([*given, *tests, "-q", "-rfE", "-p", "no:cacheprovider"], plugins=[plugin])
    print(plugin)
    return int(exit_code)
