"""Transcript to sequence diagram: `svg` draws it, `mermaid` writes it for sites that draw Mermaid themselves.

Every step takes a row of its own, and everything in that row is one ``<g class="step" data-step="1" data-line="7">``:
a page shows a diagram step by step by hiding the groups that have not come yet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from reference_ws.lifecycle import CONNECTING, WebSocketState, on_receive, on_send
from reference_ws.transcript.grammar import event_text, format_step, format_transcript
from reference_ws.transcript.messages import messages_of
from reference_ws.transcript.mistakes import display_width
from reference_ws.transcript.steps import (
    AnyMessage,
    Connect,
    Deny,
    Drop,
    FromClient,
    Raised,
    Silence,
    States,
    Step,
    Transcript,
    headers_of,
)

# --- the states after each step ---------------------------------------------------------------------------------------

Sides = tuple[WebSocketState, WebSocketState]
"""``client_state`` and ``application_state`` of one connection."""


def states(
    transcript: Transcript, unheard: Collection[int] | None = None
) -> Iterator[tuple[Step, Sides | None, Sides | None]]:
    """Walk the tables of `lifecycle`: each step with the states of its connection before and after.

    None before a client's first ``connect``, and for silence that concerns all clients. A message that the tables
    forbid moves nothing. `unheard` are the places of the steps whose ``websocket.connect`` the application hasn't
    received: by default those that it answers with a refusal, for which it need not. After the application's close the
    client's state stays: it would move when the application received ``websocket.disconnect``, which it need not do, as
    the end of either side ends both directions.
    """
    now: dict[str, Sides] = {}
    if unheard is None:
        unheard = _refused(transcript)
    for place, step in enumerate(transcript.steps):
        before = (CONNECTING, CONNECTING) if isinstance(step, Connect) else now.get(step.client)
        if place in unheard:
            now[step.client] = CONNECTING, CONNECTING
        elif before is not None:
            now[step.client] = _after(step, *before)
        yield step, before, now.get(step.client)


def _refused(transcript: Transcript) -> set[int]:
    """Find the connects that are answered with a refusal."""
    asked: dict[str, int] = {}
    found: set[int] = set()
    for place, step in enumerate(transcript.steps):
        if isinstance(step, Connect):
            asked[step.client] = place
        elif isinstance(step, Deny) and step.client in asked:
            found.add(asked[step.client])
    return found


def _after(step: Step, client: WebSocketState, application: WebSocketState) -> Sides:
    if isinstance(step, AnyMessage) and application is CONNECTING:
        application = WebSocketState.CONNECTED  # it may be a refusal, but then little would follow
    for event in messages_of(step):
        if isinstance(step, FromClient):
            entry = on_receive(client, application, event)
            client = entry if isinstance(entry, WebSocketState) else client
        else:
            entry = on_send(client, application, event)
            application = entry if isinstance(entry, WebSocketState) else application
    return client, application


# --- SVG --------------------------------------------------------------------------------------------------------------
# Lengths are units of the view box. A monospace character is 0.6 em wide, in every font that is named below.

_FONT, _SMALL = 13, 11
_EDGE = 10
_BAND = 10
_LANE = 22  # from band to band of the application at least, when it has several: an arrow's head fits between
_AIR = 10  # between a band and the text beside it
_MIN_GAP, _MAX_GAP = 220, 340  # the names of two states stand beside each other in the smallest
_CLIENT_NAME_COLUMNS = 14
_TOP = 34  # where the first row begins; with several clients, a line with their names is above it
_NAMES = 17
# A unit of the view box in rem, as drawn and at least: a page that is narrower lets the reader scroll.
_UNIT, _SMALLEST_UNIT = 0.07, 0.065

# Text has a contrast of 4.5:1 at least on its background, in both schemes; a test computes it.
_COLOURS = {
    #               light      dark
    "background": ("#ffffff", "#1e2129"),
    "text": ("#1f2328", "#e6e8ee"),
    "quiet": ("#59636e", "#a3abb8"),
    "line": ("#57606a", "#aab2bf"),
    "connecting": ("#9a6700", "#d9a53a"),
    "connected": ("#1a7f37", "#4cc163"),
    "response": ("#8250df", "#c297ff"),
    "disconnected": ("#646c76", "#98a1ae"),
    "error": ("#cf222e", "#ff8179"),
}


def _palette(scheme: int) -> str:
    values = {name: both[scheme] for name, both in _COLOURS.items()}
    # Material's own background, where there is one; any other site overrides all of them by --ws-NAME.
    values["background"] = f"var(--md-default-bg-color,{values['background']})"
    return "".join(f"--{name}:var(--ws-{name},{value});" for name, value in values.items())


STYLE: Final = "".join(
    (
        f".ws-diagram{{{_palette(0)}}}",
        f"@media (prefers-color-scheme:dark){{.ws-diagram{{{_palette(1)}}}}}",
        f"[data-md-color-scheme] .ws-diagram{{{_palette(0)}}}",
        f'[data-md-color-scheme="slate"] .ws-diagram{{{_palette(1)}}}',
        f"svg.ws-diagram{{display:block;height:auto;width:calc(var(--ws-width)*{_UNIT}rem);max-width:100%;"
        f"min-width:calc(var(--ws-width)*{_SMALLEST_UNIT}rem)}}",
        f".ws-diagram text{{font:{_FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',"
        "'Noto Sans Mono','PingFang SC','Microsoft YaHei','Noto Sans CJK SC',monospace;"
        "fill:var(--text);white-space:pre}",
        ".ws-diagram .background{fill:var(--background)}",
        ".ws-diagram .name,.ws-diagram .verb{font-weight:600}",
        f".ws-diagram .small{{font-size:{_SMALL}px;fill:var(--quiet)}}.ws-diagram text.quiet{{fill:var(--quiet)}}",
        ".ws-diagram .life{stroke:var(--quiet);stroke-width:1}",
        ".ws-diagram .arrow{stroke:var(--line);stroke-width:1.5;fill:none}",
        ".ws-diagram .head{fill:var(--line)}",
        # Keeps an arrow apart from the life lines of others that it crosses.
        ".ws-diagram .halo{stroke:var(--background);stroke-width:6}.ws-diagram .mark{fill:var(--background)}",
        ".ws-diagram .error{stroke:var(--error);stroke-width:2;fill:none}",
        ".ws-diagram text.error{fill:var(--error);stroke:none}",
        ".ws-diagram .pause{stroke:var(--quiet);stroke-width:2;stroke-dasharray:1 6;stroke-linecap:round}",
        ".ws-diagram .band{shape-rendering:crispEdges}",
        ".ws-diagram .frame{fill:none;stroke:var(--line)}",
        # A state is told by the shape of its band too: thin, full, ticked, dashed.
        ".ws-diagram .band.connecting{stroke:var(--connecting);stroke-width:4}",
        f".ws-diagram .band.connected{{stroke:var(--connected);stroke-width:{_BAND}}}",
        f".ws-diagram .band.response{{stroke:var(--response);stroke-width:{_BAND};stroke-dasharray:3 2}}",
        ".ws-diagram .band.disconnected{stroke:var(--disconnected);stroke-width:3;stroke-dasharray:2 4}",
        *(f".ws-diagram text.{state.name.lower()}{{fill:var(--{state.name.lower()})}}" for state in WebSocketState),
    )
)
"""The style sheet of the pictures; each rule is for ``.ws-diagram`` alone."""


def svg(
    transcript: Transcript,
    *,
    title: str = "",
    description: str = "",
    lang: str = "en",
    client: str = "client",
    application: str = "application",
    hidden: bool = False,
    styled: bool = True,
    seconds: Sequence[float] = (),
    unheard: Collection[int] | None = None,
) -> str:
    """Draw a transcript: one self-contained ``<svg>`` element, the same text for the same input.

    `title` and `description` are what a screen reader says, in the language `lang` (a BCP 47 tag); left empty, they are
    the first target and the transcript's own text. With `hidden`, for a page where the transcript itself stands beside
    its picture, a screen reader passes over it. A page with many pictures has their `STYLE` once, and each of them not
    `styled`. `client` and `application` are the headings of the two sides, `seconds` the times of the steps, written
    beside them. `unheard` is explained at `states`.

    The picture grows with the page's font size (its lengths are in rem), shrinks a little where there is no room, and
    follows the colour scheme. A site overrides the colours by the custom properties ``--ws-text``, ``--ws-connected``
    and so on; the picture's size in units is in ``--ws-width`` and ``--ws-height``.
    """
    figure = _Figure(transcript, (client, application), tuple(seconds), unheard)
    rows = "\n".join(figure.rows())
    width, height = figure.width, figure.y + _EDGE
    spoken, told = 'aria-hidden="true"', []
    if not hidden:
        source = format_transcript(transcript)
        first = next((step.target for step in transcript.steps if isinstance(step, Connect)), "")
        title, description = title or f"WebSocket {first}".rstrip(), description or source
        key = sha256("\0".join((source, title, description, lang)).encode(errors="replace")).hexdigest()[:10]
        spoken = f'role="img" aria-labelledby="ws-{key}-title ws-{key}-desc"'
        told = [
            f'<title id="ws-{key}-title">{_text(title)}</title>',
            f'<desc id="ws-{key}-desc">{_text(description)}</desc>',
        ]
    return "\n".join(
        (
            f'<svg class="ws-diagram" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' style="--ws-width:{width};--ws-height:{height}" lang={quoteattr(lang)} xml:lang={quoteattr(lang)}'
            f" {spoken}>",
            *told,
            *([f"<style>{escape(STYLE)}</style>"] if styled else []),
            f'<rect class="background" width="{width}" height="{height}"/>',
            *figure.life_lines(height - _EDGE),
            rows,
            "</svg>",
        )
    )


@dataclass
class _Figure:
    """Where things are: the clients' life lines at the left, the application's bands at the right, ``y`` grows."""

    transcript: Transcript
    sides: tuple[str, str]
    seconds: tuple[float, ...] = ()
    unheard: Collection[int] | None = None
    clients: dict[str, int] = field(default_factory=dict)
    lanes: dict[str, int] = field(default_factory=dict)
    y: int = _TOP

    def __post_init__(self) -> None:
        steps = self.transcript.steps
        names = self.transcript.clients or ("",)
        widest_state = max(display_width(state.name) for state in WebSocketState)
        widest_name = max(display_width(_name(name)) for name in names)
        column = max(_wide(widest_state, _SMALL), _wide(widest_name, _FONT)) + 2 * _AIR + _BAND
        lane = max(_LANE, _wide(widest_name, _FONT) + _AIR)
        self.y += _NAMES * (len(names) > 1)
        for number, name in enumerate(names):
            self.clients[name] = _EDGE + _BAND // 2 + number * column
        self.gap_left = max(self.clients.values()) + _BAND // 2
        # Wide enough for what is said, within bounds; what is longer is shortened.
        wanted = [_wide(display_width(event_text(step)), _FONT) for step in steps]
        wanted += [_wide(display_width(f"{n}: {v}"), _SMALL) for step in steps for n, v in headers_of(step)]
        self.gap = min(_MAX_GAP, max((_MIN_GAP, *wanted)) + 2 * _AIR)
        self.gap_right = self.gap_left + self.gap
        for number, name in enumerate(names):
            self.lanes[name] = self.gap_right + _BAND // 2 + number * lane
        self.right = max(self.lanes.values()) + _BAND // 2
        latest = _time(max((9.99, *self.seconds))) if self.seconds else ""
        self.width = self.right + (_AIR + _wide(display_width(latest), _SMALL) if latest else 0) + _EDGE

    @property
    def middle(self) -> int:
        return (self.gap_left + self.gap_right) // 2

    def life_lines(self, bottom: int) -> Iterator[str]:
        several = len(self.clients) > 1
        top = _TOP + _NAMES * several - 6
        yield _write(_EDGE, _TOP - 14, self.sides[0] if several else _name(*self.clients) or self.sides[0], "name")
        yield _write(self.right, _TOP - 14, self.sides[1], "name", "end")
        for side, toward, anchor in ((self.clients, -1, "start"), (self.lanes, 1, "end")):
            for name, x in side.items():
                if several:
                    yield _write(x + toward * _BAND // 2, top - 8, _name(name), "quiet", anchor)
                yield _line("life", x, top, x, bottom)

    def rows(self) -> Iterator[str]:
        """Draw the steps, each with the part of all bands that is beside it."""
        now: dict[str, Sides] = {}
        for number, (step, before, after) in enumerate(states(self.transcript, self.unheard), 1):
            top, opening = self.y, ""
            if before and isinstance(step, Connect):
                now[step.client] = before
                self.y += 14
                opening = self.state_names(step.client, (None, None), before, top + 11)
            event, turn = self.event(step, before, after)
            old = dict(now)
            if after:
                now[step.client] = after
            bands = [
                band
                for client in now
                for side, x in enumerate((self.clients[client], self.lanes[client]))
                for band in _band(
                    ("client", "application")[side], x, old[client][side], now[client][side], top, turn, self.y
                )
            ]
            head = f'<g class="step" data-step="{number}" data-line="{step.line}"><title>{_text(_full(step))}</title>'
            time = ""
            if number <= len(self.seconds) and self.seconds[number - 1] != (0, *self.seconds)[number - 1]:
                time = _write(self.width - _EDGE, turn + 4, _time(self.seconds[number - 1]), "small quiet", "end")
            yield "\n".join(filter(None, (head, *bands, opening, *event, time, "</g>")))

    def event(self, step: Step, before: Sides | None, after: Sides | None) -> tuple[list[str], int]:
        """Draw what happens, from ``y`` on; move ``y`` under it; tell at which height the states change."""
        left, right = self.clients.get(step.client), self.lanes.get(step.client)
        if isinstance(step, Silence):
            self.y += 30
            y, half = self.y - 15, _wide(display_width(event_text(step)), _SMALL) // 2 + _AIR
            start = self.gap_left if left is None else left + _BAND // 2
            return [
                _line("pause", start + _AIR, y, self.middle - half, y),
                _line("pause", self.middle + half, y, self.gap_right - _AIR, y),
                _write(self.middle, y + 4, event_text(step), "small", "middle"),
            ], y
        if left is None or right is None:
            raise ValueError(f"{format_step(step)!r} comes before its client connects")
        if isinstance(step, States):
            self.y += 34
            y, x, end = self.y - 17, left - _BAND // 2 - 4, right + _BAND // 2 + 4
            return [
                f'<rect class="frame" x="{x}" y="{y - 11}" width="{end - x}" height="22" rx="6"/>',
                _state(self.gap_left + _AIR, y + 4, step.client_state),
                _write(self.middle, y + 4, "==", "small", "middle"),
                _state(self.gap_right - _AIR, y + 4, step.application_state, "end"),
            ], y
        if isinstance(step, Raised):
            self.y += 30
            y, label = self.y - 15, _shorten(f"!! {event_text(step)}", self.gap - 2 * _AIR - 8, _FONT)
            return [*_cross(right, y), _write(self.gap_right - _AIR, y + 5, label, "error", "end")], y
        self.y += 24
        y = self.y
        verb, _, payload = _shorten(event_text(step), self.gap - 2 * _AIR, _FONT).partition(" ")
        words = f'<tspan class="verb">{_text(verb)}</tspan>' + (f" {_text(payload)}" if payload else "")
        drawn = [f'<text x="{self.middle}" y="{y - 6}" text-anchor="middle">{words}</text>']
        near, far = left + _BAND // 2 + 2, right - _BAND // 2 - 2
        if isinstance(step, Drop):
            stop = self.middle + self.gap // 4
            drawn += [*_arrow(near, stop, y), *_cross(stop, y)]
        elif isinstance(step, FromClient):
            drawn += [*_arrow(near, far - 6, y), f'<path class="head" d="M{far} {y}l-9 -4.5v9z"/>']
        else:
            drawn += [*_arrow(near + 6, far, y), f'<path class="head" d="M{near} {y}l9 -4.5v9z"/>']
        if before and after and before != after:
            self.y += 14
            drawn.append(self.state_names(step.client, before, after, self.y))
        for name, value in headers_of(step):
            self.y += 15
            header = _shorten(f"{name}: {value}", self.gap - 2 * _AIR, _SMALL)
            drawn.append(_write(self.middle, self.y, header, "small", "middle"))
        self.y += 10
        return drawn, y

    def state_names(
        self, client: str, old: tuple[WebSocketState | None, WebSocketState | None], new: Sides, y: int
    ) -> str:
        """Write the states that are new beside their bands."""
        names = []
        if new[0] is not old[0]:
            x = self.clients[client] + _BAND // 2 + _AIR
            names.append(_state(x, y, new[0]))
        if new[1] is not old[1]:
            names.append(_state(self.gap_right - _AIR, y, new[1], "end"))
        return "\n".join(names)


def _band(
    side: str, x: int, old: WebSocketState, new: WebSocketState, top: int, turn: int, bottom: int
) -> Iterator[str]:
    """Draw one band beside one step: one colour, or two that meet at `turn`."""
    parts = ((old, top, bottom),) if old is new else ((old, top, turn), (new, turn, bottom))
    for state, start, end in parts:
        yield _line(f"band {side} {state.name.lower()}", x, start, x, end)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s"


def _name(client: str) -> str:
    return _shorten(client, _wide(_CLIENT_NAME_COLUMNS, _FONT), _FONT)


def _full(step: Step) -> str:
    note = f"  # {step.note}" if step.note else ""
    return "\n".join((format_step(step) + note, *(f"{name}: {value}" for name, value in headers_of(step))))


def _wide(columns: int, size: int) -> int:
    """Pixels that so many columns take at this font size."""
    return -(-columns * size * 6 // 10)


def _shorten(text: str, width: int, size: int) -> str:
    """Cut `text` to so many pixels; an ellipsis shows that it was cut."""
    longest = 10 * width  # more characters can't fit, whatever combines with whatever
    if len(text) <= longest and _wide(display_width(text), size) <= width:
        return text
    columns = 1  # the ellipsis
    for end, character in enumerate(text):
        columns += display_width(character)
        if _wide(columns, size) > width:
            return f"{text[:end]}…"
    return text


def _text(text: str) -> str:
    """Escape for XML; what XML can't hold becomes the replacement character."""
    return escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))


