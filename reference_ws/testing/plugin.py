"""A plugin of pytest: ``@pytest.mark.held_time`` beside ``@pytest.mark.anyio`` lets no real time pass in a test.

Once the package is installed, pytest knows it (entry point ``pytest11``).
"""

from __future__ import annotations

import pytest

from reference_ws.testing.held_time import HeldTimeLoop


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker means."""
    config.addinivalue_line("markers", "held_time: on asyncio, in an event loop whose time is held (with anyio's)")


@pytest.hookimpl(tryfirst=True)  # a fixture's own parameters give way to such a mark, if it is there before them
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a marked test the event loop, as anyio's plugin lets one choose it."""
    if metafunc.definition.get_closest_marker("held_time") and "anyio_backend" in metafunc.fixturenames:
        backends = [("asyncio", {"loop_factory": HeldTimeLoop})]
        metafunc.definition.add_marker(pytest.mark.parametrize("anyio_backend", backends, ids=["held_time"]))
