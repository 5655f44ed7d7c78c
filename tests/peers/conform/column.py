"""One column of the page ``peers``: ``python column.py NAME MODULE [DISTRIBUTION...]``, in the system's environment.

Writes a `System` as JSON.
"""

from __future__ import annotations

import importlib
import platform
import sys
import warnings
from importlib.metadata import version

import msgspec

from reference_ws import __version__
from reference_ws.guide.conformance import System, differs, rows, suite
from reference_ws.guide.pages import source_root
from reference_ws.testing.held_time import run_in_held_time

if __name__ == "__main__":
    name, module, *distributions = sys.argv[1:]
    warnings.simplefilter("ignore")  # what a system says of its own dependencies
    played = run_in_held_time(rows(importlib.import_module(module).app, suite(source_root() / "docs", "zh")))
    column = System(
        name=name,
        versions={each: version(each) for each in distributions} or {name: __version__},
        python=".".join(platform.python_version_tuple()[:2]),
        not_offered=[row.anchor for row in played if row.verdict == "not offered"],
        differs=[differs(row) for row in played if row.verdict == "differs"],
    )
    sys.stdout.write(msgspec.json.encode(column).decode())
