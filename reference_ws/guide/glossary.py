"""The terms of ``docs/glossary.toml``: the table that readers see, and the variants that no page uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

import msgspec

from reference_ws.guide.words.catalogs import LANGUAGES

__all__ = ["Term", "read_terms", "table", "variant"]

_NAMES: Final = {"en": "English", "zh": "中文", "pt": "Português", "ru": "Русский"}

# What may follow the stem of a Russian noun or adjective. Verbs have other endings, and no term is one.
_RUSSIAN_ENDINGS = (
    "а|ам|ами|ах|ая|е|ев|его|ей|ем|ему|и|ие|ий|им|ими|их|й|о|ов|ого|ое|ой|ом|ому|ою|у|ую|ы|ые|ый|ым|ыми|ых|ь|ью|"
    "ю|юю|я|ям|ями|ях|яя"
)


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One term in English and in each language; ``forbidden``: language -> variants that its pages don't use."""

    en: str
    zh: str
    pt: str
    ru: str
    forbidden: Mapping[str, list[str]] = msgspec.field(default_factory=dict)


def read_terms(docs: Path) -> list[Term]:
    """Read ``docs/glossary.toml``, in its order. Raises `msgspec.ValidationError` when it has another shape."""
    return msgspec.toml.decode((docs / "glossary.toml").read_bytes(), type=dict[str, list[Term]])["term"]


def table(docs: Path, language: str) -> str:
    """Draw the terms as an HTML table: the reader's language first, then English and the others."""
    columns = [language, "en", *(other for other in LANGUAGES if other != language)]
    head = "".join(f'<th scope="col" lang="{column}">{_NAMES[column]}</th>' for column in columns)
    rows = "".join(
        "<tr>" + "".join(f'<td lang="{column}">{escape(getattr(term, column))}</td>' for column in columns) + "</tr>"
        for term in read_terms(docs)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


@cache
def variant(language: str, text: str) -> re.Pattern[str]:
    """Build the pattern that finds `text` in prose of `language`, in any case and number.

    Chinese doesn't inflect and has no spaces: the text itself. In Portuguese each word may stand in the plural, and a
    verb of the first conjugation in any form. In Russian each word may have any ending of a noun or an adjective.
    """
    if language == "zh":
        return re.compile(re.escape(text))
    words = r"\s+".join(map(_portuguese if language == "pt" else _russian, text.split()))
    return re.compile(rf"\b{words}\b", re.IGNORECASE)


def _portuguese(word: str) -> str:
    if word.endswith("ão"):
        return re.escape(word[:-2]) + "(?:ão|ãos|ões|ães)"
    if word.endswith("ar"):
        return re.escape(word[:-2]) + r"\w*"
    if word.endswith("m"):
        return re.escape(word[:-1]) + "(?:m|ns)"
    if word.endswith("l"):
        return re.escape(word[:-1]) + "(?:l|is)"
    return re.escape(word) + "(?:s|es)?"


def _russian(word: str) -> str:
    stem = re.sub(rf"(?<=\w{{3}})(?:{_RUSSIAN_ENDINGS})$", "", word)
    return rf"{re.escape(stem)}(?:{_RUSSIAN_ENDINGS})?"
