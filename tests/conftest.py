"""Async tests run on asyncio and on trio: ``@pytest.mark.anyio``, anyio's own pytest plugin."""

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return request.param
