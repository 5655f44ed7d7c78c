"""``*.ws`` files are tests of pytest."""

from pathlib import Path

import pytest

PROGRAM = """
from contextlib import asynccontextmanager
from reference_ws import App, WebSocket

@asynccontextmanager
async def lifespan(app):
    yield {"factor": 2}

app = App(lifespan=lifespan)

@app.router.websocket("/double")
async def double(websocket: WebSocket):
    await websocket.accept()
    async for number in websocket.iter_json():
        await websocket.send_json(websocket.state.factor * number / (number != 13))
"""
CONFTEST = """
import pytest
import program

@pytest.fixture
def app():
    return program.app
"""
GOOD = "-> connect /double\n<- accept\n-> json 2\n<- json 4.0\n"


@pytest.fixture
def project(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they are no part of this, and take as long as the rest
    pytester.makepyfile(program=PROGRAM)

    def run(conftest=CONFTEST, **files):
        pytester.makeconftest(conftest)
        for name, text in files.items():
            (pytester.path / f"{name}.ws").write_text(text, "utf-8")
        return pytester.runpytest_subprocess("-p", "reference_ws.transcript.plugin", "-W", "error")

    return run


def test_each_file_is_a_test_with_the_fixture_of_its_folder(project, pytester):
    other = pytester.mkdir("inner")
    (other / "conftest.py").write_text(CONFTEST.replace("return program.app", "return program.App()"))
    (other / "nowhere.ws").write_text("-> connect /double\n<- deny 404\n")
    result = project(one=GOOD, marked="\ufeff" + GOOD)
    result.assert_outcomes(passed=3)


def test_a_difference_is_shown_with_the_exception_behind_it_and_nothing_else(project):
    result = project(fails=GOOD + "-> json 13\n<- json 26.0\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fails.ws:6: expected and got differ",
            "  - <- json 26.0",
            "  + <- close 1011",
            "the application raised ZeroDivisionError: *",
            "  at *program.py:14 in double: *",
            "FAILED fails.ws::transcript*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*player.py*")


def test_a_line_that_is_not_understood_fails_its_own_file_alone(project):
    result = project(odd="-> conect /\n", good=GOOD)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["odd.ws:1:4: expected connect, *", "-> conect /", "   ^"])


def test_a_missing_fixture_is_told(project):
    result = project(conftest="", good=GOOD)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["good.ws needs a fixture called app: *"])


def test_a_fixture_that_fails_is_shown_as_always(project):
    result = project(conftest=CONFTEST.replace("return program.app", "raise LookupError('no program')"), good=GOOD)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LookupError: no program"])
