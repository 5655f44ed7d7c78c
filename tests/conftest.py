"""What tests of every part need: anyio's two event loops, the command in this process, and what is made once a run."""

import gc
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reference_ws.testing import HeldTimeLoop

pytest_plugins = ["counted", "pytester", "wheel"]  # and "tools", which the documents need too: conftest.py above


def pytest_configure() -> None:
    # Processes inherit that Ctrl-C is ignored, as it is in a run in the background; a handler they don't.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the whole numbers, in minutes instead of seconds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("full"):
        more = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if item not in more]
        config.hook.pytest_deselected(items=more)


@pytest.fixture(scope="module", autouse=True)
def _few_objects() -> None:
    """Put what pytest's collection has made out of the garbage collector's sight: 300,000 objects that stay.

    A test that collects garbage goes through all of them, and one that runs pytest in this process does so five times.
    `gc.unfreeze`, which some tests need, brings them back: hence for each module.
    """
    # Hypothesis asks the collector, in its first run, who refers to an object: not seeing anybody, it would warn.
    if "hypothesis" in sys.modules and not gc.get_freeze_count():
        from hypothesis import given, strategies

        given(strategies.none())(lambda _: None)()
        gc.collect()
        gc.freeze()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """Run an async test (``@pytest.mark.anyio``) on asyncio and on trio: in memory no real time passes.

    With ``@pytest.mark.real_time`` it does: for sockets, and because trio's clock would jump while a thread works.
    """
    if request.node.get_closest_marker("real_time"):
        return request.param, {}
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": HeldTimeLoop}
    from trio.testing import MockClock  # here: Pyodide has no trio (`make py314`)

    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture(scope="session")
def once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Callable[[Path], object]], Path]:
    """Let a function fill a folder once a run, in whichever worker wants it first; the others wait until it is there.

    The folder is every test's: none may change it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base

    def made(name: str, fill: Callable[[Path], object]) -> Path:
        import fcntl  # here: Pyodide has none (`make py314`)

        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, also by the end of a worker
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return made


@pytest.fixture
def run_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, str]]:
    """Run `reference-ws` with these arguments: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[object, str, str]:
        from reference_ws.guide import command

        monkeypatch.setattr(sys, "argv", ["reference-ws", *arguments])
        with pytest.raises(SystemExit) as exit_:
            command.main()
        output = capsys.readouterr()
        return exit_.value.code, output.out, output.err

    return run
