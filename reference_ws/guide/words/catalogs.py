"""The sentences that the documentation and the program show a person, in the reader's language.

English is the source and the key; the translations are gettext catalogs, in ``locales/<language>/LC_MESSAGES``, read as
they are: nothing has to be compiled. In the reader's browser there is no Babel to read them: there they are compiled.
"""

from __future__ import annotations

import gettext
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("zh", "pt", "ru")
"""The languages of the pages; the first one is for readers of any other."""

ENGLISH: Final = "en"
"""What the program says to readers of any other language."""

_PACKAGE: Final = Path(__file__).parents[2]
_ACCEPT_LANGUAGE_MAX: Final = 1_000


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

    English has no file: every sentence is its own translation. A file is read once a process. Raises `CatalogError` for
    another language, or for a missing or broken file.
    """
    if language == ENGLISH:
        return gettext.NullTranslations()
    return gettext.GNUTranslations(BytesIO(compiled(language)))


def compiled(language: str) -> bytes:
    """Give the catalog of `language` in gettext's compiled form. Raises `CatalogError`."""
    if language not in LANGUAGES:
        raise CatalogError(f"There is no catalog for {language!r}; the languages are {', '.join(LANGUAGES)}.")
    file = catalog_file(language)
    if (packed := file.with_suffix(".mo")).is_file():  # where babel isn't: in the pages' own Python
        return packed.read_bytes()
    # Babel takes long to load, and who speaks English, or has compiled catalogs, needs none of it.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    binary = BytesIO()
    try:
        with file.open("rb") as text:
            write_mo(binary, read_po(text, locale=language, abort_invalid=True))
    except (OSError, PoFileError, UnicodeError) as error:
        raise CatalogError(f"The catalog {file} can't be read: {error}") from error
    return binary.getvalue()


# --- the reader's language --------------------------------------------------------------------------------------------


def language_called(tag: str) -> str | None:
    """Find the language that a tag means: ``pt-BR`` and ``pt_PT.UTF-8`` are pt, ``zh_TW`` is zh; else ``None``."""
    return _negotiate([tag])


def language_of_environment(environment: Mapping[str, str] = os.environ) -> str:
    """Read the language from the first that is set of ``LC_ALL``, ``LC_MESSAGES`` and ``LANG``; else English."""
    tags = (environment.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return language_called(next(filter(None, tags), "")) or ENGLISH


def language_of(accept_language: str | None) -> str:
    """Read the language from the value of a browser's ``Accept-Language``: ``pt-BR,pt;q=0.9`` is pt; else English."""
    weights: dict[str, float] = {}
    # Anybody can send anything: what is longer than any browser's is cut, and what is malformed counts for nothing.
    for item in (accept_language or "")[:_ACCEPT_LANGUAGE_MAX].split(","):
        tag, *parameters = (part.strip() for part in item.split(";"))
        weight = next((part[2:] for part in parameters if part[:2].lower() == "q="), "1")
        with suppress(ValueError):  # a weight that is no number: as if the item were not there
            weights[tag] = float(weight)
    return _negotiate(sorted(filter(weights.get, weights), key=lambda tag: -weights[tag])) or ENGLISH


def pages_language(language: str) -> str:
    """Name the language of the pages for a reader of `language`: English has none, its readers get the first one."""
    return language if language in LANGUAGES else LANGUAGES[0]


def _negotiate(tags: Iterable[str]) -> str | None:
    names = (re.split("[-_.@]", tag.lower())[0] for tag in tags)
    return next((name for name in names if name in (*LANGUAGES, ENGLISH)), None)


@contextmanager
def click_speaks(language: str) -> Iterator[None]:
    """Let click say its own words in `language` meanwhile.

    Click asks gettext for the domain "messages" in the language of the environment, and gettext reads compiled files.
    """
    before = os.environ.get("LANGUAGE")
    folder_before = gettext.bindtextdomain("messages")
    with tempfile.TemporaryDirectory(prefix="reference-ws-") as folder:
        if language != ENGLISH:
            file = Path(folder, language, "LC_MESSAGES", "messages.mo")
            file.parent.mkdir(parents=True)
            file.write_bytes(compiled(language))
        gettext.bindtextdomain("messages", folder)
        os.environ["LANGUAGE"] = language
        try:
            yield
        finally:
            gettext.bindtextdomain("messages", folder_before)
            os.environ.pop("LANGUAGE") if before is None else os.environ.update(LANGUAGE=before)
