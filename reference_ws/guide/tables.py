"""The life cycle as HTML and SVG in the reader's language: what the ``lifecycle`` fence shows.

Every row, cell and arrow is read from `reference_ws.lifecycle`; only the places of the states are laid out by hand.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from gettext import NullTranslations
from html import escape
from typing import Final

from reference_ws.guide.words.explanations import SIDES
from reference_ws.lifecycle import (
    CLOSE_CODES,
    ERRORS,
    RECEIVE,
    SEND,
    CloseCode,
    Table,
    WebSocketState,
)


def transitions(words: NullTranslations, table: Table) -> str:
    """Draw a transition table: a row a message, a column a state, below it what its error ids say."""
    message = words.gettext("Message received") if table is RECEIVE else words.gettext("Message sent")
    events = dict.fromkeys(event for row in table.values() for event in row)
    head = [escape(message), *(state_name(state) for state in table)]
    rows = [[_message(event), *(_entry(words, row[event]) for row in table.values())] for event in events]
    errors = dict.fromkeys(entry for row in table.values() for entry in row.values() if isinstance(entry, str))
    notes = [f"<dt><code>{error}</code></dt><dd>{error_text(words, error)}</dd>" for error in errors]
    return f"{html_table(head, rows)}<dl>{''.join(notes)}</dl>"


def close_codes(words: NullTranslations) -> str:
    """Draw the table of the close codes: code or range, its registered name, what it means, who may send it."""
    titles = (words.gettext("Code"), words.gettext("Name"), words.gettext("Meaning"), words.gettext("Who may send it"))
    return html_table(map(escape, titles), [_close_code(words, code) for code in CLOSE_CODES])


def _close_code(words: NullTranslations, code: CloseCode) -> list[str]:
    numbers = f"{code.first}" if code.first == code.last else f"{code.first}–{code.last}"
    name = f'<span lang="en">{escape(code.name)}</span>'
    label = escape(words.gettext("Who may send it"))  # shown on a narrow screen, where the head of the table is not
    sender = f'<span data-label="{label}">{prose(words, code.sender)}</span>'
    return [f"<code>{numbers}</code>", name, prose(words, code.meaning), sender]


def _entry(words: NullTranslations, entry: WebSocketState | str) -> str:
    if isinstance(entry, WebSocketState):
        return f"→&nbsp;{state_name(entry)}"
    return f'<code title="{escape(words.gettext(ERRORS[entry].problem))}">{entry}</code>'


def error_text(words: NullTranslations, error: str) -> str:
    """Write the two sentences of an error."""
    # Chinese sentences follow each other without a space: their full stop brings its own.
    problem, remedy = (prose(words, text) for text in (ERRORS[error].problem, ERRORS[error].remedy))
    return f"{problem}{'' if problem.endswith('。') else ' '}{remedy}"


def prose(words: NullTranslations, text: str) -> str:
    """Translate `text`; what stands between backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words.gettext(text), quote=False))


def _message(event: str) -> str:
    return f"<code>{escape(event).replace('.', '.<wbr>')}</code>"


def state_name(state: WebSocketState) -> str:
    """Write a state in its colour."""
    return f'<span class="ws-state ws-state--{state.name.lower()}">{state.name}</span>'


