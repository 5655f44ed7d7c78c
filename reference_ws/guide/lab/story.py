"""What has happened on the lab's stage, and how it is told: states, waiting and raising lines, meaning, picture."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from gettext import NullTranslations
from html import escape
from typing import Any, Final

from starlette.websockets import WebSocketState

from reference_ws.guide.pages import Page, section_path
from reference_ws.guide.tables import error_text, prose, state_name
from reference_ws.guide.words import explanations
from reference_ws.lifecycle import CONNECTED, DISCONNECTED, ERRORS, RECEIVED, RESPONSE_START, SENT, close_code
from reference_ws.testing.inmemory import InMemoryConnection
from reference_ws.transcript.diagram import Sides, states, svg
from reference_ws.transcript.grammar import format_step, format_transcript
from reference_ws.transcript.memory import World
from reference_ws.transcript.messages import messages_of
from reference_ws.transcript.player import leaves
from reference_ws.transcript.steps import (
    ApplicationClose,
    ClientClose,
    Connect,
    Deny,
    Drop,
    Raised,
    Silence,
    States,
    Step,
    Transcript,
)

Show = dict[str, Any]
"""What the page's scripts get: see `Story.show`."""

_ERROR_ID: Final = re.compile(r"\[([a-z-]+)\]$")
_SIDES: Final = ("client_state", "application_state")
_BEGINNING: Final = (WebSocketState.CONNECTING, WebSocketState.CONNECTING)


