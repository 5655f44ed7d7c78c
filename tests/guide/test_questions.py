"""What is asked before the steps of a play: docs/assets/lab/questions.js, over every example of every page."""

import json
import re
import subprocess
from typing import Any

import pytest
from test_stage import play
from tools import program

from reference_ws.guide.lab.words import words_of
from reference_ws.guide.pages import read_page, source_root
from reference_ws.guide.words.catalogs import catalog

pytestmark = pytest.mark.needs("node")

QUESTIONS = source_root() / "docs/assets/lab/questions.js"
PAGES = [page for page in map(read_page, sorted((source_root() / "docs/zh").glob("*.md"))) if page.examples]
CODES = dict(row.split(" ", 1) for row in words_of(catalog("zh"))["close_codes"].split("\n"))

# The functions run as they are, in node: all plays at once.
RUN = """
const encoded = Buffer.from(process.env.QUESTIONS).toString("base64")
const { questions } = await import("data:text/javascript;base64," + encoded)
let text = ""
for await (const part of process.stdin) text += part
const { plays, codes } = JSON.parse(text)
console.log(JSON.stringify(plays.map(({ shows, samples }) => questions(shows, block => samples[block - 1], codes))))
"""

Show = dict[str, Any]
Question = dict[str, Any]
Plays = list[tuple[list[Show], list[str]]]


def ask(plays: Plays) -> list[list[Question | None]]:
    done = subprocess.run(
        [program("node"), "--input-type=module", "-e", RUN],
        input=json.dumps(
            {
                "plays": [{"shows": shows, "samples": samples} for shows, samples in plays],
                "codes": {code: f"{code} {name}" for code, name in CODES.items()},
            }
        ),
        env={"QUESTIONS": QUESTIONS.read_text("utf-8")},
        capture_output=True,
        text=True,
        check=True,
    )
    asked: list[list[Question | None]] = json.loads(done.stdout)
    return asked


def line_of(shows: list[Show], index: int) -> str:
    """Say what happened in a step, without the client's name."""
    return re.sub(r"^\w+ +(?=->|<-|!!|==)", "", written(shows, index))


def written(shows: list[Show], index: int) -> str:
    """Give the line of the transcript that a step has added, without the headers below it."""
    return [line for line in shows[-1]["transcript"].split("\n") if line[:1].strip()][shows[index]["row"] - 1]


def same(left: str, right: str) -> bool:
    """Tell whether two lines of the application could be the same message."""

    def meaning(line: str) -> Any:
        found = re.fullmatch(r"<- (text|json) (.*)", line)
        try:
            return json.loads(json.loads(found[2]) if found[1] == "text" else found[2]) if found else line
        except (ValueError, TypeError):
            return line

    return left.startswith(right) or right.startswith(left) or meaning(left) == meaning(right)


def check(question: Question, shows: list[Show], samples: list[str], index: int) -> None:
    """Check one question against what the stage says, by other means than those by which it was made."""
    kind, options, right = question["kind"], question["options"], question["right"]
    show, line = shows[index], line_of(shows, index)
    client = question["client"]
    assert 3 <= len(options) <= 4
    assert 0 <= right < len(options)
    assert len(set(options)) == len(options)
    wrong = [option for number, option in enumerate(options) if number != right]
    if kind == "states":
        states = {state["client"]: state for state in show["states"]}[client]
        truth = f"client={states['client_state']} application={states['application_state']}"
        assert [options[right]] == [option for option in options if option == truth]
    elif kind == "waits":
        places = [wait for wait in show["waits"] if wait["client"] == client]
        here = [samples[place["block"] - 1].split("\n")[place["line"] - 1] for place in places]
        assert all(options[right] in text for text in here)
        assert not any(option and option in text for option in wrong for text in here)
        # No function on the way to where it waits is called by a line that is offered as wrong.
        assert options[right] is not None
    elif kind == "next":
        assert line == options[right]
        assert not any(same(line, option) for option in wrong)
    elif kind == "who":
        receivers = set()
        at = index
        while at < len(shows) and re.match(r"<- (text|json|bytes)", line_of(shows, at)):
            name = written(shows, at).split(" ")[0]
            if name in receivers:
                break
            receivers.add(name)
            at += 1
        assert [option for option in options if set(option.split(", ")) == receivers] == [options[right]]
    elif kind == "code":
        found = re.match(r"<- close ?(\d+)?", line)
        assert found
        assert (found[1] or "1000") == options[right].split(" ")[0]
    elif kind == "learns":
        assert line == "-> drop"
        assert options[right].startswith("1006 ")
    else:
        assert kind == "raised"
        assert re.match(rf"!! {options[right]}\b", line)


