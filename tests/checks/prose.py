"""What a program can say about the prose of a page: its terms, the way it addresses the reader, its typography.

Only prose is looked at, that of hints too: other fences, the names of objects (``:::``), inline code, link targets,
anchors and HTML tags are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from checks.variants import variant

from reference_ws.guide.glossary import Term
from reference_ws.guide.pages import Page

__all__ = ["check"]

_CODE: Final = "\ue000"  # stands for inline code, is neither a letter nor a space
_NO_PROSE: Final = re.compile(r"\{#[^}]*\}|<[^>]*>|(?<=\])\([^)]*\)|https?://\S*[\w/]")
_MARKS: Final = re.compile(r"^\s*(?:#+|[-*+]|\d+[.)]|!!!|\?\?\?\+?)\s+|!\[|[\[\]*]")

_HAN: Final = "[\u3400-\u4dbf\u4e00-\u9fff]"


@dataclass(frozen=True)
class _Rule:
    """A pattern that must not occur in the prose of a language, and what to tell the writer."""

    pattern: re.Pattern[str]
    advice: str


_RULES: Final[Mapping[str, Sequence[_Rule]]] = {
    "zh": (
        _Rule(re.compile("您"), "the reader is 你"),
        _Rule(
            re.compile(rf"(?<={_HAN})[,.:;?!()]|[,:;?!()](?={_HAN})"),
            "punctuation beside a Chinese character is full-width",
        ),
        _Rule(
            re.compile(rf"{_HAN}(?=[A-Za-z0-9])|(?<=[A-Za-z0-9]){_HAN}"),
            "a space stands between a Chinese character and a Latin letter or digit",
        ),
    ),
    "pt": (
        _Rule(
            re.compile(r"\b(?:voc[êe]s?|tu|te|ti|contigo|teus?|tuas?|vós|vos|convosco|voss[oa]s?)\b", re.IGNORECASE),
            "the reader is addressed without a pronoun",
        ),
    ),
    "ru": (
        _Rule(
            re.compile(r"\b(?:ты|тебя|тебе|тобо[йю]|тво(?:[йяёею]|его|ему|ей|ею|им|их|ими|ём|ем))\b", re.IGNORECASE),
            "the reader is вы",
        ),
        # Not at the beginning of a sentence, nor after what may have ended one.
        _Rule(
            re.compile(
                rf"(?<=[\w,;){_CODE}] )(?:[—–] )?(?:Вы|Вас|Вам|Вами|Ваш(?:а|е|и|его|ему|ей|ею|у|им|ем|их|ими)?)\b"
            ),
            "вы and ваш begin with a small letter",
        ),
    ),
}

# Two letters or digits before the full stop: neither an initial nor "т. е.". Table cells may hold several sentences.
_SECOND_SENTENCE: Final = re.compile(rf"(?:\w\w|[)»”\"{_CODE}])[.!?…]+[)»”\"]* +[«“\"(]?[A-ZÀ-ÖØ-ÞА-ЯЁ]")


def check(page: Page, terms: Sequence[Term]) -> Iterator[str]:
    """Tell what is wrong in the prose of a page.

    Each finding is like ``docs/zh/closing.md:57: 信息 stands where the term is 消息 (message)``.
    """
    for line, text in _prose(page):
        where = f"{page.file}:{line}"
        for term in terms:
            for word in term.forbidden.get(page.language, ()):
                if found := variant(page.language, word).search(text):
                    yield f"{where}: {found[0]} stands where the term is {getattr(term, page.language)} ({term.en})"
        for rule in _RULES[page.language]:
            if found := rule.pattern.search(text):
                yield f"{where}: {rule.advice}: {_around(text, found)}"
        if page.language != "zh" and not text.lstrip().startswith("|") and (found := _SECOND_SENTENCE.search(text)):
            yield f"{where}: each sentence stands on a line of its own: {_around(text, found)}"
    yield from _unanswered(page)


def _unanswered(page: Page) -> Iterator[str]:
    """Tell of the questions that end a section: what answers them, code or ``??? question``, would stand below them."""
    lines = page.path.read_text("utf-8").splitlines()
    for below in [*(heading.line for heading in page.headings), len(lines) + 1]:
        last = next((line for line in range(below - 1, 0, -1) if lines[line - 1].strip()), 0)
        if last and lines[last - 1].endswith(("?", "？")) and not lines[last - 1].startswith((" ", "#")):
            yield f"{page.file}:{last}: a question without an answer ends the section: {lines[last - 1][-30:]}"


def _prose(page: Page) -> Iterator[tuple[int, str]]:
    """Yield the lines that are prose, with their numbers; what isn't prose within them is taken out."""
    fenced: set[int] = set()
    for fence in page.fences:
        fenced.update((fence.lines[0], fence.lines[-1]) if fence.kind == "hint" else fence.lines)
    for line, text in enumerate(page.path.read_text("utf-8").splitlines(), 1):
        if line not in fenced and not text.startswith(":::"):
            without_code = re.sub(r"(`+).+?\1", _CODE, text)
            yield line, _MARKS.sub("", _NO_PROSE.sub("", without_code))


def _around(text: str, found: re.Match[str]) -> str:
    """Quote what was found, with a little of what stands around it."""
    quoted = text[max(0, found.start() - 20) : found.end() + 20].replace(_CODE, "`…`")
    return f"“{quoted.strip()}”"
