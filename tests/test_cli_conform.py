"""`reference-ws conform`, and what it stands on: the suite on the page ``conform`` and the file of other systems."""

import re
import sys

import pytest

from reference_ws.guide.conformance import digest, read_compared, suite, tables
from reference_ws.guide.pages import source_root
from reference_ws.guide.words.catalogs import LANGUAGES

DOCS = source_root() / "docs"
PAGE = suite(DOCS, "zh")
ROWS = [fence.anchor for fence in PAGE.transcripts]

RAW = """\
async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise RuntimeError("nothing to set up")
    await receive()
    await answer(scope["path"], send)


async def refuse(send):
    await send({"type": "websocket.close"})


async def accept_and_close(send, code=1000, reason=""):
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code, "reason": reason})


"""


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run the command on the code of an application: exit code, the verdicts by row, all lines, stderr."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def conform(code: str, *options: str):
        (tmp_path / "mine.py").write_text(code, "utf-8")
        sys.modules.pop("mine", None)
        exit_code, output, errors = run_command("conform", "--app", "mine:app", *options)
        lines = output.splitlines()
        verdicts = dict(found.groups() for line in lines if (found := re.fullmatch(r"([a-z-]+)  +(\w[\w ]*)", line)))
        return exit_code, verdicts, lines, errors

    yield conform
    sys.modules.pop("mine", None)


def answers(*cases: str) -> str:
    return RAW + "async def answer(path, send):\n" + "".join(f"    {case}\n" for case in (*cases, "await refuse(send)"))


def test_this_library_keeps_every_row(run):
    code, verdicts, lines, _ = run("\n\n".join(sample.source for sample in PAGE.samples))

    assert (0, dict.fromkeys(ROWS, "holds")) == (code, verdicts)
    assert f"mine:app: holds {len(ROWS)}, differs 0, not offered 0" == lines[-1]


def test_what_an_application_leaves_out_is_not_offered_and_no_failure(run):
    code, verdicts, lines, _ = run(
        answers(
            "if path == '/close': return await accept_and_close(send, 4000, 'done')",
            "await send({'type': 'websocket.http.response.start', 'status': 404, 'headers': []})",
            "return await send({'type': 'websocket.http.response.body'})",
        )
    )

    assert 0 == code
    assert dict.fromkeys(ROWS, "not offered") | {"server-closes": "holds", "unknown-path": "holds"} == verdicts
    assert f"mine:app: holds 2, differs 0, not offered {len(ROWS) - 2}" == lines[-1]


def test_a_difference_is_shown_with_what_was_expected_and_what_came(run):
    code, verdicts, lines, _ = run(answers("if path == '/close': return await accept_and_close(send, 4001, 'done')"))

    assert (1, "differs") == (code, verdicts["server-closes"])
    at = next(number for number, line in enumerate(lines) if line.startswith("server-closes "))
    assert [
        "conform#server-closes:3: expected and got differ",
        "    -> connect /close",
        "    <- accept",
        '  - <- close 4000 "done"',
        '  + <- close 4001 "done"',
    ] == lines[at + 1 : at + 6]


def test_an_endpoint_that_refuses_is_not_taken_for_one_that_is_offered(run):
    """Where no address is known all are refused with 403: also what is expected of ``/refuse``."""
    _, verdicts, _, _ = run(
        answers("if path in ('/watch', '/close'): return await accept_and_close(send, 4000, 'done')")
    )

    assert "not offered" == verdicts["close-before-accept"]


def test_an_endpoint_that_answers_one_target_only_differs(run):
    """``/items/x`` is refused as an unknown address is, but ``/items/42`` is answered: the endpoint is there."""
    item = (
        "if path == '/items/42':\n"
        "        await send({'type': 'websocket.accept'})\n"
        "        await send({'type': 'websocket.send', 'text': '42'})\n"
        "        return await send({'type': 'websocket.close'})"
    )
    _, verdicts, lines, _ = run(answers(item))

    assert ("holds", "differs") == (verdicts["path-parameter"], verdicts["path-refused"])
    assert "  + b <- deny 403" in lines


def test_quiet_shows_the_counts_only(run):
    code, verdicts, lines, _ = run(answers("if path == '/ends': return await accept_and_close(send)"), "--quiet")

    assert (1, {}) == (code, verdicts)
    assert [f"mine:app: holds 1, differs 1, not offered {len(ROWS) - 2}"] == lines


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (answers(), "mine:app offers nothing of what the page conform lists"),
        ("app = 1", "mine:app is no ASGI application: it can't be called"),
        (
            "async def app(scope, receive, send):\n    await receive()\n"
            "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})",
            "the application could not start or stop: ",
        ),
    ],
)
def test_an_application_that_can_not_be_judged_is_one_line(run, code, problem):
    exit_code, _, lines, errors = run(code)

    assert (2, []) == (exit_code, lines)
    assert errors.startswith(f"reference-ws: {problem}")
    assert 1 == errors.count("\n")


# --- other systems ----------------------------------------------------------------------------------------------------


def test_what_is_written_of_other_systems_is_about_the_suite_of_today():
    compared = read_compared(DOCS)

    assert digest(PAGE) == compared.suite, "the suite has changed: `make conform`"
    for system in compared.systems:
        assert set(ROWS) >= {*system.not_offered, *(each.row for each in system.differs)}


def test_the_column_of_this_library_is_what_the_page_shows():
    own = read_compared(DOCS).systems[0]

    assert ("reference_ws", (), ()) == (own.name, tuple(own.differs), tuple(own.not_offered))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_matrix_has_a_head_for_each_row_and_column(language):
    systems = read_compared(DOCS).systems
    _, matrix, *details = re.findall("<table>.*?</table>", tables(DOCS, language))

    assert len(systems) + 1 == matrix.count('<th scope="col">')
    assert ROWS == re.findall(r'<tr><th scope="row"><a href="../conform/#([\w-]+)">', matrix)
    assert len(ROWS) * len(systems) == matrix.count('role="img"')
    assert [len(system.differs) for system in systems if system.differs] == [
        table.count('<th scope="row">') for table in details
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_lists_what_the_transcripts_connect_to(language):
    text = (DOCS / language / "conform.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `/([\w-]+)", text, re.MULTILINE))
    asked = {re.split("[/?]", target)[0] for target in re.findall("-> connect /(.*)", text)}

    assert asked - {"nowhere"} == listed
