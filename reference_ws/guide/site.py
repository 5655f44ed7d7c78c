"""Build the documentation site, in all languages, with MkDocs."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import platformdirs
from mkdocs.commands.build import build as build_mkdocs
from mkdocs.config import load_config
from mkdocs.exceptions import MkDocsException

from reference_ws.guide import hooks
from reference_ws.guide.differences import servers_file
from reference_ws.guide.lab import runtime
from reference_ws.guide.pages import PACKAGE, source_root
from reference_ws.guide.words.catalogs import LANGUAGES, catalog_file

_STAMP: Final = ".sources"  # in the built site: what it was built from


class BuildError(Exception):
    """The site can't be built as it should be; ``problems`` holds one sentence each, with the page's name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def default_output() -> Path:
    """Name the folder for the built site: ``.cache/site`` in a checkout, else one in the user's cache."""
    return _cache() / "site"


def _cache() -> Path:
    root = source_root()
    if root != PACKAGE / "_source" and os.access(root, os.W_OK):
        return root / ".cache"
    return platformdirs.user_cache_path("reference-ws", appauthor=False)


def has_python(site: Path) -> bool:
    """Tell whether the built `site` has what runs its examples in the reader's browser."""
    return (site / runtime.FOLDER / "runtime.json").is_file()


def add_python(site: Path) -> None:
    """Put what runs the examples in the reader's browser into the built `site`; it is fetched once.

    Raises `RuntimeMissingError` if it can't be had: the site does without.
    """
    runtime.fetch(_cache() / "lab")
    runtime.add(site, _cache() / "lab")


def is_stale(output: Path) -> bool:
    """Tell whether `output` has to be built: it is missing, unfinished, or its sources have changed since."""
    try:
        return (output / _STAMP).read_text("utf-8") != _fingerprint()
    except OSError:
        return True


def build(*, output: Path, progress: Callable[[str], None], config: Path | None = None) -> None:
    """Build the site of `config` (default: the project's mkdocs.yml) into `output`.

    `progress` is called with each language as its pages begin. `output` is replaced in one step, when all went
    well; otherwise it stays as it was and `BuildError` lists every problem of every language, not only the first.
    """
    fingerprint = _fingerprint()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".site-") as folder, warnings.catch_warnings():
        # jieba's source is old: Python warns when it compiles it, which is nothing a reader or a test can mend.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        site = Path(folder, "site")
        with _collected_warnings(progress) as problems:
            try:
                # MkDocs' own strict mode would stop after the first language; the warnings are collected here instead.
                settings = load_config(
                    str(config or source_root() / "mkdocs.yml"),
                    site_dir=str(site),
                    hooks=[str(Path(hooks.__file__))],
                    strict=False,
                )
                settings.plugins.on_startup(command="build", dirty=False)
                gc.disable()  # little of what a build makes is garbage in circles, and looking for it takes long
                build_mkdocs(settings)
            except Exception as error:
                # A mistake in a page arrives as whatever exception its extension raised; MkDocs has logged it by then.
                if not problems:
                    detail = error.message if isinstance(error, MkDocsException) else f"{type(error).__name__}: {error}"
                    problems.append(detail)
            finally:
                gc.enable()
        if problems:
            raise BuildError(list(dict.fromkeys(problems)))
        (site / _STAMP).write_text(fingerprint, "utf-8")
        if (worker := site / "sw.js").is_file():
            worker.write_text(worker.read_text("utf-8").replace("unversioned", fingerprint[:16]), "utf-8")
        if output.exists():
            output.replace(Path(folder, "before"))
        shutil.move(site, output)


class _Warnings(logging.Handler):
    def __init__(self, progress: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.problems: list[str] = []
        self.progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.problems.append(text)
        elif language := re.match(r"(?:mkdocs_static_i18n: )?Building '(\w+)' documentation", text):
            self.progress(language[1])


@contextmanager
def _collected_warnings(progress: Callable[[str], None]) -> Iterator[list[str]]:
    """Take what MkDocs logs instead of printing it."""
    logger, handler = logging.getLogger("mkdocs"), _Warnings(progress)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield handler.problems
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


def _fingerprint() -> str:
    """Hash all that a page is made from: sources, translations, code, and the versions of what renders them."""
    root = source_root()
    files = [root / "mkdocs.yml", servers_file(root / "docs"), *map(catalog_file, LANGUAGES)]
    files += [*PACKAGE.rglob("*.py"), *(root / "docs").rglob("*")]
    digest = hashlib.sha256(" ".join(map(version, ("mkdocs", "mkdocs-material", "mkdocs-static-i18n"))).encode())
    digest.update(os.environ.get("SITE_URL", "").encode())
    for file in sorted(file for file in files if file.is_file()):
        digest.update(f"\n{file.relative_to(root) if file.is_relative_to(root) else file.name}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _main() -> int:
    """Build the site as `make check` and `make docs` do, into its usual place or the one named; tell every problem."""
    output = Path(*sys.argv[1:2]).resolve() if sys.argv[1:] else default_output()
    try:
        build(output=output, progress=lambda language: print(f"Building the pages in {language}", flush=True))
        print("Fetching what runs the examples in the browser (once)", flush=True)
        add_python(output)
    except BuildError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 1
    except runtime.RuntimeMissingError as error:
        print(f"Without what runs the examples in the browser, they are pictures: {error}. It needs a network and npm.")
    print(f"The site is built, without a warning, in {output}: any host of static files can serve this folder")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
