"""``reference-ws explain``: what a word of the life cycle means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from gettext import NullTranslations
from typing import Any

from reference_ws.guide.command.screen import Screen, unknown
from reference_ws.guide.pages import section_path
from reference_ws.guide.words import explanations
from reference_ws.guide.words.catalogs import LANGUAGES, pages_language
from reference_ws.lifecycle import CLOSE_CODES, ERRORS, RECEIVE, SEND, CloseCode, WebSocketState

SITE = "http://127.0.0.1:8000/"
"""Where `reference-ws serve` shows the pages unless it is told otherwise."""

TABLES = {"client_state": RECEIVE, "application_state": SEND}


def show(words: NullTranslations, language: str, word: str | None) -> None:
    """Explain `word`, or list all that can be explained. Raises `Problem` for a word that is none of these."""
    guide = _Guide(Screen(words), words, pages_language(language))
    if word is None:
        guide.everything()
    else:
        guide.explain(word)


def _short(message: str) -> str:
    return message.removeprefix("websocket.").removeprefix("http.")


def _numbers(code: CloseCode) -> str:
    return f"{code.first}" if code.first == code.last else f"{code.first}-{code.last}"


def _cells() -> Iterator[tuple[str, WebSocketState, str, WebSocketState | str]]:
    """Walk over both tables: side, state, message and entry."""
    for side, table in TABLES.items():
        for state, row in table.items():
            yield from ((side, state, message, entry) for message, entry in row.items())


class _Guide:
    def __init__(self, screen: Screen, words: NullTranslations, language: str) -> None:
        self.screen = screen
        self.translate = words.gettext
        self.words = words
        self.language = language

    def explain(self, word: str) -> None:
        messages = {_short(message): message for message in explanations.MESSAGES}
        names = {name.lower(): name for name in (*explanations.MESSAGES, *ERRORS)}
        if word.upper() in WebSocketState.__members__:
            self.state(WebSocketState[word.upper()])
        elif name := names.get(word.lower()) or messages.get(_short(word.lower())):
            self.error(name) if name in ERRORS else self.message(name)
        elif number := explanations.code(word):
            self.code(number[1], number[0])
        elif name := {name.lower(): name for name in explanations.EXCEPTIONS}.get(word.lower()):
            self.title(name, explanations.EXCEPTIONS[name])
            self.link(explanations.place(name))
        elif reason := explanations.reason(word):
            self.title(word, explanations.REASONS[reason])
            self.link(explanations.place(reason))
        else:
            numbers = map(_numbers, CLOSE_CODES)
            called = [code.name for code in CLOSE_CODES if code.first == code.last]
            known = (*WebSocketState.__members__, *messages, *ERRORS, *explanations.EXCEPTIONS, *called, *numbers)
            problem = self.words.gettext("%(word)r can't be explained") % {"word": word}
            raise unknown(self.words, problem, word, (*known, *explanations.REASONS))

    def state(self, state: WebSocketState) -> None:
        self.title(state.name, explanations.STATES[state])
        self.moves(lambda where, _: where is state, lambda _, message: message)
        self.link("lifecycle#states")

    def message(self, message: str) -> None:
        self.title(message, explanations.MESSAGES[message])
        self.moves(lambda _, sent: sent == message, lambda state, _: state.name)
        self.link("lifecycle#transitions")

    def error(self, error: str) -> None:
        text = ERRORS[error]
        self.title(error, text.problem, text.remedy, *[explanations.ENDS] if text.ends else [])
        for _, state, message, entry in _cells():
            if entry == error:
                self.screen.line(f"  {state.name:<12}  {message}", "dim")
        self.link(explanations.place(error))

    def code(self, code: CloseCode, title: str) -> None:
        self.title(f"{title}  {code.name}", code.meaning)
        self.screen.line(self.words.gettext("Who may send it: %(who)s") % {"who": self.translate(code.sender)})
        self.link("lifecycle#close-codes")

    def title(self, name: str, *sentences: str) -> None:
        self.screen.line(name, "bold")
        for sentence in sentences:
            self.screen.line(self.translate(sentence))

    def moves(self, chosen: Callable[[WebSocketState, str], bool], name: Callable[[WebSocketState, str], str]) -> None:
        """Show the cells of both tables that are chosen, each under its name."""
        before = None
        width = max(map(len, explanations.MESSAGES))
        for side, state, message, entry in _cells():
            if not chosen(state, message):
                continue
            if side != before:
                before = side
                self.screen.line()
                self.screen.line(f"{side}  {self.translate(explanations.SIDES[side])}")
            if isinstance(entry, WebSocketState):
                after, sentence = f"-> {entry.name}", explanations.TRANSITIONS[state, message]
            else:
                after, sentence = entry, ERRORS[entry].problem
            self.screen.line(f"  {name(state, message):<{width}}  {after:<24}  {self.translate(sentence)}")

    def link(self, place: str) -> None:
        folder = "" if self.language == LANGUAGES[0] else f"{self.language}/"
        self.screen.line()
        self.screen.line(f"{SITE}{folder}{section_path(place)}", "cyan")

    def everything(self) -> None:
        errors = {error: text.problem for error, text in ERRORS.items()}
        codes = {_numbers(code): code.meaning for code in CLOSE_CODES}
        width = max(map(len, (*explanations.MESSAGES, *explanations.REASONS)))
        parts: tuple[Mapping[Any, str], ...] = (explanations.STATES, explanations.MESSAGES, errors, codes)
        for number, part in enumerate((*parts, explanations.EXCEPTIONS, explanations.REASONS)):
            if number:
                self.screen.line()
            for name, sentence in part.items():
                label = name.name if isinstance(name, WebSocketState) else name
                self.screen.line(f"{label:<{width}}  {self.translate(sentence)}")
