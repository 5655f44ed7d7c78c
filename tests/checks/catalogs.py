"""The sentences that have to be translated: ``python -m checks.catalogs`` brings the three catalogs up to date.

It leaves the new sentences for a translator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from reference_ws.guide import conformance
from reference_ws.guide.pages import PACKAGE
from reference_ws.guide.words import explanations
from reference_ws.guide.words.catalogs import LANGUAGES, catalog_file
from reference_ws.lifecycle import CLOSE_CODES, ERRORS
from reference_ws.transcript import mistakes, peers

CLICK: Final = (
    "Usage:",
    "Options",
    "Commands",
    "default: {default}",
    "required",
    "Show this message and exit.",
    "Show the version and exit.",
    "No such command {name!r}.",
    "No such option {name!r}.",
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    "Option {name!r} does not take a value.",
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    "Missing argument",
    "Missing option",
    "Invalid value for {param_hint}: {message}",
    "{value!r} is not a valid {number_type}.",
    "{value} is not in the range {range}.",
    "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is not readable.",
    "file",
)
"""What click itself says in help texts and about mistakes on this command line."""


EXPLAINED: Final = ("SIDES", "STATES", "MESSAGES", "TRANSITIONS", "STEPS", "EXCEPTIONS", "REASONS")


def source_messages() -> Catalog:
    """Collect the sentences that have to be translated: those in gettext calls, and the texts of the life cycle."""
    messages = Catalog(project="reference-ws", fuzzy=False)
    for file, _, message, comments, context in extract_from_dir(PACKAGE, [("**.py", "python")]):
        messages.add(message, locations=[(f"reference_ws/{file}", 1)], auto_comments=comments, context=context)
    for file, sentences in (
        ("reference_ws/lifecycle.py", [text for error in ERRORS.values() for text in (error.problem, error.remedy)]),
        ("reference_ws/lifecycle.py", [text for code in CLOSE_CODES for text in (code.sender, code.meaning)]),
        ("reference_ws/guide/words/explanations.py", explained()),
        ("reference_ws/transcript/mistakes.py", [mistakes._EXPECTED, *mistakes.EXPECTED.values(), *mistakes._PHRASES]),
        ("reference_ws/transcript/peers.py", peers.ENDS),
        ("reference_ws/guide/conformance.py", conformance.SIGNS),
        ("click", CLICK),
    ):
        for message in sentences:
            messages.add(message, locations=[(file, 1)])
    return messages


def explained() -> list[str]:
    """Give every sentence of `explanations`."""
    tables: list[Mapping[Any, str]] = [getattr(explanations, name) for name in EXPLAINED]
    return [sentence for table in tables for sentence in table.values()] + [explanations.ENDS]


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
