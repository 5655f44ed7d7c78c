"""Without a tool the run passes and says what is missing; in CI it fails."""

import pytest

TEST = """
import pytest

@pytest.fixture
def never_made():
    raise AssertionError

@pytest.mark.needs("nginx")
def test_a(never_made): ...

@pytest.mark.needs("nginx")
def test_b(never_made): ...

def test_c(): ...
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the tests above with nothing in PATH but the test's own folder: exit code and output."""
    pytester.makepyfile(TEST)
    monkeypatch.setenv("PATH", str(pytester.path))
    monkeypatch.delenv("CI", raising=False)

    def run_tests() -> tuple[int, str]:
        done = pytester.runpytest_inprocess("-q", "-p", "tools", "-p", "no:cacheprovider")
        return done.ret, str(done.stdout)

    return run_tests


def test_without_a_tool_its_tests_are_skipped_and_the_last_lines_say_so(run):
    code, output = run()
    assert 0 == code, output
    assert "1 passed, 2 skipped" in output
    assert "nginx is missing: 2 tests were skipped; on Debian: apt-get install nginx-light" in output


def test_in_ci_a_missing_tool_is_a_failure(run, monkeypatch):
    monkeypatch.setenv("CI", "1")
    code, output = run()
    assert 1 == code, output
    assert "1 passed, 2 errors" in output


def test_with_the_tool_its_tests_run(run, pytester):
    (pytester.path / "nginx").touch(mode=0o755)
    assert "1 passed, 2 errors" in run()[1]  # the fixture that must not be made
