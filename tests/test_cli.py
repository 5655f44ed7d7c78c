import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from reference_ws import cli
from reference_ws.guide import server, site


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command in this process, with an empty documentation: exit code, stdout, stderr."""
    monkeypatch.setattr(site, "source_root", lambda: tmp_path)
    monkeypatch.setattr(site, "default_output", lambda: tmp_path / "site")
    monkeypatch.setattr(site, "is_stale", lambda _: False)
    monkeypatch.setattr(server, "serve", lambda *_, ready: ready())
    (tmp_path / "site").mkdir()

    def run_command(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["reference-ws", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        output = capsys.readouterr()
        return exit_.value.code, output.out, output.err

    return run_command


@pytest.fixture
def opened(monkeypatch):
    """The addresses that the browser was sent to."""
    addresses: list[str] = []
    monkeypatch.setattr(cli.webbrowser, "open", addresses.append)
    return addresses


def test_version_is_the_package_s(run):
    assert (0, f"reference-ws {version('reference-ws')}\n", "") == run("--version")


def test_help_names_the_commands(run):
    code, output, _ = run("--help")

    assert 0 == code
    assert "serve  Read the documentation, with its examples live." in output


def test_help_of_serve_names_defaults(run):
    _, output, _ = run("serve", "--help")

    assert "[default: 127.0.0.1]" in " ".join(output.split())
    assert "[default: 8000;" in output


def test_unknown_option_is_told(run):
    code, _, errors = run("serve", "--prot", "80")

    assert 2 == code
    assert "No such option" in errors


def test_address_is_one_line(run, opened):
    code, output, errors = run("serve", "--port", "0", "--no-browser")

    assert (0, 1, "") == (code, output.count("\n"), errors)
    assert output.startswith("Serving http://127.0.0.1:")
    assert [] == opened


def test_browser_opens_the_address(run, opened):
    _, output, _ = run("serve", "--port", "0")

    assert [output.split()[1]] == opened


def test_unknown_host_is_one_line(run):
    code, _, errors = run("serve", "--host", "192.0.2.1", "--port", "0")

    assert (2, 1) == (code, errors.count("\n"))
    assert errors.startswith("reference-ws: can't listen on port 0 of 192.0.2.1: choose another --host or --port")


def test_stale_site_is_built(run, monkeypatch, tmp_path):
    built: list[Path] = []
    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", lambda output, progress: built.append(output) or progress("Building"))

    code, _, _ = run("serve", "--port", "0", "--no-browser")

    assert (0, [tmp_path / "site"]) == (code, built)


def test_fresh_site_is_not_built(run, monkeypatch):
    monkeypatch.setattr(site, "build", lambda **_: pytest.fail("built"))

    assert 0 == run("serve", "--port", "0", "--no-browser")[0]


def test_site_that_can_not_be_built_is_one_line(run, monkeypatch):
    def build(**_):
        raise site.BuildError(["Doc file 'closing.md'\n contains a link", "second"])

    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", build)

    assert (
        2,
        "",
        "reference-ws: the documentation can't be built: Doc file 'closing.md' contains a link"
        " (and 1 more: `make check` lists them)\n",
    ) == run("serve", "--port", "0", "--no-browser")


def test_broken_page_is_one_line(run, tmp_path):
    page = tmp_path / "docs" / "ru" / "closing.md"
    page.parent.mkdir(parents=True)
    page.write_text("# A {#a}\n\n```pyton\nx\n```\n")

    assert (
        2,
        "",
        "reference-ws: docs/ru/closing.md:3: pyton is no fence of ours: use python, transcript, console, lifecycle\n",
    ) == run("serve", "--port", "0", "--no-browser")


def test_ctrl_c_while_building_is_a_good_end(run, monkeypatch):
    def build(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", build)

    assert (0, "", "") == run("serve", "--port", "0", "--no-browser")


@pytest.mark.parametrize("module", ["click", "uvicorn", "mkdocs", "rich"])
def test_missing_extra_is_one_line(module):
    code = f"import sys; sys.modules[{module!r}] = None; from reference_ws.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], capture_output=True, text=True, check=False, timeout=20
    )

    assert (2, "", f"reference-ws: {module} is not installed: run `pip install 'reference-ws[serve]'`\n") == (
        done.returncode,
        done.stdout,
        done.stderr,
    )
