"""The sentences that the documentation and the program show a person, in the reader's language.

English is the source and the key; the translations are gettext catalogs, in ``locales/<language>/LC_MESSAGES``, read as
they are: nothing has to be compiled. Run ``python -m reference_ws.catalogs`` in a checkout when a sentence has
changed: it brings the three files up to date and leaves the new sentences for a translator.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po, write_po

from reference_ws.lifecycle import CLOSE_CODES, ERRORS

__all__ = ["LANGUAGES", "CatalogError", "catalog", "catalog_file", "source_messages"]

LANGUAGES: Final = ("zh", "pt", "ru")

_PACKAGE: Final = Path(__file__).parent


class CatalogError(LookupError):
    """There is no usable catalog of a language; the text says which file was looked for."""


def catalog_file(language: str) -> Path:
    """Name the ``.po`` file of `language`: in an installed package, or in the checkout around it."""
    installed = _PACKAGE / "_locales"
    root = installed if installed.is_dir() else _PACKAGE.parent / "locales"
    return root / language / "LC_MESSAGES" / "reference_ws.po"


@cache
def catalog(language: str) -> gettext.NullTranslations:
    """Load the translations of `language`, one of `LANGUAGES`: ``catalog("pt").gettext("Live address")``.

    The file is read once a process. Raises `CatalogError` for another language, or for a missing or broken file.
    """
    if language not in LANGUAGES:
        raise CatalogError(f"There is no catalog for {language!r}; the languages are {', '.join(LANGUAGES)}.")
    file = catalog_file(language)
    binary = BytesIO()
    try:
        with file.open("rb") as text:
            write_mo(binary, read_po(text, locale=language, abort_invalid=True))
    except (OSError, PoFileError, UnicodeError) as error:
        raise CatalogError(f"The catalog {file} can't be read: {error}") from error
    binary.seek(0)
    return gettext.GNUTranslations(binary)


def source_messages() -> Catalog:
    """Collect the sentences that have to be translated: those in gettext calls, and the texts of the life cycle."""
    messages = Catalog(project="reference-ws", fuzzy=False)
    for file, _, message, comments, context in extract_from_dir(_PACKAGE, [("**.py", "python")]):
        messages.add(message, locations=[(f"reference_ws/{file}", 1)], auto_comments=comments, context=context)
    for message in _life_cycle_texts():
        messages.add(message, locations=[("reference_ws/lifecycle.py", 1)])
    return messages


def _life_cycle_texts() -> Iterator[str]:
    for error in ERRORS.values():
        yield error.problem
        yield error.remedy
    for code in CLOSE_CODES:
        yield code.sender
        yield code.meaning


def _update() -> None:
    source = source_messages()
    for language in LANGUAGES:
        file = catalog_file(language)
        with file.open("rb") as text:
            translated = read_po(text, locale=language)
        translated.update(source, no_fuzzy_matching=True, update_creation_date=False)
        translated.obsolete.clear()
        with file.open("wb") as output:
            write_po(output, translated, width=120, include_lineno=False)
        missing = sum(1 for message in translated if message.id and not message.string)
        print(f"{file}: {missing} of {len(translated)} sentences to translate")


if __name__ == "__main__":
    _update()
