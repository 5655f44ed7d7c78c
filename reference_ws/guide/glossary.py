"""The terms of ``docs/glossary.toml``: the table that readers see, and what the pages' checks compare with."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

import msgspec

from reference_ws.guide.words.catalogs import LANGUAGES

_NAMES: Final = {"en": "English", "zh": "中文", "pt": "Português", "ru": "Русский"}


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
