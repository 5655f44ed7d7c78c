"""Every state, message and step has its sentence, and every sentence is about something that exists."""

from pathlib import Path

import pytest
import websockets.frames
from checks.catalogs import explained
from starlette import status

import reference_ws.errors
import reference_ws.testing
import reference_ws.transcript
from reference_ws.guide.pages import read_page, read_pages
from reference_ws.guide.words import explanations
from reference_ws.guide.words.explanations import (
    EXCEPTIONS,
    MESSAGES,
    REASONS,
    STATES,
    STEPS,
    TRANSITIONS,
    code,
    of_step,
)
from reference_ws.lifecycle import ERRORS, RECEIVE, SEND, WebSocketState
from reference_ws.transcript import messages, parse, steps
from reference_ws.transcript.diagram import states
from reference_ws.transcript.steps import Step

DOCS = Path(__file__).parents[1] / "docs"


def test_every_state_is_explained():
    assert set(WebSocketState) == set(STATES)


def test_every_message_of_the_tables_is_explained():
    assert {event for table in (RECEIVE, SEND) for row in table.values() for event in row} == set(MESSAGES)


def test_every_move_of_the_tables_is_explained():
    moves = {
        (state, event)
        for table in (RECEIVE, SEND)
        for state, row in table.items()
        for event, entry in row.items()
        if isinstance(entry, WebSocketState)
    }
    assert moves == set(TRANSITIONS)


def test_every_kind_of_step_is_explained():
    kinds = {kind for kind in vars(steps).values() if isinstance(kind, type) and issubclass(kind, Step)}
    assert kinds - {Step} == {*STEPS, *messages._MESSAGES}


def test_every_step_of_the_documents_is_explained():
    sentences = {
        of_step(step, *before)
        for page in read_pages(DOCS, "zh")
        for fence in page.examples
        for step, before, _ in states(page.transcript(fence))
        if before is not None
    }
    # the rest of a refusal is one line of a transcript
    assert {*STEPS.values()} <= sentences
    known = {*STEPS.values(), *TRANSITIONS.values(), *REASONS.values()}
    assert sentences <= {*known, *(text.problem for text in ERRORS.values())}


def test_the_reasons_that_are_explained_are_those_of_the_guards():
    # The page production shows each bound of the guards; its transcripts are played, so the texts are the guards' own.
    page = read_page(DOCS / "zh/production.md")
    said = {
        of_step(step, *before)
        for fence in page.examples
        for step, before, _ in states(page.transcript(fence))
        if before is not None
    }
    assert {*REASONS.values()} <= said


@pytest.mark.parametrize("text", ["too many", "Too many messages", "", "messages have at most bytes"])
def test_another_reason_is_no_guard_s(text):
    assert explanations.reason(text) is None


def test_no_sentence_stands_twice():
    sentences = explained()
    assert sorted(set(sentences)) == sorted(sentences)


def test_what_crosses_with_the_application_s_close_is_not_received_any_more():
    script = parse('-> connect /\n<- accept\n<- close\n-> text "late"\n')
    *_, (step, before, _) = states(script)

    assert ERRORS["receive-after-close"].problem == of_step(step, *before)


def test_places_are_of_errors_that_exist():
    assert set(explanations.PLACES) <= {*ERRORS, *REASONS, *EXCEPTIONS}


@pytest.mark.parametrize("language", ["zh", "pt", "ru"])
def test_every_place_is_a_section(language):
    for place in {
        *map(explanations.place, (*ERRORS, *REASONS, *EXCEPTIONS)),
        "lifecycle#states",
        "lifecycle#close-codes",
    }:
        page, _, anchor = place.partition("#")
        assert anchor in {heading.anchor for heading in read_page(DOCS / language / f"{page}.md").headings}


def test_every_exception_of_the_public_modules_is_explained():
    modules = (reference_ws, reference_ws.errors, reference_ws.testing, reference_ws.transcript)
    public = {name for module in modules for name in module.__all__ if is_exception(getattr(module, name))}
    assert public - {"ExplainedError"} == EXCEPTIONS.keys() - {"HTTPException"}


def is_exception(thing):
    return isinstance(thing, type) and issubclass(thing, BaseException)


def test_close_codes_have_the_names_that_starlette_and_websockets_give_them():
    starlettes = {name: value for name, value in vars(status).items() if name.startswith("WS_1")}
    names = starlettes | {code.name: code.value for code in websockets.frames.CloseCode}
    assert [] == [name for name, number in names.items() if code(name)[0] != str(number)]
    assert ["1001", "1001", "4000"] == [code(word)[0] for word in ("going away", "Going-Away", "4000")]
    assert [None] * 4 == [code(word) for word in ("going", "99", "٣٣٣٣", "WS_9999_NOTHING")]
