import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from checks.parity import one_language

from reference_ws.guide.lab import stage
from reference_ws.guide.lab.contents import contents
from reference_ws.guide.lab.stage import Stage
from reference_ws.guide.pages import read_page
from reference_ws.guide.words.catalogs import LANGUAGES, catalog
from reference_ws.transcript import parse

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [page for page in map(read_page, sorted(DOCS.glob("*/*.md"))) if page.examples]

counts_lines = pytest.mark.skipif(sys.version_info < (3, 12), reason="lines are counted from Python 3.12 on")


def stage_of(page, tell):
    source = page.path.read_text("utf-8")
    return Stage({"name": page.name, "language": page.language, "source": source}, tell)


def play(page, example, code=None, script=None):
    told = []
    stage_of(page, told.append).do(
        {"do": "play", "number": 7, "example": example, "code": code or {}, "script": script}
    )
    assert {7} == {message["number"] for message in told}
    json.dumps(told)  # the page gets nothing else
    assert "over" == told[-1]["do"]
    return [message for message in told if message["do"] == "show"], told[-1], told


def solve(page, exercise):
    """Play an exercise with its solution in the place of its start; what is told when it is over."""
    code = {str(page.samples.index(exercise.start) + 1): exercise.solution.source} if exercise.kind == "code" else {}
    script = None if exercise.kind == "code" else exercise.solution.source
    return play(page, page.example(exercise.transcript), code, script)[1]


# --- the pages --------------------------------------------------------------------------------------------------------


# Each page in one of the languages, whose code is equal; `make py314` has them in all.
IN_ONE_LANGUAGE = [page for page in PAGES if page.language == one_language(page.name)]