def _line(kind: str, x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _write(x: int, y: int, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{_text(text)}</text>'


def _state(x: int, y: int, state: WebSocketState, anchor: str = "start") -> str:
    return _write(x, y, state.name, f"small {state.name.lower()}", anchor)


def _arrow(start: int, end: int, y: int) -> Iterator[str]:
    yield _line("halo", start, y, end, y)
    yield _line("arrow", start, y, end, y)


def _cross(x: int, y: int) -> Iterator[str]:
    yield f'<circle class="mark" cx="{x}" cy="{y}" r="9"/>'
    yield f'<path class="error" d="M{x - 5} {y - 5}l10 10m0 -10l-10 10"/>'


# --- Mermaid ----------------------------------------------------------------------------------------------------------


def mermaid(transcript: Transcript) -> str:
    """Write a transcript as a Mermaid ``sequenceDiagram`` that says the same, states excepted."""
    ids = {name: f"c{number}" for number, name in enumerate(transcript.clients, 1)}
    first = next(iter(ids.values()), "app")
    lines = ["sequenceDiagram"]
    lines += [f"participant {ids[name]} as {_mermaid_text(name or 'client')}" for name in ids]
    lines.append("participant app as application")
    for step in transcript.steps:
        client = "" if isinstance(step, Silence) and not step.client else ids[step.client]
        said = "<br/>".join(map(_mermaid_text, (event_text(step), *(f"{n}: {v}" for n, v in headers_of(step)))))
        if isinstance(step, Silence):
            lines.append(f"Note over {client or first},app: .. {said}")
        elif isinstance(step, States):
            lines.append(f"Note over {client},app: == {said}")
        elif isinstance(step, Raised):
            lines.append(f"Note over app: {_mermaid_text('!!')} {said}")
        elif isinstance(step, Drop):
            lines.append(f"{client}-xapp: {said}")
        elif isinstance(step, FromClient):
            lines.append(f"{client}->>app: {said}")
        else:
            lines.append(f"app-->>{client}: {said}")
    return "\n    ".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    """Write all that Mermaid could take for its own (``;`` ``#`` ``%`` ``<`` ``:`` ...) as its character codes."""
    return re.sub(r"[^\w \t/.,=?()-]", lambda match: f"#{ord(match[0])};" if match[0].isascii() else match[0], text)
