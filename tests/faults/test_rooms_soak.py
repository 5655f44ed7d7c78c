"""`make rooms` in short: a few of everything, and nothing is lost, doubled or out of order."""

import anyio
import pytest
from rooms_soak import Soak
from server import WAIT_S

pytestmark = [pytest.mark.anyio, pytest.mark.real_time, pytest.mark.needs("redis")]


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_nothing_is_lost_doubled_or_out_of_order_whatever_goes_wrong(tmp_path):
    soak = Soak(members=12, messages=300, rooms=2, processes=2, rounds=1, stop_s=0.2)
    with anyio.fail_after(5 * WAIT_S):
        assert {"lost": 0, "doubled": 0, "out_of_order": 0} == await soak.run(tmp_path)
    assert 300 <= soak.told["taken"] <= soak.sent
    assert 12 <= soak.told["connections"]