@pytest.mark.parametrize("page", IN_ONE_LANGUAGE, ids=lambda page: f"{page.language}-{page.name}")
def test_every_example_comes_out_as_in_the_tests_of_the_documents(page, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    # In the browser there is no thread and no server.
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for number, fence in enumerate(page.examples, 1):
        exercise = page.exercise(fence)
        shows, over, _ = play(page, number)
        assert over["ok"] is (exercise is None), (page.file, fence.line, over)
        if exercise is None:
            steps = parse(fence.source).steps
            assert [step.line for step in steps] == [show["line"] for show in shows]
            assert (
                list(map(type, steps)) == list(map(type, parse(over["transcript"]).steps)) or "<- ..." in fence.source
            )
            assert len(steps) == over["svg"].count('class="step"') == shows[-1]["row"]
            assert [*(show["next"] for show in shows[:-1]), None][-1] is shows[-1]["next"] is None
        else:
            assert solve(page, exercise)["ok"], (page.file, fence.line)


def test_an_exercise_is_not_solved_by_demanding_less():
    page = next(page for page in PAGES if any(exercise.kind == "script" for exercise in page.exercises))
    exercise = next(exercise for exercise in page.exercises if exercise.kind == "script")
    _, over, _ = play(page, page.example(exercise.transcript), script="-> connect /nowhere\n<- ...\n")
    assert not over["ok"]
    assert over["title"] == catalog(page.language).gettext("The exercise demands more of the application")
    assert over["expected"] in exercise.start.source


def test_what_the_site_leaves_beside_each_page():
    for page in PAGES:
        found = json.loads(json.dumps(contents(page)))
        assert [sample.source for sample in page.samples] == [sample["source"] for sample in found["samples"]]
        for number, fence in enumerate(page.examples, 1):
            example = found["examples"][str(number)]
            assert fence.source == example["script"]
            main = found["samples"][example["main"] - 1]["source"]
            shown = rf"""^(async )?(def |class )?{example["app"]}\b|\("/"""  # it makes the application, or has a route
            assert re.search(shown, main, re.MULTILINE), (page.file, number)
            assert example["main"] in example["blocks"]
        for exercise in found["exercises"]:
            assert exercise["name"] == found["examples"][str(exercise["example"])]["exercise"]


MAIN = """\
# Title {#title}
```python
app, other = App(), App()
```
```python
@app.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str): ...
```
```python
connect(app, "/room/a")
other.websocket("/room/a")(room)
```
```transcript
%s
```
"""


@pytest.mark.parametrize(
    ("script", "main"), [("-> connect /room/a?b=/", 2), ("-> connect /room", 1), ("ana -> connect /room/a", 2)]
)
def test_what_is_looked_at_first_is_the_sample_with_the_route(tmp_path, script, main):
    path = tmp_path / "ru/closing.md"
    path.parent.mkdir()
    path.write_text(MAIN % script, "utf-8")
    assert main == contents(read_page(path))["examples"]["1"]["main"]


# --- one page ---------------------------------------------------------------------------------------------------------

CODE = """\
import anyio

from reference_ws import App, WebSocket

app = App()
joined = []


@app.websocket("/echo/{room}")
async def echo(websocket: WebSocket, room: str) -> None:
    joined.append(room)
    await websocket.accept()
    while True:
        await websocket.send_text(f"{len(joined)} {await websocket.receive_text()}")
"""

SCRIPT = """\
# one
-> connect /echo/1
<- accept
-> text "a"
<- text "1 a"
.. 2s
-> close
"""

ANSWERS = '        await websocket.send_text(f"{len(joined)} {await websocket.receive_text()}")\n'


def answering(*lines):
    """Write the code with another body of its loop."""
    return CODE.replace(ANSWERS, "".join(f"        {line}\n" for line in lines))


@pytest.fixture
def page(tmp_path):
    def make(code=CODE, script=SCRIPT, language="ru"):
        text = f"# Echo {{#echo}}\n\n```python\n{code}```\n\n```transcript\n{script}```\n"
        file = tmp_path / "docs" / language / "echo.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return read_page(file)

    return make


@pytest.fixture
def free(page):
    """Begin free play; what is returned does a line and gives what is told of it."""
    stages = []

    def begin(code=CODE):
        told = []
        stages.append(stage_of(page(), told.append))
        stages[-1].do({"do": "open", "number": 1, "example": 1, "code": {"1": code}})

        def line(text, *headers):
            told.clear()
            stages[-1].do({"do": "line", "number": 1, "line": text, "headers": list(headers)})
            return [*told]

        line.opened = [*told]
        return line

    yield begin
    for each in stages:
        each.close()


def said(text, language="ru"):
    return catalog(language).gettext(text)


def test_what_a_show_holds(page):
    shows, over, _ = play(page(), 1)
    assert [1, 2, 3, 4, 5, 6] == [show["step"] for show in shows] == [show["row"] for show in shows]
    assert [2, 3, 4, 5, 6, 7] == [show["line"] for show in shows]
    assert "<- accept" == shows[0]["next"]
    assert [0, 0, 0, 0, 2, 2] == [show["seconds"] for show in shows]
    assert [{"client": "", "client_state": "CONNECTED", "application_state": "CONNECTED"}] == shows[1]["states"]
    assert [{"client": "", "block": 1, "line": 12, "where": None}] == shows[0]["waits"]
    assert [{"client": "", "block": 1, "line": 14, "where": None}] == shows[3]["waits"]
    assert [] == shows[5]["waits"] == shows[5]["raised"]
    # That nothing moves isn't said again and again.
    assert '-> text "a"' == shows[2]["told"]
    assert shows[1]["told"].startswith("<- accept — ")
    assert "<code>websocket.accept</code>" in shows[1]["explanation"]
    assert shows[5]["transcript"] == over["transcript"]
    assert "2.00 s" in over["svg"]
    assert over["ok"]


def test_every_play_begins_with_fresh_modules(page):
    told = []
    one = stage_of(page(), told.append)
    for number in range(3):
        one.do({"do": "play", "number": number, "example": 1, "code": {}, "script": None})
        assert told[-1]["ok"]
    assert [] == [name for name in sys.modules if name.startswith("docs.ru.echo")]


def test_an_edit_shows_expected_and_got(page):
    shows, over, _ = play(page(), 1, {"1": CODE.replace("{len(joined)} ", "")})
    assert not over["ok"]
    assert ('<- text "1 a"', '<- text "a"') == (over["expected"], over["got"])
    assert '<- text "a"' == shows[-1]["told"]
    assert over["transcript"].endswith('<- text "a"\n')


def test_lines_are_those_of_the_edited_code(page):
    shows, _, _ = play(page(), 1, {"1": "\n\n\n" + CODE})
    assert [{"client": "", "block": 1, "line": 15, "where": None}] == shows[0]["waits"]


def test_a_forgotten_accept_is_explained_in_the_readers_language(page):
    _, over, _ = play(page(), 1, {"1": CODE.replace("    await websocket.accept()\n", "")})
    (raised,) = over["raised"]
    assert (1, 13, None) == (raised["block"], raised["line"], raised["where"])
    assert raised["text"].startswith("LifecycleError: receive_text()")
    assert "receive-before-accept" in raised["explanation"]
    assert re.search("[а-я]", raised["explanation"])
    assert "<- accept" == over["expected"]
    assert over["got"].startswith("<- deny 500")


def test_the_raising_line_is_the_pages_innermost(page):
    code = CODE.replace(
        ANSWERS, "        half(await websocket.receive_text())\n\n\ndef half(text: str) -> None:\n    int(text)\n"
    )
    shows, over, _ = play(page(), 1, {"1": code})
    expected = {"client": "", "block": 1, "line": 18, "where": None, "explanation": ""}
    expected["text"] = "ValueError: invalid literal for int() with base 10: 'a'"
    assert [expected] == over["raised"] == shows[-1]["raised"]
    assert "<- close 1011" == over["got"]


def test_an_expected_exception_is_marked_when_it_comes_and_when_it_is_told(page):
    code = "async def app(scope, receive, send):\n    await receive()\n    raise ValueError('no')\n"
    shows, over, _ = play(page(), 1, {"1": code}, '-> connect /\n!! ValueError "no"\n')
    assert over["ok"]
    assert [3, 3] == [show["raised"][0]["line"] for show in shows]


def test_an_exception_of_no_line_of_the_page_names_its_place(page):
    _, over, _ = play(page(), 1, {"1": "app = print\n"})
    (raised,) = over["raised"]
    assert raised["block"] is None
    assert raised["where"].startswith("testing/inmemory.py:")


@pytest.mark.parametrize(
    ("code", "line", "text"),
    [
        (CODE.replace("while True:", "while True"), 13, "SyntaxError: expected ':'"),
        (CODE + "nothing()\n", 15, "NameError: name 'nothing' is not defined"),
        ("def broken():\n    1 / 0\n\n\nbroken()\n", 2, "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", 1, "SystemExit: 3"),
    ],
)
def test_code_that_cannot_run_is_told_with_its_line(page, code, line, text):
    shows, over, _ = play(page(), 1, {"1": code})
    assert ([], False, said("The code can't be run")) == (shows, over["ok"], over["title"])
    assert (1, line) == (over["problem"]["block"], over["problem"]["line"])
    assert text == over["problem"]["text"]


def test_what_is_edited_is_never_passed_over(page):
    assert play(page(), 1, {"1": "import nothing_of_that_name\n" + CODE})[1]["problem"]["line"] == 1
    code = 'def start():\n    raise RuntimeError("can\'t start new thread")\n\n\nstart()\n' + CODE
    assert play(page(code), 1)[1]["title"] == said("The code defines no application called %(name)s") % {"name": "app"}
    assert play(page(), 1, {"1": code})[1]["problem"]["line"] == 2


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("x = 1\n", "The code defines no application called %(name)s"),
        ("app = 1\n", "The code can't be run"),
        ("import anyio\nawait anyio.Event().wait()\n", "Everything waits, and nothing can happen any more"),
        (answering("await anyio.sleep_forever()"), "Everything waits, and nothing can happen any more"),
        (answering("await anyio.sleep(9)"), "What is written doesn't come"),
        (answering("await anyio.sleep(0)"), "A loop of the code goes on forever: nothing else can happen"),
    ],
)  # fmt: skip
def test_each_end_has_a_title(page, language, code, title):
    _, over, _ = play(page(language=language), 1, {"1": code})
    assert (False, said(title, language) % {"name": "app"}) == (over["ok"], over["title"])
    assert over["title"] != title % {"name": "app"}


