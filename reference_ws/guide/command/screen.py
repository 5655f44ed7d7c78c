"""What the commands show of a transcript, step by step."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from difflib import get_close_matches
from gettext import NullTranslations
from typing import ClassVar, Final

from rich.console import Console
from rich.text import Text

from reference_ws.guide.command import Problem
from reference_ws.guide.words import explanations
from reference_ws.lifecycle import WebSocketState
from reference_ws.transcript.diagram import states
from reference_ws.transcript.grammar import format_step
from reference_ws.transcript.mistakes import visible
from reference_ws.transcript.steps import States, Step, Transcript, headers_of

_ARROWS: Final = {"->": "cyan", "<-": "green", "!!": "red", "==": "magenta", "..": "yellow"}


FEW: Final = 30
"""So many words may stand in a line."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """End the command as Ctrl-C does, wherever it is: ``| head`` has read enough."""
        with suppress(SystemExit):  # which a task group would wrap
            super().on_broken_pipe()
        self.quiet = Screen.unread = True
        signal.raise_signal(signal.SIGINT)


class Screen:
    """Stdout: in colour on a terminal; elsewhere plain text, a line of which is never broken."""

    unread: ClassVar = False
    """True once nobody reads any more what is written."""

    def __init__(self, words: NullTranslations) -> None:
        self.words = words
        self._console = _Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line."""
        self._console.print(Text(visible(text), style))

    def follow(self, transcript: Transcript) -> Callable[[Step], None]:
        """Give the function to call with each step of `transcript` as it happens: it shows and explains the step."""
        following = states(transcript)

        def show(step: Step) -> None:
            _, before, after = next(following)
            self.step(step, after)
            if before is not None:
                self.line(f"   {self.words.gettext(explanations.of_step(step, *before))}", "italic")

        return show

    def step(self, step: Step, after: tuple[WebSocketState, WebSocketState] | None) -> None:
        """Show a step with its header lines, and both states after it."""
        text = Text(visible(format_step(step)), "bold")
        for arrow, colour in _ARROWS.items():
            text.highlight_regex(rf"(?:^|(?<= )){arrow.replace('.', r'[.]')}(?= )", colour)
        if step.note:
            text.append(f"  # {visible(step.note)}", "dim")
        self._console.print(text)
        for name, value in headers_of(step):
            self.line(f"    {name}: {value}", "dim")
        if after is not None and not isinstance(step, States):
            client, application = after
            self.line(f"   client={client.name} application={application.name}", "dim")


def unknown(words: NullTranslations, problem: str, word: str, known: Iterable[str]) -> Problem:
    """Build the problem of a word that isn't among `known`: with those near to it, or with all if they are few."""
    everything = list(known)
    lower = {name.lower(): name for name in everything}
    near = [lower[name] for name in get_close_matches(word.lower(), lower, cutoff=0.7)]
    if near:
        hint = words.gettext(": did you mean %(names)s?")
    elif len(everything) <= FEW:
        hint = words.gettext(": there are %(names)s")
    else:
        hint = words.gettext(": without a word, everything is listed")
    return Problem(f"{problem}{hint % {'names': ', '.join(near or everything)}}")
