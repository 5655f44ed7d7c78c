import pytest
from both_libraries import OURS, STARLETTE, Library


@pytest.fixture(params=[STARLETTE, OURS], ids=["starlette", "ours"])
def library(request: pytest.FixtureRequest) -> Library:
    return request.param