def test_the_line_of_a_deadlock_is_told(page):
    _, over, _ = play(page(), 1, {"1": "import anyio\n\nawait anyio.Event().wait()\n"})
    assert (1, 3) == (over["problem"]["block"], over["problem"]["line"])


def test_an_application_that_has_ended_is_told(page):
    code = "async def app(scope, receive, send):\n    await send({'type': 'websocket.accept'})\n"
    _, over, _ = play(page(), 1, {"1": code})
    assert said("the application has ended") == over["got"]


@pytest.mark.parametrize(
    "script", ["-> connect /echo/1\n<- acept\n", "-> connect /echo/1\n<- accept\n<- accep" + "t" * 9, ""]
)
def test_a_script_that_is_none_is_told_with_its_line(page, script):
    _, over, _ = play(page(), 1, script=script)
    assert said("This transcript can't be played") == over["title"]
    assert over["problem"]["script"] == max(1, script.count("\n") + (not script.endswith("\n")))


def test_an_edited_script_is_played(page):
    shows, over, _ = play(page(), 1, script='\n-> connect /echo/1\n<- accept\n-> text "b"\n<- text ...\n')
    assert over["ok"]
    assert (5, '<- text "1 b"') == (shows[-1]["line"], shows[-1]["told"])  # what really came


