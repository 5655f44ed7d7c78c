"""``reference-ws explain``: what a word of the life cycle means."""

from __future__ import annotations

from collections.abc import Iterator
from gettext import NullTranslations

from reference_ws.guide.command.screen import Screen, unknown
from reference_ws.guide.words import explanations
from reference_ws.guide.words.catalogs import LANGUAGES, pages_language
from reference_ws.lifecycle import CLOSE_CODES, ERRORS, RECEIVE, SEND, CloseCode, WebSocketState, close_code

__all__ = ["show"]

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
        elif word.isdecimal() and len(word) == 4 and (code := close_code(int(word))):
            self.code(code, word)
        elif reason := explanations.reason(word):
            self.title(word, explanations.REASONS[reason])
            self.link(explanations.place(reason))
        else:
            numbers = map(_numbers, CLOSE_CODES)
            known = (*WebSocketState.__members__, *messages, *ERRORS, *numbers, *explanations.REASONS)
            raise unknown(self.words, self.words.gettext("%(word)r can't be explained") % {"word": word}, word, known)

    def state(self, state: WebSocketState) -> None:
        self.title(state.name, explanations.STATES[state])
        for side, table in TABLES.items():
            if state in table:
                self.screen.line()
                self.screen.line(f"{side}  {self.translate(explanations.SIDES[side])}")
                for message, entry in table[state].items():
                    self.move(state, message, message, entry)
        self.link("lifecycle#states")

    def message(self, message: str) -> None:
        self.title(message, explanations.MESSAGES[message])
        for side, table in TABLES.items():
            rows = {state: row[message] for state, row in table.items() if message in row}
            if rows:
                self.screen.line()
                self.screen.line(f"{side}  {self.translate(explanations.SIDES[side])}")
            for state, entry in rows.items():
                self.move(state, message, state.name, entry)
        self.link("lifecycle#transitions")

    def error(self, error: str) -> None:
        text = ERRORS[error]
        self.title(error, text.problem, text.remedy, *[explanations.ENDS] if text.ends else [])
        for state, message in self.causes(error):
            self.screen.line(f"  {state.name:<12}  {message}", "dim")
        self.link(explanations.place(error))

    def causes(self, error: str) -> Iterator[tuple[WebSocketState, str]]:
        """Find the cells of both tables that hold the error."""
        for table in TABLES.values():
            for state, row in table.items():
                yield from ((state, message) for message, entry in row.items() if entry == error)

    def code(self, code: CloseCode, title: str) -> None:
        self.title(f"{title}  {code.name}", code.meaning)
        self.screen.line(f"{self.translate('Who may send it')}: {self.translate(code.sender)}")
        self.link("lifecycle#close-codes")

    def title(self, name: str, *sentences: str) -> None:
        self.screen.line(name, "bold")
        for sentence in sentences:
            self.screen.line(self.translate(sentence))

    def move(self, state: WebSocketState, message: str, given: str, entry: WebSocketState | str) -> None:
        """Show one cell of a table."""
        if isinstance(entry, WebSocketState):
            after, sentence = f"-> {entry.name}", explanations.TRANSITIONS[state, message]
        else:
            after, sentence = entry, ERRORS[entry].problem
        width = max(map(len, explanations.MESSAGES))
        self.screen.line(f"  {given:<{width}}  {after:<24}  {self.translate(sentence)}")

    def link(self, place: str) -> None:
        page, _, anchor = place.partition("#")
        folder = "" if self.language == LANGUAGES[0] else f"{self.language}/"
        self.screen.line()
        self.screen.line(f"{SITE}{folder}{page}/#{anchor}", "cyan")

    def everything(self) -> None:
        for state, sentence in explanations.STATES.items():
            self.row(state.name, sentence)
        self.screen.line()
        for message, sentence in explanations.MESSAGES.items():
            self.row(message, sentence)
        self.screen.line()
        for error, text in ERRORS.items():
            self.row(error, text.problem)
        self.screen.line()
        for code in CLOSE_CODES:
            self.row(_numbers(code), code.meaning)
        self.screen.line()
        for reason, sentence in explanations.REASONS.items():
            self.row(reason, sentence)

    def row(self, name: str, sentence: str) -> None:
        width = max(map(len, (*explanations.MESSAGES, *explanations.REASONS)))
        self.screen.line(f"{name:<{width}}  {self.translate(sentence)}")
