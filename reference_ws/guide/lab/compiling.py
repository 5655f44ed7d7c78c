"""Compile what Pyodide loads, inside of Pyodide: from sources it takes four times as long until it runs.

Nothing but the standard library is there; runtime.py hands over this file's text.
"""

from __future__ import annotations

import importlib.util
import marshal
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo


def pack(archive: Path, given: Iterable[Path], place: str, *, optimize: int) -> None:
    """Put into `archive` what the archives `given` hold, which will lie in the folder `place`, modules compiled.

    In `site-packages` the ``__init__.py`` stay sources: anyio's reads its own, to import later what it names.
    """
    with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
        for path in given:
            with ZipFile(path) as each:
                contents = [(name, each.read(name)) for name in sorted(each.namelist())]
            for name, data in contents:
                if name.endswith((".pyi", "/RECORD", "/")):
                    continue
                if name.endswith(".py") and (optimize or not name.endswith("/__init__.py")):
                    code = compile(data, f"{place}/{name}", "exec", dont_inherit=True, optimize=optimize)
                    # 1: the sources it was made from are named by a hash, which nobody checks.
                    head = importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + importlib.util.source_hash(data)
                    name, data = f"{name}c", head + marshal.dumps(code)
                packed.writestr(ZipInfo(name), data, ZIP_DEFLATED, 9)


def pack_all(folder: Path) -> None:
    """Pack the standard library, without docstrings, and the wheels in `folder` into its folder ``compiled``."""
    into = folder / "compiled"
    into.mkdir()
    pack(into / "python_stdlib.zip", [folder / "python_stdlib.zip"], "/lib/python314.zip", optimize=2)
    wheels = sorted(folder.glob("wheels/*.whl"))
    pack(into / "modules.zip", wheels, "/lib/python3.14/site-packages", optimize=0)