# --- what never ends --------------------------------------------------------------------------------------------------


@counts_lines
@pytest.mark.parametrize(
    ("code", "line"),
    [
        (answering("pass"), 13),
        (answering("if room:", "    continue"), 13),
        (answering("[x for x in iter(int, 1)]"), 13),
        ("while True: pass\n", 1),
        (answering("try:", "    raise ValueError", "except BaseException:", "    pass"), 13),
        (answering("try:", "    while True:", "        pass", "except BaseException:", "    pass"), 15),
    ],
)  # fmt: skip
def test_a_loop_that_never_awaits_is_ended_and_its_line_told(page, code, line):
    _, over, _ = play(page(), 1, {"1": code})
    assert said("A loop of the code goes on forever: nothing else can happen") == over["title"]
    assert (1, line) == (over["problem"]["block"], over["problem"]["line"])
    assert play(page(), 1)[1]["ok"]  # nothing is left of it


def test_a_loop_that_awaits_nothing_that_takes_time_is_ended(page):
    _, over, _ = play(page(), 1, {"1": answering("await anyio.sleep(0)")})
    assert (1, 13) == (over["problem"]["block"], over["problem"]["line"])


@counts_lines
def test_who_catches_everything_is_ended_all_the_same(page):
    code = answering("try:", "    await websocket.receive_text()", "except BaseException:", "    pass")
    _, over, _ = play(page(), 1, {"1": code})
    assert ('<- text "1 a"', False) == (over["expected"], over["ok"])


@counts_lines
def test_code_that_works_hard_is_left_alone(page):
    assert play(page(), 1, {"1": CODE.replace("joined = []", "joined = []\nfor _ in range(100_000):\n    pass")})[1][
        "ok"
    ]


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_what_is_printed_is_told_up_to_a_bound(page, capsys):
    code = "import sys\nprint('one', end=' ')\nprint('two')\nprint('three', file=sys.stderr)\n" + CODE
    _, over, told = play(page(), 1, {"1": code})
    assert ["one two\n", "three\n"] == [message["text"] for message in told if message["do"] == "printed"]
    assert over["ok"]
    _, over, told = play(page(), 1, {"1": "for _ in range(99):\n    print('x' * 999)\n" + CODE})
    printed = "".join(message["text"] for message in told if message["do"] == "printed")
    assert printed.endswith(said("... (what is printed from here on isn't shown)"))
    assert stage.MAX_PRINTED < len(printed) < stage.MAX_PRINTED + 100
    assert over["ok"]
    assert ("", "") == capsys.readouterr()