@pytest.fixture(scope="module")
def asked() -> dict[str, list[tuple[list[Show], list[str], list[Question | None]]]]:
    """Play the examples of all pages and let one node ask about them; gives what was shown and asked, by page."""
    played: dict[str, Plays] = {}
    for page in PAGES:
        samples = [sample.source for sample in page.samples]
        played[page.name] = [(play(page, number)[0], samples) for number in range(1, len(page.examples) + 1)]
    questions = iter(ask([each for plays in played.values() for each in plays]))
    return {name: [(*each, next(questions)) for each in plays] for name, plays in played.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_is_asked_about_and_one_answer_is_right(page, asked):
    assert len(asked[page.name]) == len(page.examples)
    for shows, samples, questions in asked[page.name]:
        assert len(shows) == len(questions)
        assert any(questions)
        for index, question in enumerate(questions):
            if question:
                check(question, shows, samples, index)


STATE_LINE = "== client=CONNECTED application=CONNECTED\n"


def show(transcript: str, **more: Any) -> Show:
    state = {"client": "", "client_state": "CONNECTED", "application_state": "CONNECTED"}
    return {"transcript": transcript, "row": transcript.count("\n"), "states": [state], "waits": [], **more}


def test_states_are_asked_before_they_stand_there():
    first, second = "-> connect /\n", "<- accept\n"
    shows = [show(first), show(first + second), show(first + second + STATE_LINE)]
    ((connect, accept, states),) = ask([(shows, [])])
    assert connect
    assert accept
    assert states is None
    assert ("states", "<- accept") == (accept["kind"], accept["given"])


CALLS = """async def outer(websocket):
    await websocket.accept()
    await middle(websocket)


async def middle(websocket):
    await inner(
        websocket,
    )


async def inner(websocket):
    await websocket.receive_text()
    await websocket.send_text("ok")
"""


def test_a_line_that_calls_the_one_that_waits_is_no_wrong_answer():
    wait = [{"client": "", "block": 1, "line": 13, "where": None}]
    shows = [show("-> connect /\n"), show('-> connect /\n-> text "a"\n', waits=wait)]
    ((_, question),) = ask([(shows, [CALLS])])
    assert question
    lines = ["await websocket.accept()", "await websocket.receive_text()", 'await websocket.send_text("ok")']
    assert [*lines, None] == question["options"]
    assert 1 == question["right"]


def test_a_message_that_may_be_on_its_way_already_is_not_asked_about():
    text = ""
    shows = []
    for line in ('ana -> text "hi"', 'ana <- text "hi"', 'li -> text "yo"', 'eva <- text "hi"'):
        text += line + "\n"
        states = [
            {"client": name, "client_state": "CONNECTED", "application_state": "CONNECTED"}
            for name in ("ana", "li", "eva")
        ]
        shows.append(show(text, states=states))
    (asked,) = ask([(shows, [])])
    assert asked[1]
    assert "who" == asked[1]["kind"]
    assert not any("eva" in option for option in asked[1]["options"])


def test_json_written_as_text_is_the_same_message():
    before = '-> connect /\n<- accept\n-> text "x"\n'
    texts = ['<- json {"a": 1, "b": 2}', '<- json {"b": 2, "a": 1}', r'<- text "{\"a\": 1, \"b\": 2}"']
    shows = [show(before), *(show(before + "\n".join(texts[: count + 1]) + "\n") for count in range(3))]
    (asked,) = ask([(shows, [])])
    for question in asked[1:]:
        assert question
        assert 1 == sum("b" in option for option in question["options"])
