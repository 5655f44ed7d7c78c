"""The fences of the documents that become more than a listing: `format_transcript` and the tables beside it.

Markdown calls the ``format_`` functions while it renders a page; `hooks` tells them which page that is by setting
`PAGE`, after it has checked all pages: nothing is wrong with a fence that arrives here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from contextvars import ContextVar
from gettext import NullTranslations
from typing import Any, Final

from markdown import markdown  # type: ignore[import-untyped]
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pymdownx.superfences import SuperFencesException  # type: ignore[import-untyped]

from reference_ws.guide import conformance, differences, glossary, peers
from reference_ws.guide.lexer import TranscriptLexer
from reference_ws.guide.pages import Fence, Page, live_path
from reference_ws.guide.tables import SHOWS, html_table, state_name
from reference_ws.guide.words.catalogs import catalog
from reference_ws.transcript.diagram import states, svg
from reference_ws.transcript.grammar import format_step
from reference_ws.transcript.steps import Connect, States, Transcript

PAGE: Final[ContextVar[Page]] = ContextVar("PAGE")
"""The page that is being rendered."""


def take_options(_language: str, inputs: dict[str, str], options: dict[str, str], _attrs: object, _md: object) -> bool:
    """Accept every option of a fence: the page's reader has judged them."""
    options.update(inputs)
    return True


def frame_exercises(text: str) -> str:
    """Put each exercise of a page's Markdown into an element of its own, and fold its solution with what follows it."""
    page = PAGE.get()
    source = [*_OPTIONS.sub(_for_markdown, text.strip("\n")).split("\n"), ""]
    whole = page.path.read_text("utf-8").rstrip("\n").count("\n") + 2  # MkDocs has taken the front matter away
    lines = dict(enumerate(source, whole - len(source) + 1))
    title = catalog(page.language).gettext("Solution")
    for exercise in page.exercises:
        begin = next(heading.line for heading in page.headings if heading.anchor == exercise.name)
        end = next((heading.line for heading in page.headings if heading.line > begin), max(lines))
        data = f'data-exercise="{exercise.name}" data-kind="{exercise.kind}"'
        details = '<details class="ws-exercise__solution" data-search-exclude="true" markdown="1">'
        lines[begin] += f'\n\n<div class="ws-exercise" {data} markdown="1">\n'
        lines[exercise.solution.line] = f"{details}<summary>{title}</summary>\n\n{lines[exercise.solution.line]}"
        lines[end] = "</details>\n\n</div>\n\n" + lines[end]
    return "\n".join(lines.values())


# They are ours, not for Markdown: it is told the name of a file only.
_OPTIONS: Final = re.compile(r"^```(python|javascript|html|http|console) .*?(?:file=([\w.]+).*)?$", re.MULTILINE)


def _for_markdown(found: re.Match[str]) -> str:
    return f"```{found[1]}" + (f' title="{found[2]}"' if found[2] else "")


def format_hint(source: str, _language: str, css_class: str, *_: object, **__: Any) -> str:
    """Render a hint of an exercise, folded."""
    page = PAGE.get()
    fence = _fence("hint", source, {})
    hints = [other for other in page.fences if (other.kind, other.anchor) == ("hint", fence.anchor)]
    title = catalog(page.language).gettext("Hint %(number)d") % {"number": hints.index(fence) + 1}
    summary = f"<summary>{title}</summary>"
    return f'<details class="{css_class}" data-search-exclude="true">{summary}{hint(fence)}</details>'


def hint(fence: Fence) -> str:
    """Render the Markdown of a hint, whose links lead to sections of its own page: ``[...](#anchor)``."""
    return str(markdown(fence.source))