@dataclass
class Story:
    """The steps of one play, in the order in which they happened, and the connections that they are of."""

    page: Page
    words: NullTranslations
    world: World
    steps: list[Step] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    size: int = 0
    """Characters of the transcript so far."""
    _told: int = 0
    """So many steps have been told."""
    _shows: int = 0
    _connects: dict[int, InMemoryConnection] = field(default_factory=dict)
    """The place of a connect among the steps -> its connection."""
    _raised: set[InMemoryConnection] = field(default_factory=set)

    def add(self, step: Step, seconds: float) -> None:
        """Something happened, so many seconds after the beginning."""
        if isinstance(step, Connect):
            self._connects[len(self.steps)] = self.world.latest[step.client]
        self.steps.append(step)
        self.seconds.append(seconds)
        self.size += len(format_transcript(Transcript((step,))))

    def show(self, *, line: int | None = None, following: Step | None = None, drawn: bool = False) -> Show:
        """Tell what has happened since the last call, and how it is now.

        ``told`` has a line for each step, ``explanation`` (HTML) is of the last one. ``waits`` and ``raised`` name the
        code sample of the page and its line, both counted from 1, or, for code that isn't on the page, its place.
        `line` is the one of the transcript that was reached, `following` the step that comes next.
        """
        new, self._told = range(self._told, len(self.steps)), len(self.steps)
        self._shows += 1
        unheard = self._unheard()
        moves = list(states(Transcript(tuple(self.steps)), unheard))
        connections = self.world.latest.items()
        return {
            "step": self._shows,
            "line": line,
            "row": len(self.steps),
            "seconds": self.seconds[-1] if self.seconds else 0.0,
            "states": [
                {
                    "client": name,
                    "client_state": connection.client_state.name,
                    "application_state": connection.application_state.name,
                }
                for name, connection in connections
            ],
            "waits": [
                {"client": name, **place(self.page, frame.f_code.co_filename, frame.f_lineno)}
                for name, connection in connections
                if not connection.ended and (frame := connection.waiting_frame())
            ],
            "raised": list(self._raises([step.client for step in self.steps[new.start :] if isinstance(step, Raised)])),
            "told": "\n".join(self._line(*moves[index]) for index in new),
            "explanation": self._explanation(*moves[-1]) if new else "",
            "next": format_step(following) if following else None,
            "transcript": self.text(),
            **({"svg": self.svg()} if drawn and self.steps else {}),
        }

    def text(self) -> str:
        """Write what happened as a transcript."""
        return format_transcript(Transcript(tuple(self.steps))) if self.steps else ""

    def _unheard(self) -> set[int]:
        """Find the connects whose ``websocket.connect`` the application hasn't received."""
        connecting = WebSocketState.CONNECTING
        return {place for place, connection in self._connects.items() if connection.client_state is connecting}

    def svg(self) -> str:
        """Draw what happened; the times are written if time has passed."""
        return svg(
            Transcript(tuple(self.steps)),
            lang=self.page.language,
            client=self.words.gettext("client"),
            application=self.words.gettext("application"),
            hidden=True,
            styled=False,
            seconds=self.seconds if any(self.seconds) else (),
            unheard=self._unheard(),
        )

    # --- what it means ------------------------------------------------------------------------------------------------

    def _raises(self, clients: list[str]) -> Iterator[Show]:
        """Name what has left the application since the last call, and what `clients` have just been told."""
        for name, connection in self.world.latest.items():
            if connection.error and (connection not in self._raised or name in clients):
                self._raised.add(connection)
                yield self.raised(name, connection.error)

    def raised(self, client: str, error: BaseException) -> Show:
        """Tell what has left the application of a client, where it was raised, and, as HTML, what it means."""
        known = "".join(f"<p>{part}</p>" for part in self._known_error(str(error)))
        return {"client": client, **raising(self.page, error), "explanation": known}

    def _meaning(self, step: Step, before: Sides | None) -> str:
        return self.words.gettext(explanations.of_step(step, *(before or _BEGINNING)))

    def _line(self, step: Step, before: Sides | None, _after: Sides | None) -> str:
        # That a message moves no state is no news: it would be said again and again.
        if messages_of(step) in ((RECEIVED,), (SENT,)) and before == (CONNECTED, CONNECTED):
            return format_step(step)
        meaning = self._meaning(step, before).replace("`", "")
        return self.words.gettext("%(step)s – %(meaning)s") % {"step": format_step(step), "meaning": meaning}

    def _pair(self, name: str, meaning: str) -> str:
        return self.words.gettext("%(name)s: %(meaning)s") % {"name": name, "meaning": meaning}

    def _explanation(self, step: Step, before: Sides | None, after: Sides | None) -> str:
        """Explain a step: its message, the states that it moves, its close code, the error behind it."""
        # The sentence of the tables first; then only what this step brings with it.
        messages = [f"<code>{message}</code>" for message in messages_of(step)]
        head = f"{', '.join(messages)} " if messages else ""
        parts = [f"{head}{prose(self.words, explanations.of_step(step, *(before or _BEGINNING)))}"]
        if before and after and not isinstance(step, States | Silence):
            for side, old, new in zip(_SIDES, before, after, strict=True):
                if new is not old:
                    meaning = prose(self.words, explanations.STATES[new])
                    ways = [old, new]
                    if isinstance(step, Deny) and RESPONSE_START in messages_of(step):
                        ways.insert(1, WebSocketState.RESPONSE)
                    parts.append(self._pair(f"<code>{side}</code> {' → '.join(map(state_name, ways))}", meaning))
            if isinstance(step, ClientClose | Drop | ApplicationClose) and after.count(DISCONNECTED) == 1:
                parts.append(self.words.gettext("The other side's state stays: no message moves it any more."))
        if isinstance(step, ClientClose | ApplicationClose | Drop):
            code = 1006 if isinstance(step, Drop) else step.code
            if row := close_code(code):
                name = f'<span lang="en">{escape(row.name)}</span>'
                parts.append(
                    f"{self._link(f'{code}', 'lifecycle#close-codes')} {name}: {prose(self.words, row.meaning)}"
                )
        if isinstance(step, Raised):
            parts.append(self._pair(f"<code>{escape(step.exception)}</code>", escape(step.message)))
            parts += self._known_error(step.message)
        return "".join(f"<p>{part}</p>" for part in parts)

    def _known_error(self, message: str) -> Iterator[str]:
        """Explain an error of the life cycle, if the message is of one."""
        if (found := _ERROR_ID.search(message)) and (error := found[1]) in ERRORS:
            yield f"{self._link(error, explanations.place(error))} {error_text(self.words, error)}"

    def _link(self, text: str, place: str) -> str:
        """Link to a section of another page, from the address of this one."""
        up = "" if self.page.name == "index" else "../"
        return f'<a href="{up}{section_path(place)}"><code>{escape(text)}</code></a>'


def place(page: Page, file: str, line: int | None) -> Show:
    """Name a sample of the page and a line of it, or, for code that isn't on the page, ``where`` it is."""
    name, _, block = file.rpartition("#")
    if name == page.file:
        return {"block": int(block), "line": line, "where": None}
    return {"block": None, "line": None, "where": "/".join(file.split("/")[-2:]) + f":{line}"}


def raising(page: Page, error: BaseException) -> Show:
    """Tell an exception, and where it was raised: on the innermost line of the page's code, else of any."""
    error = next(leaves(error))
    text = ": ".join(filter(None, (type(error).__name__, error.msg if isinstance(error, SyntaxError) else str(error))))
    places = [place(page, frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append(place(page, error.filename, error.lineno))
    own = [each for each in places if each["block"]]
    return {**(own or places)[-1], "text": text}
