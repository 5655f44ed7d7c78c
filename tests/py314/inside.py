"""What runs inside Pyodide: pytest, on an event loop that waits for nothing, and without what the platform can't do."""

import asyncio
import platform
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Final

import pytest

TESTS: Final = (
    *(f"tests/test_{name}.py" for name in (
        "answers", "binding", "codec", "connection", "context", "explanations", "finding", "guards", "inmemory",
        "lifecycle", "one_way_in", "parameters", "properties", "rooms", "routing", "testing", "testing_time",
        "unread_annotations", "views", "websocket",
    )),
    "tests/transcript",
    "docs",
)  # fmt: skip
"""The tests of the library that need neither a socket nor a process of their own."""

NO_THREADS: Final = "can't start new thread"
NO_TRIO: Final = "No module named 'trio'"
STACK: Final = "a recursion in C overruns the stack of WebAssembly, which ends the interpreter"

NEVER_RUN: Final = {
    "tests/test_codec.py::test_a_circle_is_a_value_error": STACK,
    # What thread it lacks is not told by the test: an answer of 500, and a coroutine that nothing awaits.
    "tests/test_routing.py::test_exception_handlers_of_the_application_are_asked_first": NO_THREADS,
    "tests/test_websocket.py::test_an_event_loop_that_is_closed_meanwhile_ends_all_the_same": NO_THREADS,
}
"""Test -> why it isn't even tried; each test that names trio's event loop as its own is left out too."""

REFUSALS: Final = {
    NO_THREADS: (
        'auth.md: browser = TestClient(app, base_url="https://chat.example", headers={"origin": "https://chat.example"})',
        "auth.md: client = TestClient(programs)",
        "from-lihil.md: client = TestClient(app)",
        "lifecycle.md: http = TestClient(app)",
        'parameters.md: assert TestClient(app).get("/language", headers={"accept-language": "ru"}).text == "ru"',
        "production.md: await anyio.to_thread.run_sync(stop_while_connected)",
        "wire.md: lines, echo = await anyio.to_thread.run_sync(talk)",
        "command.md: $ reference-ws run closing#close-twice --quiet --url ws://127.0.0.1:8000",
        'command.md: $ reference-ws examples | grep -A 1 "closing#close-twice"',
        "command.md: $ cat hi.ws",
        "command.md: $ printf quit | reference-ws connect ws://127.0.0.1:8000/live/closing/private",
        'routing.md: assert TestClient(both).get("/hello").text == "over HTTP"',
        'sse.md: response = TestClient(app).get("/countdown?from=2")',
        'testing.md: with TestClient(app).websocket_connect("/double") as websocket:',
        'together.md: async with connect(app, "/meet") as ana, connect(app, "/meet") as li:',
        'together.md: async with connect(app, "/sum") as ana:',
        "together.md: await to_thread.run_sync(on_trio)",
        "tests/test_guards.py::test_http_is_left_alone",
        "tests/test_routing.py::test_a_handler_for_all_exceptions_is_for_http_as_in_starlette",
        "tests/test_routing.py::test_an_exception_handler_that_raises_is_an_error_of_the_handler",
        "tests/test_routing.py::test_http_and_mounts_live_beside",
        "tests/test_routing.py::test_one_middleware_for_a_whole_group_which_may_hold_http_routes",
        "tests/test_routing.py::test_starlettes_routes_may_be_among_them",
        "tests/test_routing.py::test_what_stands_behind_starlettes_route_under_a_prefix_is_found",
        "tests/test_testing_time.py::test_a_thread_is_really_waited_for",
        "tests/test_testing_time.py::test_a_thread_that_never_ends_is_told",
        "tests/test_websocket.py::test_any_starlette_response_can_refuse[asyncio-file]",
        "tests/test_websocket.py::test_any_starlette_response_can_refuse[asyncio-streamed]",
        "tests/transcript/test_observer.py::test_http_passes_through",
        "tests/transcript/test_player.py::test_a_client_leaves_over_a_socket_as_is_written",
        "tests/transcript/test_recorder.py::test_http_passes_through",
    ),
    "reaches nothing outside the program": (
        "tests/transcript/test_player.py::test_a_header_beyond_ascii_is_read_alike_in_memory_and_over_a_socket",
        "tests/transcript/test_player.py::test_a_server_that_is_not_there_is_a_failure",
        "tests/transcript/test_player.py::test_at_the_end_the_client_over_a_socket_leaves_as_one_whose_page_is_closed",
        "tests/transcript/test_player.py::test_a_subprotocol_that_the_client_did_not_offer_fails_at_the_accept",
        "tests/transcript/test_player.py::test_over_a_socket_the_inside_is_not_checked_and_that_is_told",
        "tests/transcript/test_player.py::test_the_same_passes_and_fails_over_a_socket",
    ),
    "emscripten does not support processes": (
        "command.md: $ reference-ws --help",
        "command.md: $ reference-ws run closing#close-twice --quiet",
        "command.md: $ reference-ws play greet.ws --app greet:app",
        "command.md: $ reference-ws play wrong.ws --app greet:app --quiet; echo $?",
        "command.md: $ reference-ws conform --app greet:app; echo $?",
        'conform.md: $ reference-ws conform --app small:app | grep -A 5 "^handler-ends"',
        "command.md: $ reference-ws explain 1006",
        "command.md: $ reference-ws explain send-after-clos",
        "command.md: $ reference-ws run closing#close-twise --quiet; echo $?",
        "tests/test_testing_time.py::test_the_plugin_gives_marked_tests_the_loop",
        "tests/transcript/test_plugin.py::test_a_difference_is_shown_with_the_exception_behind_it_and_nothing_else",
        "tests/transcript/test_plugin.py::test_a_fixture_that_fails_is_shown_as_always",
        "tests/transcript/test_plugin.py::test_a_line_that_is_not_understood_fails_its_own_file_alone",
        "tests/transcript/test_plugin.py::test_a_missing_fixture_is_told",
        "tests/transcript/test_plugin.py::test_each_file_is_a_test_with_the_fixture_of_its_folder",
    ),
    "SSL is not supported in Pyodide": ("wire.md: hello = outgoing.read()",),
    NO_TRIO: ("tests/test_testing_time.py::test_in_trio_the_way_to_hold_time_is_told",),
}
"""What the platform says -> the tests that must fail with it: one that passes has to go from here.

A document's sample is named by its page and a line of its code, which is the same in the three languages.
"""


