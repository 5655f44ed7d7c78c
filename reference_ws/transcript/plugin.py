"""A plugin of pytest: each ``*.ws`` file is a test, which plays its transcript with the application of a fixture.

The fixture is called ``app`` and stands, as any fixture, in the ``conftest.py`` beside the files or above them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.player import TranscriptFailure, check

__tracebackhide__ = True


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the files that hold a transcript."""
    return _File.from_parent(parent, path=file_path) if file_path.suffix == ".ws" else None


class _File(pytest.File):
    """A file with one transcript."""

    def collect(self) -> Iterator[pytest.Item]:
        def transcript(request: pytest.FixtureRequest) -> None:
            app = request.getfixturevalue("app")
            anyio.run(partial(check, app, self.path.read_text("utf-8-sig"), file=self.nodeid))

        yield _Test.from_parent(self, name="transcript", callobj=transcript)


class _Test(pytest.Function):
    """The test of a file. It is a function, so that fixtures, marks and hooks do what they do for others."""

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.path.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        if isinstance(excinfo.value, TranscriptFailure | TranscriptError):
            return str(excinfo.value)
        if isinstance(excinfo.value, pytest.FixtureLookupError) and excinfo.value.argname == "app":
            return f"{self.path.name} needs a fixture called app: the ASGI application, or a ws:// URL, to talk to"
        return super().repr_failure(excinfo)
