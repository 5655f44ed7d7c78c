"""What tests of every part need: the two event loops of anyio's pytest plugin, and the command run in this process."""

import sys
from collections.abc import Callable

import pytest
from trio.testing import MockClock

from reference_ws.guide import command
from reference_ws.testing import HeldTimeLoop

pytest_plugins = ["tools"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the whole numbers, in minutes instead of seconds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("full"):
        more = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if item not in more]
        config.hook.pytest_deselected(items=more)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """Run an async test (``@pytest.mark.anyio``) on asyncio and on trio: in memory no real time passes.

    With ``@pytest.mark.real_time`` it does: for sockets, and because trio's clock would jump while a thread works.
    """
    if request.node.get_closest_marker("real_time"):
        return request.param, {}
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": HeldTimeLoop}
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def run_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, str]]:
    """Run `reference-ws` with these arguments: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["reference-ws", *arguments])
        with pytest.raises(SystemExit) as exit_:
            command.main()
        output = capsys.readouterr()
        return exit_.value.code, output.out, output.err

    return run
