"""The forms in which a term may stand in prose: what a check of forbidden variants looks for."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["variant"]

# What may follow the stem of a Russian noun or adjective. Verbs have other endings, and no term is one.
_RUSSIAN_ENDINGS = (
    "а|ам|ами|ах|ая|е|ев|его|ей|ем|ему|и|ие|ий|им|ими|их|й|о|ов|ого|ое|ой|ом|ому|ою|у|ую|ы|ые|ый|ым|ыми|ых|ь|ью|"
    "ю|юю|я|ям|ями|ях|яя"
)


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