def test_more_than_can_be_shown_ends_the_play(page, free):
    too_much = said("The lab stops here: more has happened than it can show.")
    _, over, _ = play(page(), 1, {"1": CODE.replace("{len(joined)}", "{'x' * 300_000}")})
    assert too_much == over["title"]
    line = free(answering("await websocket.send_text('x')"))
    assert too_much == line("-> connect /echo/1")[-1]["title"]
    (problem,) = line('-> text "a"')
    assert (True, said("Nothing is being played now: press a button.")) == (problem["ends"], problem["text"])


def test_a_long_script_is_none(page):
    script = SCRIPT + "# " + "x" * stage.MAX_SCRIPT_CHARACTERS
    assert said("This transcript can't be played") == play(page(), 1, script=script)[1]["title"]


def test_connections_are_bounded(page, free):
    enough = said("So many connections are enough: close one first.")
    line = free()
    for number in range(stage.MAX_CONNECTIONS):
        assert "show" == line(f"client{number} -> connect /echo/1")[-1]["do"]
    assert enough == line("more -> connect /echo/1")[-1]["text"]
    assert "show" == line("client0 -> close")[-1]["do"]
    assert "show" == line("more -> connect /echo/1")[-1]["do"]
    script = "".join(f"client{number} -> connect /echo/1\nclient{number} <- accept\n" for number in range(21))
    assert enough == play(page(), 1, script=script)[1]["title"]


# --- free play --------------------------------------------------------------------------------------------------------


def test_free_play_goes_line_by_line(free):
    line = free()
    (opened,) = line.opened
    assert (0, "", []) == (opened["row"], opened["transcript"], opened["states"])
    (show,) = line("li -> connect /echo/1", "x-key: 1", "  ")
    assert "li -> connect /echo/1\n    x-key: 1\nli <- accept\n" == show["transcript"]
    assert 2 == show["row"] == show["svg"].count('class="step"')
    (show,) = line("ana -> connect /echo/2")
    assert ["li", "ana"] == [each["client"] for each in show["states"]] == [each["client"] for each in show["waits"]]
    (show,) = line('ana -> text "a"')
    assert 'ana -> text "a"\nana <- text "2 a"' == show["told"]
    assert 'ana <- text "2 a"\n' == show["transcript"][-18:]
    (show,) = line("ana -> drop")
    assert 7 == show["row"]


def test_a_client_that_reads_nothing_holds_up_whoever_sends_to_it(free):
    line = free(answering("await websocket.receive_text()", *["await websocket.send_text('x')"] * 2))
    line("ana -> connect /echo/1")
    line("li -> connect /echo/2")
    (show,) = line("ana stop reading")
    assert said("The client reads nothing any more: each message to it waits in its send.") == show["told"].strip()
    (show,) = line('ana -> text "a"')
    assert 'ana -> text "a"' == show["told"]
    waits = {each["client"]: each["line"] for each in show["waits"]}
    assert waits["ana"] == waits["li"] + 1
    (show,) = line('li -> text "b"')  # the others are not held up
    assert 'li -> text "b"\nli <- text "x"\nli <- text "x"' == show["told"]
    (show,) = line("ana go on reading")
    assert said("The client reads on.") == show["told"].split("\n")[0]
    assert show["transcript"].endswith('ana <- text "x"\nana <- text "x"\n')

    line("li stop reading")
    line('li -> text "c"')
    (show,) = line("li -> drop")  # what it hasn't read it will never have got
    assert show["transcript"].endswith('li -> text "c"\nli -> drop\n')
    (problem,) = line("li go on reading")
    assert said("This client isn't connected: connect first.") == problem["text"]


def test_time_passes_up_to_an_answer_and_as_the_reader_says(free):
    line = free(answering("await anyio.sleep(1)", "await websocket.send_text('tick')"))
    (show,) = line("-> connect /echo/1")
    assert 0 == show["seconds"]
    (show,) = line('-> text "a"')
    assert ('-> text "a"\n<- text "tick"', 1) == (show["told"], show["seconds"])
    (show,) = line(".. 2s")
    assert ('<- text "tick"\n<- text "tick"', 3) == (show["told"], show["seconds"])
    (show,) = line(".. 500ms")
    assert show["told"].startswith(".. 500ms — ")


