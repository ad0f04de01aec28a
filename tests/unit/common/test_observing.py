from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError
from bspump.common import RateLogger, Sampler
from bspump.testing import Harness, virtual_time


def told(harness):
    return [
        (record.fields["per_second"], record.fields["total"])
        for record in harness.logs
        if record.getMessage() == "events pass"
    ]


@virtual_time
async def test_the_rate_is_told_while_events_come():
    async with Harness() as harness:
        harness.chain(partial(RateLogger, config={"interval": "10s"}))
        await harness.advance(60)
        for _ in range(4):
            harness.send(range(25))
            await harness.advance(5)
        await harness.advance(60)
        assert told(harness) == [(5.0, 50), (5.0, 100)]
        harness.send([1])
        await harness.advance(60)
        assert told(harness)[2:] == [(0.1, 101)]
        assert len(harness.out()) == 101


@virtual_time
async def test_single_events_are_counted_like_lists():
    async with Harness() as harness:
        pipeline = harness.chain(RateLogger)
        await harness.idle()
        for n in range(30):
            await pipeline.process(n)
        await harness.advance(10)
        assert told(harness) == [(3.0, 30)]


def test_an_interval_of_nothing_is_an_error_of_the_configuration(through):
    with pytest.raises(ConfigError, match="expected more than zero"):
        through(partial(RateLogger, config={"interval": 0}), events=[])


@pytest.mark.parametrize(
    ("every", "expected"), [(1, [0, 1, 2, 3, 4, 5, 6]), ("3", [0, 3, 6]), (100, [0])]
)
def test_one_event_of_so_many_passes(through, every, expected):
    part = partial(Sampler, config={"every": every})
    assert through(part, events=list(range(7))) == (expected, [])
