"""Events in the order of their times."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ProcessingError, RejectedError
from bspump.keyed import TimeSorter
from bspump.testing import Harness, virtual_time

SKIP = {"on_error": "skip"}


def ids(found):
    return [event["id"] for event in found]


@virtual_time
async def test_events_go_on_as_soon_as_none_before_them_is_expected(events):
    async with Harness() as harness:
        harness.chain(events.clock(lateness=5), TimeSorter)
        harness.send([events.at(at_s, id=at_s) for at_s in (3, 1, 2, 7)])
        await harness.settle()
        assert ids(harness.out()) == [1, 2]
        harness.send([events.at(8, id=8)])
        await harness.settle()
        assert ids(harness.out()) == [1, 2, 3]
        await harness.finish()
        assert ids(harness.out()) == [1, 2, 3, 7, 8]


@virtual_time
async def test_events_of_the_same_time_stay_as_they_came(events):
    stream = [events.at(n % 2, id=n) for n in range(20)]
    found = await events.out(TimeSorter, stream, lateness=5)
    assert ids(found) == [*range(0, 20, 2), *range(1, 20, 2)]


@virtual_time
async def test_what_goes_on_carries_its_own_time_as_the_watermark(events):
    async with Harness() as harness:
        harness.chain(events.clock(lateness=2), TimeSorter)
        contexts = [{"who": at_s} for at_s in (1, 0, 3, 2)]
        harness.send([events.at(at_s) for at_s in (1, 0, 3, 2)], contexts=contexts)
        await harness.finish()
        found = harness.pipelines[0].locate_processor("Out").Contexts
        assert [context["who"] for context in found] == [0, 1, 2, 3]
        assert all(c["watermark_ms"] == c["event_time_ms"] for c in found)


@pytest.mark.parametrize(("late", "out"), [("drop", [1, 9]), ("pass", [1, 2, 9])])
@virtual_time
async def test_what_comes_late_is_dropped_or_goes_on_out_of_order(events, late, out):
    stream = [events.at(1, id=1), events.at(9, id=9), events.at(2, id=2)]
    part = partial(TimeSorter, config={"late": late})
    found = await events.out(part, [stream[0], stream[1], stream[2]])
    assert sorted(ids(found)) == out


@virtual_time
async def test_what_comes_late_can_be_rejected(events):
    async with Harness() as harness:
        harness.chain(events.clock(), partial(TimeSorter, config={"late": "reject"}), config=SKIP)
        harness.send([events.at(9, id=9), events.at(2, id=2)])
        await harness.settle()
        assert [type(failure.error) for failure in harness.errors] == [RejectedError]


@virtual_time
async def test_if_too_many_wait_the_earliest_goes_on_before_its_time(events, counted):
    async with Harness() as harness:
        part = partial(TimeSorter, config={"max_events": 2, "late": "pass"})
        pipeline = harness.chain(events.clock(lateness=100), part)
        harness.send([events.at(at_s, id=at_s) for at_s in (5, 4, 3, 6, 2)])
        await harness.settle()
        part = pipeline.locate_processor("TimeSorter")
        assert ids(harness.out()) == [3, 4, 2]
        assert counted(part) == {"forced": 2}
        assert part.explain()["Late"] == 1


@virtual_time
async def test_an_event_without_a_time_is_its_own_error():
    async with Harness() as harness:
        pipeline = harness.chain(TimeSorter, config=SKIP)
        await pipeline.process({})
        assert [type(failure.error) for failure in harness.errors] == [ProcessingError]