def test_what_is_said_after_the_applications_close_is_answered(free):
    line = free(answering("await websocket.close(4000)", "return"))
    (show,) = line("-> connect /echo/1")
    assert show["transcript"].endswith("<- close 4000\n")
    for after in ('-> text "a"', "-> close", "-> drop"):
        (problem,) = line(after)
        assert ("problem", False) == (problem["do"], problem["ends"])
        assert "4000" in problem["text"]
    assert "show" == line("-> connect /echo/1")[-1]["do"]


def test_what_is_said_to_a_handler_that_has_ended_is_answered(free):
    line = free("async def app(scope, receive, send):\n    await send({'type': 'websocket.accept'})\n")
    line("-> connect /")
    (problem,) = line('-> text "a"')
    assert said("The handler has ended: nobody receives this any more. Close, and connect again.") == problem["text"]
    assert "show" == line("-> close")[-1]["do"]


def test_a_wrong_path_names_those_that_there_are(free):
    line = free()
    show, problem = line("-> connect /ech?x=1")
    assert show["transcript"].startswith("-> connect /ech?x=1\n<- deny 404")
    assert ("problem", False) == (problem["do"], problem["ends"])
    assert problem["text"].endswith("/ech для WebSocket. Есть: /echo/{room}")
    assert ["show"] == [message["do"] for message in line("-> connect /echo/1")]


def test_paths_are_found_behind_guards_and_mounts(free):
    more = CODE + (
        "from starlette.applications import Starlette\nfrom starlette.routing import Mount, Route\n"
        "from reference_ws.guards import LimitGuard\n"
        "app = LimitGuard(Starlette(routes=[Mount('/v1', app), Route('/http', print)]))\n"
    )
    line = free(more)
    assert line("-> connect /http")[-1]["text"].endswith(": /v1/echo/{room}")
    assert ["show"] == [message["do"] for message in line("-> connect /v1/echo/2")]


@pytest.mark.parametrize("text", ["foo", '<- text "a"', "== client=CONNECTED application=CONNECTED", '-> text "a"'])
def test_what_cannot_be_done_is_answered(free, text):
    (problem,) = free()(text)
    assert ("problem", False) == (problem["do"], problem["ends"])
    assert problem["text"]


def test_a_raising_line_is_told_in_free_play(free):
    line = free(answering("1 / int(await websocket.receive_text())"))
    line("-> connect /echo/1")
    (show,) = line('-> text "0"')
    assert ["ZeroDivisionError: division by zero"] == [raised["text"] for raised in show["raised"]]
    assert ['-> text "0"', "<- close 1011", '!! ZeroDivisionError "division by zero"'] == show[
        "transcript"
    ].splitlines()[2:]


def test_code_that_cannot_run_opens_nothing(free):
    line = free("app =\n")
    assert (1, 1) == (line.opened[-1]["problem"]["block"], line.opened[-1]["problem"]["line"])
    assert line("-> connect /")[-1]["ends"]


def test_a_lifespan_runs_around_a_play(page, free):
    lifespan = "@asynccontextmanager\nasync def lifespan(app):\n    {}\n    yield\n\n\napp = App(lifespan=lifespan)"
    begins = CODE.replace("app = App()", f"from contextlib import asynccontextmanager\n\n\n{lifespan}")
    line = free(begins.replace("    {}\n", "    print('begun')\n"))
    assert ["printed", "show"] == [message["do"] for message in line.opened]
    fails = begins.replace("    {}\n", "    raise OSError('no database')\n")
    assert (1, 10) == tuple(play(page(), 1, {"1": fails})[1]["problem"][key] for key in ("block", "line"))
    assert "OSError: no database" == free(fails).opened[-1]["problem"]["text"]


def test_the_stage_needs_none_of_what_builds_the_site():
    missing = "{'babel', 'pygments', 'markdown', 'pymdownx'}"
    code = f"import sys, reference_ws.guide.lab.stage\nassert not {missing} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True)