def names(item: pytest.Item) -> set[str]:
    """Tell under which names a test may stand in the tables."""
    code = getattr(getattr(getattr(item, "example", None), "parsed", None), "source", "")
    return {
        item.nodeid,
        item.nodeid.partition("[")[0],
        *(f"{item.path.name}: {line.strip()}" for line in code.splitlines()),
    }


class LeavingOut:
    """Leaves out what can't run here, and counts."""

    def __init__(self) -> None:
        self.passed = 0
        self.left_out: Counter[str] = Counter()

    def pytest_configure(self) -> None:
        from reference_ws.testing import HeldTimeLoop  # here: pytest wants to import anyio first, which is a plugin

        asyncio.new_event_loop = asyncio.events.new_event_loop = HeldTimeLoop

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        never = {}
        for item in items:
            values = getattr(getattr(item, "callspec", None), "params", {}).values()
            if reason := NO_TRIO if "trio" in values else next(filter(None, map(NEVER_RUN.get, names(item))), None):
                never[item] = reason
        self.left_out.update(never.values())
        items[:] = [item for item in items if item not in never]
        config.hook.pytest_deselected(items=list(never))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        refusal = next((words for words, tests in REFUSALS.items() if names(item).intersection(tests)), None)
        if report.when == "call" and refusal is not None:
            if report.passed:
                report.outcome, report.longrepr = "failed", f"passes, though tests/py314/inside.py expects: {refusal}"
            elif refusal in str(report.longrepr):
                report.outcome, report.longrepr = "skipped", (str(item.path), 0, refusal)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed += 1
        elif report.skipped:
            self.left_out[report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)] += 1

    def __str__(self) -> str:
        reasons = "; ".join(f"{count} because: {reason}" for reason, count in self.left_out.most_common())
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
