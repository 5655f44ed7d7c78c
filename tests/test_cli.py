import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from server import WAIT_S

from reference_ws import __version__
from reference_ws.guide import command, serving, site
from reference_ws.guide.pages import read_page, source_root
from reference_ws.guide.words.catalogs import LANGUAGES, catalog

COMMANDS = ("conform", "connect", "examples", "explain", "play", "run", "serve")


@pytest.fixture
def run(monkeypatch, run_command):
    """Run the command in this process, for an English reader: exit code, stdout, stderr."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")

    return run_command


# --- what the pages say -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_command_has_a_section_for_each_command_with_its_options(run, language):
    text = (source_root() / "docs" / language / "command.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (\w+)[:：].*?$(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL))

    assert set(COMMANDS) == set(sections)
    for name, section in sections.items():
        options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", run(name, "--help")[1], re.MULTILINE))
        assert options - {"--lang", "--help"} == set(re.findall(r"`(--[\w-]+)`", section)), name


# --- help and language ------------------------------------------------------------------------------------------------


def test_version_is_the_package_s(run):
    assert (0, f"reference-ws {__version__}\n", "") == run("--version")


def test_help_names_the_commands(run):
    code, output, _ = run("--help")

    assert 0 == code
    assert list(COMMANDS) == re.findall(r"^  (\w+)  +\S", output.partition("Commands:\n")[2], re.MULTILINE)


def test_no_command_shows_the_help(run):
    code, output, errors = run()

    assert (2, "") == (code, output)
    assert errors.startswith("Usage: reference-ws [OPTIONS] COMMAND")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
@pytest.mark.parametrize(
    ("language", "usage", "options", "help_"),
    [
        ("zh", "用法：", "选项:", "显示这段帮助并退出。"),
        ("pt", "Uso:", "Opções:", "Mostra esta ajuda e termina."),
        ("ru", "Использование:", "Параметры:", "Показать эту справку и выйти."),
    ],
)
def test_help_is_in_the_reader_s_language(run, command, language, usage, options, help_):
    code, output, _ = run(*command, "--lang", language, "--help")

    assert 0 == code
    assert output.startswith(usage)
    assert options in output
    assert help_ in " ".join(output.split())
    assert [] == re.findall(r"\b(?:Show|Usage|Options|Commands|the)\b", output)


def test_help_after_lang_and_before_it_are_equal(run):
    assert run("--lang", "pt", "run", "--help") == run("run", "--help", "--lang", "pt")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANG": "pt_BR.UTF-8"}, "pt"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "ru_RU.UTF-8", "LC_MESSAGES": "pt_PT"}, "pt"),
        ({"LANG": "ru_RU.UTF-8", "LC_MESSAGES": "pt_PT", "LC_ALL": "zh_CN"}, "zh"),
        ({"LANG": "fi_FI.UTF-8"}, "en"),
        ({"LANG": ""}, "en"),
    ],
)
def test_language_is_that_of_the_environment(run, monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert catalog(expected).gettext("Don't open a browser.") in " ".join(run("serve", "--help")[1].split())


def test_lang_wins_over_the_environment(run, monkeypatch):
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")

    assert run("--lang", "en", "--help")[1].startswith("Usage: reference-ws")


def test_lang_takes_a_region(run):
    assert run("--lang", "pt", "--help") == run("--lang", "pt-BR", "--help")


def test_the_environment_stays_as_it_was(run, monkeypatch):
    monkeypatch.setenv("LANGUAGE", "fi")
    run("--lang", "ru", "examples")

    assert "fi" == os.environ["LANGUAGE"]


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--lang", "fr", "examples"], "there is no language 'fr': choose one of zh, pt, ru, en"),
        (["serv"], "No such command 'serv'. Did you mean 'serve'?"),
        (["serve", "--no-browsers"], "No such option '--no-browsers'. Did you mean '--no-browser'?"),
        (["serve", "--port", "x"], "Invalid value for '--port': 'x' is not a valid integer range."),
        (["run"], "Missing argument 'PAGE[#ANCHOR]'."),
        (["run", "--lang"], "Option '--lang' requires an argument."),
        (["examples", "closing"], "Got unexpected extra argument (closing)"),
        (["run", "closin"], "there is no page closin: did you mean closing?"),
        (["run", "closing#denail"], "the page closing has no section denail: did you mean denial?"),
        (["run", "closing", "--url", "http://x"], "http://x is no WebSocket address: write ws://HOST:PORT/PATH"),
        (["run", "closing", "--url", "ws://x:y"], "ws://x:y is no WebSocket address: write ws://HOST:PORT/PATH"),
        (["connect", "ws:/x"], "ws:/x is no WebSocket address: write ws://HOST:PORT/PATH"),
        (["explain", "acept"], "'acept' can't be explained: did you mean accept?"),
        (["explain", "Disconect"], "'Disconect' can't be explained: did you mean disconnect, DISCONNECTED, connect?"),
        (["explain", "LifecyleError"], "'LifecyleError' can't be explained: did you mean LifecycleError?"),
        (["explain", "nix"], "'nix' can't be explained: without a word, everything is listed"),
        (["play", "nothing.ws"], "Invalid value for 'FILE': File 'nothing.ws' does not exist."),
    ],
)
def test_a_mistake_is_one_line(run, arguments, problem):
    assert (2, "", f"reference-ws: {problem}\n") == run(*arguments)


@pytest.mark.parametrize(
    ("language", "problem"),
    [
        ("zh", "没有 closin 这一页：你是想找 closing 吗？"),
        ("pt", "não existe a página closin: seria closing?"),
        ("ru", "страницы closin нет: может быть, closing?"),
    ],
)
def test_a_mistake_is_told_in_the_reader_s_language(run, language, problem):
    assert (2, "", f"reference-ws: {problem}\n") == run("run", "closin", "--lang", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_click_s_words_about_a_mistake_are_translated(run, language):
    errors = run("serve", "--port", "70000", "--lang", language)[2]

    assert "70000 is not in" not in errors
    assert "Invalid" not in errors
    assert "0<=x<=65535" in errors


# --- examples ---------------------------------------------------------------------------------------------------------


def test_examples_have_their_page_title_and_live_address(run):
    page = read_page(source_root() / "docs" / "pt" / "closing.md")
    section = next(heading for heading in page.headings if heading.anchor == "denial-unsupported")

    code, output, errors = run("examples", "--lang", "pt")
    lines = output.splitlines()
    at = lines.index(f"  closing#denial-unsupported  {section.title}")

    assert (0, "") == (code, errors)
    assert f"closing  {page.title}" in lines
    assert "    ws://127.0.0.1:8000/live/closing.nodenial/polite" == lines[at + 1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_examples_are_the_same_in_each_language(run, language):
    def addresses(name):
        return re.findall(r"ws://\S+", run("examples", "--lang", name)[1])

    assert [] != addresses("zh")
    assert addresses("zh") == addresses(language)


# --- explain ----------------------------------------------------------------------------------------------------------


def test_a_state_is_explained_with_all_that_can_happen_in_it(run):
    code, output, _ = run("explain", "connected")

    assert 0 == code
    assert output.startswith("CONNECTED\nThis side has done its part of the handshake")
    assert re.search(r"websocket\.close +-> DISCONNECTED +The application closes", output)
    assert re.search(r"websocket\.accept +accept-twice +The handshake is accepted already\.", output)
    assert output.endswith("\nhttp://127.0.0.1:8000/lifecycle/#states\n")


@pytest.mark.parametrize("word", ["accept", "websocket.accept", "ACCEPT"])
def test_a_message_is_explained_in_each_state(run, word):
    _, output, _ = run("explain", word)

    assert output.startswith("websocket.accept\n")
    assert re.search(r"CONNECTING +-> CONNECTED ", output)
    assert re.search(r"RESPONSE +denial-unfinished ", output)


@pytest.mark.parametrize("word", ["response.start", "http.response.start", "websocket.http.response.start"])
def test_the_messages_of_a_refusal_have_short_names(run, word):
    assert run("explain", word)[1].startswith("websocket.http.response.start\n")


def test_an_error_is_explained_with_its_remedy_and_its_place(run):
    assert (
        0,
        "send-before-accept\n"
        "Data can only be sent once the handshake is accepted.\n"
        "Call `await websocket.accept()` first.\n"
        "  CONNECTING    websocket.send\n"
        "\n"
        "http://127.0.0.1:8000/lifecycle/#before-accept\n",
        "",
    ) == run("explain", "send-before-accept")


@pytest.mark.parametrize(
    ("code", "name"), [("1006", "abnormal closure"), ("2500", "reserved"), ("3999", "registered"), ("4001", "private")]
)
def test_a_close_code_is_explained_by_its_range(run, code, name):
    assert run("explain", code)[1].startswith(f"{code}  {name}\n")


@pytest.mark.parametrize(
    ("reason", "place"),
    [
        ("messages have at most 65536 bytes", "limits"),
        ("Too many connections.", "limits"),
        ("This origin is not allowed here.", "origin"),
    ],
)
def test_the_reason_of_a_guard_is_explained_with_its_place(run, reason, place):
    code, output, _ = run("explain", reason)
    assert (0, reason) == (code, output.splitlines()[0])
    assert output.splitlines()[1].startswith("A guard ")
    assert f"http://127.0.0.1:8000/production/#{place}" == output.splitlines()[-1]


def test_a_number_that_is_no_close_code_is_not_explained(run):
    assert (2, "") == run("explain", "999")[:2]


@pytest.mark.parametrize(
    ("language", "link"),
    [
        ("zh", "http://127.0.0.1:8000/lifecycle/#close-codes"),
        ("pt", "http://127.0.0.1:8000/pt/lifecycle/#close-codes"),
        ("ru", "http://127.0.0.1:8000/ru/lifecycle/#close-codes"),
    ],
)
def test_an_explanation_names_the_page_of_the_reader_s_language(run, language, link):
    output = run("explain", "1011", "--lang", language)[1]

    assert link == output.splitlines()[-1]
    assert catalog(language).gettext("The server met a condition that it didn't expect.") in output


def test_without_a_word_everything_is_listed(run):
    output = run("explain")[1]

    for name in ("CONNECTING", "RESPONSE", "websocket.send", "send-after-close", "wrong-frame", "1000", "4000-4999"):
        assert re.search(rf"^{re.escape(name)}  +\S", output, re.MULTILINE)


# --- serve ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(monkeypatch, tmp_path):
    """An empty documentation, and a server that ends at once."""
    monkeypatch.setattr("reference_ws.guide.command.serve.source_root", lambda: tmp_path)
    monkeypatch.setattr(site, "default_output", lambda: tmp_path / "site")
    monkeypatch.setattr(site, "is_stale", lambda _: False)
    monkeypatch.setattr(site, "has_python", lambda _: True)  # nothing is fetched
    monkeypatch.setattr(serving, "serve", lambda *_, ready, full: ready())
    (tmp_path / "site").mkdir()


@pytest.fixture
def opened(monkeypatch, empty):
    """The addresses that the browser was sent to."""
    addresses: list[str] = []
    monkeypatch.setattr(command.serve.webbrowser, "open", addresses.append)
    return addresses


def test_help_of_serve_names_defaults(run):
    _, output, _ = run("serve", "--help")

    assert "[default: 127.0.0.1]" in " ".join(output.split())
    assert "[default: 8000;" in output


def test_address_is_one_line(run, opened):
    code, output, errors = run("serve", "--port", "0", "--no-browser")

    assert (0, 1, "") == (code, output.count("\n"), errors)
    assert output.startswith("Serving http://127.0.0.1:")
    assert [] == opened


def test_browser_opens_the_address(run, opened):
    _, output, _ = run("serve", "--port", "0")

    assert [output.split()[1]] == opened


@pytest.mark.usefixtures("empty")
def test_unknown_host_is_one_line(run):
    code, _, errors = run("serve", "--host", "192.0.2.1", "--port", "0")

    assert (2, 1) == (code, errors.count("\n"))
    assert errors.startswith("reference-ws: can't listen on port 0 of 192.0.2.1: choose another --host or --port")


@pytest.mark.usefixtures("empty")
def test_stale_site_is_built(run, monkeypatch, tmp_path):
    built: list[Path] = []
    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", lambda output, progress: built.append(output) or progress("zh"))

    code, _, _ = run("serve", "--port", "0", "--no-browser")

    assert (0, [tmp_path / "site"]) == (code, built)


@pytest.mark.usefixtures("empty")
def test_fresh_site_is_not_built(run, monkeypatch):
    monkeypatch.setattr(site, "build", lambda **_: pytest.fail("built"))

    assert 0 == run("serve", "--port", "0", "--no-browser")[0]


@pytest.mark.usefixtures("empty")
def test_site_that_can_not_be_built_is_one_line(run, monkeypatch):
    def build(**_):
        raise site.BuildError(["closing.md:2: expected accept\n<- acept\n   ^", "second"])

    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", build)

    assert (
        2,
        "",
        "reference-ws: the documentation can't be built: closing.md:2: expected accept (and 1 more)\n",
    ) == run("serve", "--port", "0", "--no-browser")


@pytest.mark.usefixtures("empty")
def test_broken_page_is_one_line(run, monkeypatch, tmp_path):
    monkeypatch.setattr(site, "is_stale", lambda _: True)
    page = tmp_path / "docs" / "ru" / "closing.md"
    page.parent.mkdir(parents=True)
    page.write_text("# A {#a}\n\n```pyton\nx\n```\n")

    code, output, errors = run("serve", "--port", "0", "--no-browser")

    assert (2, "", 1) == (code, output, errors.count("\n"))
    assert errors.startswith("reference-ws: docs/ru/closing.md:3: pyton is no fence of ours: use python, transcript")


@pytest.mark.usefixtures("empty")
def test_ctrl_c_while_building_is_no_error(run, monkeypatch):
    def build(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(site, "is_stale", lambda _: True)
    monkeypatch.setattr(site, "build", build)

    assert (130, "", "") == run("serve", "--port", "0", "--no-browser")


# --- the process ------------------------------------------------------------------------------------------------------


CLI = "'reference-ws[cli]'`, or 'reference-ws[serve]' for the documentation too"
SERVE = "'reference-ws[serve]'`"


@pytest.mark.parametrize(
    ("module", "extra"),
    [(name, CLI) for name in ("click", "rich", "babel", "websockets")]
    + [(name, SERVE) for name in ("uvicorn", "mkdocs")],
)
def test_missing_extra_is_one_line(module, extra):
    code = f"import sys; sys.modules[{module!r}] = None; from reference_ws.guide.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )

    assert (2, "", f"reference-ws: {module} is not installed: run `pip install {extra}\n") == (
        done.returncode,
        done.stdout,
        done.stderr,
    )


@pytest.mark.parametrize("arguments", [["explain"], ["run", "lifecycle#handshake"], ["examples"], ["--help"]])
def test_piped_output_has_no_control_codes(run_command, arguments):
    code, output, errors = run_command("--lang", "zh", *arguments)

    assert (0, "") == (code, errors)
    assert [] == re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", output)


def test_a_terminal_without_chinese_gets_escapes():
    done = subprocess.run(
        [sys.executable, "-m", "reference_ws", "explain", "1006", "--lang", "zh"],
        capture_output=True,
        check=True,
        timeout=WAIT_S,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )

    assert rb"\u8fde\u63a5" in done.stdout