def html_table(titles: Iterable[str], rows: Iterable[Iterable[str]], *, row_heads: bool = False) -> str:
    """Write a table; titles and cells are HTML. With `row_heads` the first cell of a row heads it."""
    # A corner that heads nothing is no heading. With nothing between them, cells would be one word to the search.
    head = " ".join(f'<th scope="col">{title}</th>' if title else "<td></td>" for title in titles)
    body = " ".join(f"<tr>{' '.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if row_heads:
        body = re.sub("<tr><td>(.*?)</td>", r'<tr><th scope="row">\1</th>', body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


# --- the state diagram ------------------------------------------------------------------------------------------------

Point = tuple[float, float]
Places = Mapping[WebSocketState, Point]

_BOX_WIDTH: Final = 118
_BOX_HEIGHT: Final = 36
_LINE: Final = 14  # from one line of a label to the next
_PLACES: Final[Mapping[str, tuple[Table, float, Places]]] = {
    "client_state": (
        RECEIVE,
        230,
        {
            WebSocketState.CONNECTING: (80, 70),
            WebSocketState.CONNECTED: (80, 210),
            WebSocketState.DISCONNECTED: (80, 350),
        },
    ),
    "application_state": (
        SEND,
        400,
        {
            WebSocketState.CONNECTING: (200, 70),
            WebSocketState.CONNECTED: (90, 210),
            WebSocketState.RESPONSE: (310, 210),
            WebSocketState.DISCONNECTED: (200, 350),
        },
    ),
}


def state_diagrams(words: NullTranslations) -> str:
    """Draw both tables as state diagrams, beside each other where there is room."""
    return "".join(_diagram(words, side, *_PLACES[side]) for side in _PLACES)


def _diagram(words: NullTranslations, side: str, table: Table, width: float, places: Places) -> str:
    edges: defaultdict[tuple[WebSocketState, WebSocketState], list[str]] = defaultdict(list)
    for state, row in table.items():
        for event, entry in row.items():
            if isinstance(entry, WebSocketState):
                edges[state, entry].append(event)
    caption = words.gettext(SIDES[side])
    story = "; ".join(f"{a.name} → {b.name}: {', '.join(events)}" for (a, b), events in edges.items())
    ends = [state for state in table if all(b is state or a is not state for a, b in edges)]
    start = next(iter(places.values()))
    height = max(y for _, y in places.values()) + 30
    parts = [
        f'<svg class="ws-states" viewBox="0 0 {width} {height}" style="max-width:{width}px" role="img" '
        f'aria-labelledby="{side}-title {side}-story"><title id="{side}-title">{side}</title>'
        f'<desc id="{side}-story">{escape(story)}</desc>',
        f'<defs><marker id="{side}-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<circle cx="{start[0]}" cy="{start[1] - 56}" r="6"/>',
        _arrow(side, f"M{start[0]} {start[1] - 50}V{start[1] - _BOX_HEIGHT / 2 - 1}"),
        *(_edge(side, events, places[a], places[b], width / 2) for (a, b), events in edges.items()),
        *(_box(state, places[state], final=state in ends) for state in table),
        "</svg>",
    ]
    heading = f"<figcaption><code>{side}</code><br>{escape(caption)}</figcaption>"
    return f'<figure data-search-exclude="true" style="flex-grow:{width}">{heading}{"".join(parts)}</figure>'


def _box(state: WebSocketState, at: Point, *, final: bool) -> str:
    x, y = at[0] - _BOX_WIDTH / 2, at[1] - _BOX_HEIGHT / 2
    inner = (
        f'<rect x="{x + 3}" y="{y + 3}" width="{_BOX_WIDTH - 6}" height="{_BOX_HEIGHT - 6}" rx="4"/>' if final else ""
    )
    return (
        f'<g class="ws-box ws-box--{state.name.lower()}">'
        f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6"/>{inner}'
        f'<text x="{at[0]}" y="{at[1] + 4.5}" text-anchor="middle">{state.name}</text></g>'
    )


def _edge(side: str, events: list[str], start: Point, end: Point, middle: float) -> str:
    """Draw one arrow with its messages: down from box to box, or, from a state to itself, a loop on the outer side."""
    outward = -1 if start[0] < middle and side == "application_state" else 1
    lines = [line for event in events for line in _label(event)]
    if start == end:
        edge, top, bottom = start[0] + outward * _BOX_WIDTH / 2, start[1] - 8, start[1] + 8
        bow = edge + outward * 28
        path = f"M{edge} {top}C{bow} {top - 12} {bow} {bottom + 12} {edge + outward} {bottom}"
        above = start[1] - 26 - _LINE * (len(lines) - 1)
        at = (edge + outward * 24, above) if side == "application_state" else (edge + 26, start[1] + 4)
        anchor = "end" if outward > 0 and side == "application_state" else "start"
    else:
        lean = (end[0] - start[0]) / 4  # arrows to one box end beside each other
        path = f"M{start[0] + lean} {start[1] + _BOX_HEIGHT / 2}L{end[0] - lean} {end[1] - _BOX_HEIGHT / 2 - 1}"
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        outward = -1 if x < middle and side == "application_state" else 1
        at = (x + outward * (10 + 6 * (len(lines) - 1)), y + 4 - _LINE * (len(lines) - 1) / 2)
        anchor = "start" if outward > 0 else "end"
    text = "".join(f'<tspan x="{at[0]}" y="{at[1] + _LINE * n}">{escape(line)}</tspan>' for n, line in enumerate(lines))
    names = escape(", ".join(events))
    return (
        f'<g><title>{names}</title>{_arrow(side, path)}<text class="ws-label" text-anchor="{anchor}">{text}</text></g>'
    )


def _arrow(side: str, path: str) -> str:
    return f'<path class="ws-edge" d="{path}" marker-end="url(#{side}-arrow)"/>'


def _label(event: str) -> list[str]:
    """Shorten a message for the picture, long ones to two lines: the table beside it has the full name."""
    name = event.removeprefix("websocket.")
    front, dot, back = name.rpartition(".")
    return [front, dot + back] if dot else [name]


SHOWS: Final[Mapping[str, Callable[[NullTranslations], str]]] = {
    "receive": lambda words: transitions(words, RECEIVE),
    "send": lambda words: transitions(words, SEND),
    "states": state_diagrams,
    "close-codes": close_codes,
}
"""What ``{show=...}`` may ask for."""
