"""The command ``reference-ws``, in the reader's language.

Exit code 0 is a good end; 1 says that something differs from what is written; 2 is a problem, told in one line; 130 is
Ctrl-C. `reference_ws.guide.command.commands` reads the arguments; each command has a module of its own.
"""

from __future__ import annotations

import io
import sys
from gettext import NullTranslations
from importlib.util import find_spec


class Problem(Exception):  # noqa: N818 - a reader's mistake or a machine's state, not the program's error
    """Something that the reader can mend; ``str()`` is one line in the reader's language: what is wrong, what to do."""


def main() -> None:
    """Run the command with the arguments of the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has no Chinese gets \u escapes and no traceback
            stream.reconfigure(errors="backslashreplace")
    try:
        from reference_ws.guide.command.commands import run

        if find_spec("babel") is None:  # loaded only where it is needed, since that takes long; told at once
            raise ModuleNotFoundError(name="babel")
    except ModuleNotFoundError as error:
        # Nothing is there yet that reads the arguments or the catalogs: in English, whatever the command.
        told = f"{_module(error)} is not installed: run `pip install 'reference-ws[cli]'`"
        sys.exit(tell(f"{told}, or 'reference-ws[serve]' for the documentation too"))
    sys.exit(run(sys.argv[1:]))


def tell(problem: str) -> int:
    """Print a problem on stderr; returns the exit code."""
    print(f"reference-ws: {problem}", file=sys.stderr)
    return 2


def missing(error: ModuleNotFoundError, words: NullTranslations) -> str:
    """Say which package is missing to a command that needs the site; the extra ``cli`` is there."""
    return words.gettext("%(name)s is not installed: run `pip install 'reference-ws[serve]'`") % {
        "name": _module(error)
    }


def _module(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]