def format_transcript(
    source: str, _language: str, css_class: str, options: Mapping[str, str], _md: object, **_: Any
) -> str:
    """Render a transcript: its text and its live addresses beside its diagram."""
    page = PAGE.get()
    fence = _fence("transcript", source, options)
    exercise = page.exercise(fence)
    if exercise and fence == exercise.solution:
        return listing(source, TranscriptLexer(), f"solution-{exercise.name}-line")
    transcript = page.transcript(fence)
    words = catalog(page.language)
    targets = list(dict.fromkeys(step.target for step in transcript.steps if isinstance(step, Connect)))
    count = len(transcript.steps)
    steps = words.ngettext("%(count)d step, from top to bottom", "%(count)d steps, from top to bottom", count)
    title = html.escape(words.gettext("Sequence diagram of %(targets)s") % {"targets": ", ".join(targets)})
    enlarge, shut = words.gettext("Enlarge the diagram"), words.gettext("Close the diagram")
    # The text beside it says the same, and is what a screen reader should read.
    drawing = svg(
        transcript,
        lang=page.language,
        client=words.gettext("client"),
        application=words.gettext("application"),
        hidden=True,
        styled=False,  # `hooks` gives the page the style of all its pictures
    )
    mount = live_path(page.name, fence.app, fence.denial)
    label = html.escape(words.gettext("Live address"))
    addresses = " ".join(
        f"<code data-live>ws://127.0.0.1:8000{html.escape(mount + target)}</code>" for target in targets
    )
    live = f'<p class="{css_class}__live" data-search-exclude="true"><span>{label}</span> {addresses}</p>'
    number = page.example(fence)
    text = listing(source, TranscriptLexer(), f"example-{number}-line")
    return (
        f'<figure class="{css_class}" id="example-{number}" data-page="{page.name}" data-example="{number}">'
        f'<div class="{css_class}__text">{text}'
        f"{'' if exercise else live}{_states_table(transcript, words)}</div>"
        f'<div class="{css_class}__diagram" data-search-exclude="true">'
        f'<button type="button" class="{css_class}__enlarge" title="{enlarge}" aria-label="{enlarge}">⤢</button>'
        f'<div class="{css_class}__drawing">{drawing}</div>'
        f'<dialog class="{css_class}__dialog" aria-label="{title}"><form method="dialog">'
        f"<span>{title} · {steps % {'count': count}}</span>"
        f'<button title="{shut}" aria-label="{shut}">✕</button></form></dialog></div>'
        f'<div class="ws-lab" data-search-exclude="true" hidden></div></figure>'
    )


def _states_table(transcript: Transcript, words: NullTranslations) -> str:
    """Write what only the picture shows, folded: the states of a line's connection after it."""
    title = words.gettext("The states, line by line")
    titles = (words.gettext("Line"), "client_state", "application_state")
    rows = (
        (f"<code>{html.escape(format_step(step))}</code>", *map(state_name, after))
        for step, _, after in states(transcript)
        if after and not isinstance(step, States)
    )
    table = html_table(titles, rows)
    return (
        f'<details class="ws-transcript__states" data-search-exclude="true"><summary>{title}</summary>{table}</details>'
    )


# Making one takes as long as colouring a short listing: it works out a style sheet that nobody asks for.
_LISTING: Final = HtmlFormatter(cssclass="highlight", wrapcode=True)


def listing(source: str, lexer: Lexer, line_id: str) -> str:
    """Colour a listing; each line is an element of its own, so that the lab can mark it: ``LINE_ID-7``."""
    _LISTING.linespans = line_id
    return highlight(source, lexer, _LISTING)


def format_lifecycle(
    source: str, _language: str, css_class: str, options: Mapping[str, str], _md: object, **_: Any
) -> str:
    """Render what ``{show=...}`` asks for: a table, or the state diagrams, of `reference_ws.lifecycle`."""
    show = _fence("lifecycle", source, options).options["show"]
    return f'<div class="{css_class} {css_class}--{show}">{SHOWS[show](catalog(PAGE.get().language))}</div>'


def format_glossary(_source: str, _language: str, css_class: str, *_: object, **__: Any) -> str:
    """Render the terms of ``docs/glossary.toml``, in the page's language and the others."""
    page = PAGE.get()
    return f'<div class="{css_class}">{glossary.table(page.path.parents[1], page.language)}</div>'


def format_servers(_source: str, _language: str, css_class: str, *_: object, **__: Any) -> str:
    """Render what the servers do otherwise, of ``docs/servers.toml``."""
    page = PAGE.get()
    return f'<div class="{css_class}">{differences.tables(page.path.parents[1], page.language)}</div>'


def format_peers(source: str, _language: str, css_class: str, options: Mapping[str, str], _md: object, **_: Any) -> str:
    """Render what was found of a system, of ``docs/peers.toml``."""
    page = PAGE.get()
    of = _fence("peers", source, options).options["of"]
    return f'<div class="{css_class}">{peers.table(page.path.parents[1], page.language, of)}</div>'


def format_conform(_source: str, _language: str, css_class: str, *_: object, **__: Any) -> str:
    """Render what each system keeps of the page ``conform``, of ``docs/conform.toml``."""
    page = PAGE.get()
    return f'<div class="{css_class}">{conformance.tables(page.path.parents[1], page.language)}</div>'


def _fence(kind: str, source: str, options: Mapping[str, str]) -> Fence:
    """Find on the page what Markdown handed over: it doesn't say on which line that stood."""
    page = PAGE.get()
    for fence in page.fences:
        if fence.kind == kind and fence.options == options and fence.source.strip() == source.strip():
            return fence
    # Markdown swallows any other exception and shows the fence as a paragraph.
    raise SuperFencesException(f"{page.file}: Markdown sees a {kind} fence that the page's reader doesn't: {source!r}")
