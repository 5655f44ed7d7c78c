"""``reference-ws conform``: what an application keeps of the suite on the page ``conform``."""

from __future__ import annotations

import sys
from collections import Counter
from gettext import NullTranslations

from reference_ws.guide.command import Problem
from reference_ws.guide.command.run_pages import DIFFERS, application, reason
from reference_ws.guide.command.screen import Screen
from reference_ws.guide.conformance import SIGNS, rows, suite
from reference_ws.guide.pages import PageError, source_root
from reference_ws.guide.words.catalogs import pages_language
from reference_ws.testing.held_time import run_in_held_time

_COLOURS = {"holds": "green", "differs": "red", "not offered": "dim"}


def run(words: NullTranslations, app: str, *, language: str, quiet: bool) -> int:
    """Play the suite against ``module:name`` and show each row, unless `quiet`, and the counts. Raises `Problem`."""
    _ = words.gettext
    sys.path.insert(0, "")  # the current folder
    target = application(words, app)
    try:
        played = run_in_held_time(rows(target, suite(source_root() / "docs", pages_language(language))))
    except PageError as error:
        raise Problem(str(error)) from None
    except Exception as error:  # of the application's lifespan
        problem = _("the application could not start or stop: %(reason)s")
        raise Problem(problem % {"reason": reason(error)}) from None
    counts = Counter(row.verdict for row in played)
    if counts["holds"] + counts["differs"] < 2:  # one of them is the address that nobody offers
        raise Problem(_("%(name)s offers nothing of what the page conform lists") % {"name": app})
    screen = Screen(words)
    for row in () if quiet else played:
        screen.line(f"{row.anchor:21}{_(row.verdict)}", _COLOURS[row.verdict])
        if row.verdict == "differs":
            screen.line(row.report.told(_))
    counted = _(", ").join(f"{_(verdict)} {counts[verdict]}" for verdict in SIGNS)
    screen.line(f"{app}: {counted}", "red" if counts["differs"] else "green")
    return DIFFERS if counts["differs"] else 0
