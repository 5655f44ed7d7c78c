"""The terms of ``docs/glossary.toml``: the table that readers see, and what the pages' checks compare with."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

import msgspec

from reference_ws.guide.pages import section_path
from reference_ws.guide.words.catalogs import LANGUAGES, catalog

_NAMES: Final = {"en": "English", "zh": "中文", "pt": "Português", "ru": "Русский"}


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One term in English and in each language.

    ``forbidden``: language -> variants that its pages don't use; ``also``: language -> other words that readers have
    for it; ``at``: the section that is about it, ``"production#pings"``.
    """

    en: str
    zh: str
    pt: str
    ru: str
    forbidden: Mapping[str, list[str]] = msgspec.field(default_factory=dict)
    also: Mapping[str, list[str]] = msgspec.field(default_factory=dict)
    at: str = ""

    def called(self, language: str) -> list[str]:
        """List what else it is called: what readers bring along, be it fit for these pages or not."""
        return [*self.also.get(language, ()), *self.forbidden.get(language, ())]


def read_terms(docs: Path) -> list[Term]:
    """Read ``docs/glossary.toml``, in its order; where there is none, nothing.

    Raises `msgspec.ValidationError` when it has another shape.
    """
    file = docs / "glossary.toml"
    return msgspec.toml.decode(file.read_bytes(), type=dict[str, list[Term]])["term"] if file.exists() else []


def search_words(docs: Path) -> dict[str, dict[str, list[str]]]:
    """Tell by which words a reader looks for a section: language -> section -> the terms it is about, and `called`."""
    words: dict[str, dict[str, list[str]]] = {language: {} for language in LANGUAGES}
    for term in read_terms(docs):
        for language in LANGUAGES if term.at else ():
            words[language].setdefault(term.at, []).extend([getattr(term, language), *term.called(language)])
    return words


def table(docs: Path, language: str) -> str:
    """Draw the terms as an HTML table: the reader's language, what else it is called there, English and the others.

    A term leads to the section that is about it.
    """
    comma = "、" if language == "zh" else ", "
    others = ["en", *(other for other in LANGUAGES if other != language)]
    also = escape(catalog(language).gettext("also called"))
    head = " ".join(f'<th scope="col" lang="{column}">{_NAMES[column]}</th>' for column in others)
    rows = ""
    for term in read_terms(docs):
        name = escape(getattr(term, language))
        if term.at:
            name = f'<a href="../{section_path(term.at)}">{name}</a>'
        rows += f"<tr><td>{name}</td> <td>{escape(comma.join(term.called(language)))}</td> "
        rows += " ".join(f'<td lang="{column}">{escape(getattr(term, column))}</td>' for column in others) + "</tr>"
    first = f'<th scope="col">{_NAMES[language]}</th> <th scope="col">{also}</th> '
    return f"<table><thead><tr>{first}{head}</tr></thead><tbody>{rows}</tbody></table>"
