"""What has happened in the lab, and how it is shown: the picture, the states, the waiting lines, the explanation.

A `Story` grows step by step, live or while the site is built; `Story.show` is all that the page's scripts get to see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from gettext import NullTranslations
from html import escape
from typing import Any, Final

from pygments.lexers import PythonLexer
from starlette.websockets import WebSocketState

from reference_ws.guide.fences import listing
from reference_ws.guide.pages import Page
from reference_ws.guide.tables import error_text, prose, state_name
from reference_ws.guide.words import explanations
from reference_ws.lifecycle import DISCONNECTED, ERRORS, RESPONSE_START, close_code
from reference_ws.testing.inmemory import InMemoryConnection
from reference_ws.transcript.diagram import Sides, states, svg
from reference_ws.transcript.grammar import format_step, format_transcript
from reference_ws.transcript.memory import World
from reference_ws.transcript.messages import messages_of
from reference_ws.transcript.peers import Ended, Nothing
from reference_ws.transcript.player import Report
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


@dataclass
class Story:
    """The steps of one performance, in the order in which they happened, and the connections that they are of."""

    page: Page
    words: NullTranslations
    world: World
    room: Transcript | None = None
    """What will come, as far as it is known: the picture has room for it from the beginning."""
    steps: list[Step] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    line: int | None = None
    """The line of the example's transcript that is reached."""
    next: Step | None = None
    """What will happen when the reader lets it."""
    told: int = 0
    """So many steps have been told."""
    size: int = 0
    """Characters of the transcript so far."""
    _served: dict[int, InMemoryConnection] = field(default_factory=dict)
    """The identity of a connect -> its connection."""
    _changes: int = 0
    _seen_unheard: set[int] = field(default_factory=set)
    _drawn_at: int = -1

    def add(self, step: Step, seconds: float) -> None:
        """Something happened, so many seconds after the beginning."""
        self.steps.append(step)
        self.seconds.append(seconds)
        self.size += len(format_transcript(Transcript((step,))))
        self._changes += 1

    def undo(self, step: Step) -> None:
        """Forget what didn't happen after all: the client had gone."""
        for index in (index for index, known in enumerate(self.steps) if known is step):
            del self.steps[index], self.seconds[index]
            self.told -= index < self.told
            self._changes += 1
            break

    def show(self, *, drawn: bool = True) -> Show:
        """Tell what the page shows now.

        ``svg`` is there if the picture has grown and `drawn`; ``told`` and ``explanation`` (HTML) are of the steps
        since the last call, and missing when there are none. ``waits`` names the code sample of the page and its line,
        both counted from 1, or, for code that isn't on the page, its place.
        """
        new, self.told = range(self.told, len(self.steps)), len(self.steps)
        unheard = self._unheard()
        show: Show = {
            "line": self.line,
            "states": [
                {
                    "client": name,
                    "client_state": connection.client_state.name,
                    "application_state": connection.application_state.name,
                }
                for name, connection in self.world.latest.items()
            ],
            "waits": self._waits(),
            "next": format_step(self.next) if self.next else None,
            "transcript": self.text(),
        }
        if drawn and self._drawn_at != self._changes:
            self._drawn_at = self._changes
            show["svg"] = self.svg(unheard)
        if new:
            moves = list(states(Transcript(tuple(self.steps)), unheard))
            show["told"] = " ".join(self._told(*moves[index]) for index in new)
            show["explanation"] = self._explanation(*moves[-1])
        return show

    def text(self) -> str:
        """Write what happened as a transcript."""
        return format_transcript(Transcript(tuple(self.steps))) if self.steps else ""

    def _unheard(self) -> set[int]:
        """Find the connects whose ``websocket.connect`` the application hasn't received."""
        found: set[int] = set()
        for place, step in enumerate(self.steps):
            if not isinstance(step, Connect):
                continue
            if id(step) not in self._served and step.client in self.world.latest:
                self._served[id(step)] = self.world.latest[step.client]
            connection = self._served.get(id(step))
            if connection is not None and connection.client_state is WebSocketState.CONNECTING:
                found.add(place)
        if found != self._seen_unheard:
            self._changes, self._seen_unheard = self._changes + 1, found
        return found

    def svg(self, unheard: set[int]) -> str:
        """Draw what happened."""
        return svg(
            Transcript(tuple(self.steps)),
            lang=self.page.language,
            client=self.words.gettext("client"),
            application=self.words.gettext("application"),
            hidden=True,
            styled=False,
            seconds=self.seconds,
            room=self.room,
            unheard=unheard,
        )

    # --- where the handlers wait --------------------------------------------------------------------------------------

    def _waits(self) -> list[dict[str, Any]]:
        waits = []
        for name, connection in self.world.latest.items():
            frame = None if connection.ended else connection.waiting_frame()
            if frame is None:
                continue
            file, line = frame.f_code.co_filename, frame.f_lineno
            block = self.page.sample_at(line) if file == str(self.page.path) else None
            place: dict[str, Any] = {"block": None, "line": None, "where": "/".join(file.split("/")[-2:]) + f":{line}"}
            if block is not None:
                place = {"block": block[0], "line": block[1], "where": None}
            waits.append({"client": name, **place})
        return waits

    def code(self, block: int) -> str:
        """Render a code sample of the page, counted from 1; each line is an element with the id ``lab-code-2-7``."""
        return listing(self.page.samples[block - 1].source, PythonLexer(stripnl=False), f"lab-code-{block}")

    # --- what it means ------------------------------------------------------------------------------------------------

    def _meaning(self, step: Step, before: Sides | None) -> str:
        return self.words.gettext(explanations.of_step(step, *(before or _BEGINNING)))

    def _told(self, step: Step, before: Sides | None, _after: Sides | None) -> str:
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
            if (found := _ERROR_ID.search(step.message)) and found[1] in ERRORS:
                error = found[1]
                parts.append(f"{self._link(error, explanations.place(error))} {error_text(self.words, error)}")
        return "".join(f"<p>{part}</p>" for part in parts)

    def _link(self, text: str, place: str) -> str:
        """Link to a section of another page, from the address of this one."""
        page, _, anchor = place.partition("#")
        up = "" if self.page.name == "index" else "../"
        return f'<a href="{up}{page}/#{anchor}"><code>{escape(text)}</code></a>'


_BEGINNING: Final = (WebSocketState.CONNECTING, WebSocketState.CONNECTING)


def problem(text: str, *, ends: bool = False) -> Show:
    """Say what is wrong, and whether that is the end of the performance."""
    return {"do": "problem", "text": text, "ends": ends}


def ended(words: NullTranslations, report: Report) -> Show:
    """Tell how it came out: ``ok`` and a ``title``, and, where it differs, what was ``expected`` and ``got``."""
    if report.got is None:
        count = len(report.played)
        title = words.ngettext("Played as written: %(count)d step", "Played as written: %(count)d steps", count)
        return {"ok": True, "title": title % {"count": count}, "expected": None, "got": None}
    got = report.got
    told = got.told(words.gettext) if isinstance(got, Ended | Nothing) else format_step(got)
    expected = format_step(report.expected) if report.expected else words.gettext("nothing more")
    return {
        "ok": False,
        "title": words.gettext("Something else came than what is written"),
        "expected": expected,
        "got": told,
    }
