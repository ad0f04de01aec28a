"""The first of each key within a time."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.keyed import Deduplicator
from bspump.testing import Harness, virtual_time


def dedup(**config):
    return partial(Deduplicator, key="id", config={"within": "10s", **config})


@pytest.mark.parametrize(
    ("since", "passing"),
    [
        # 0 .. 9 repeat 0; 10 is far enough from the first, but not from the last.
        ("first", [0, 10, 21]),
        ("last", [0]),
    ],
)
@virtual_time
async def test_what_repeats_an_event_within_the_time_is_dropped(events, since, passing):
    stream = [events.at(at_s, id=1) for at_s in (0, 4, 9.999, 10, 19, 21)]
    found = await events.out(dedup(since=since), stream)
    assert [event["at"] for event in found] == [events.at(at_s)["at"] for at_s in passing]


@virtual_time
async def test_other_keys_are_other_events(events):
    stream = [events.at(0, id=1, x=1), events.at(0, id=1, x=2), events.at(0, id=2, x=1)]
    part = partial(Deduplicator, key=("id", "x"), config={"within": "10s"})
    assert await events.out(part, [*stream, stream[1]]) == stream


@virtual_time
async def test_what_is_remembered_is_forgotten_when_its_time_has_passed(events):
    async with Harness() as harness:
        pipeline = harness.chain(events.clock(), dedup())
        part = pipeline.locate_processor("Deduplicator")
        harness.send([events.at(0, id=n) for n in range(5)])
        await harness.settle()
        assert part.keys() == 5
        harness.send([events.at(10, id=9)])
        await harness.settle()
        assert part.keys() == 1


@virtual_time
async def test_by_the_wall_clock_it_matters_when_events_come(events, counted):
    async with Harness() as harness:
        pipeline = harness.chain(dedup(clock="wall"))
        part = pipeline.locate_processor("Deduplicator")
        for _ in range(4):
            await pipeline.process({"id": 1})
            await harness.advance(4)
        assert len(harness.out()) == 2
        assert counted(part) == {"duplicate": 2}
        await harness.advance(11)
        assert part.keys() == 0


@pytest.mark.parametrize(("late", "passes"), [("pass", True), ("drop", False)])
@virtual_time
async def test_what_comes_late_goes_on_or_does_not(events, late, passes):
    stream = [events.at(0, id=1), events.at(60, id=2), events.at(1, id=1)]
    found = await events.out(dedup(late=late), stream)
    assert found == (stream if passes else stream[:2])


@virtual_time
async def test_what_comes_late_is_compared_with_what_is_still_remembered(events):
    stream = [events.at(0, id=1), events.at(5, id=2), events.at(1, id=1), events.at(2, id=3)]
    assert await events.out(dedup(), [*stream, stream[3]]) == [*stream[:2], stream[3]]


@virtual_time
async def test_beyond_max_keys_events_go_on_and_are_not_remembered(events, counted):
    async with Harness() as harness:
        pipeline = harness.chain(events.clock(), dedup(max_keys=2))
        stream = [events.at(0, id=n) for n in (1, 2, 3, 3, 1, 2)]
        harness.send(stream)
        await harness.settle()
        assert [event["id"] for event in harness.out()] == [1, 2, 3, 3]
        part = pipeline.locate_processor("Deduplicator")
        assert part.keys() == 2
        assert counted(part) == {"duplicate": 2, "unremembered": 2}


@virtual_time
async def test_an_event_without_a_time_is_an_error_that_says_what_to_do():
    async with Harness() as harness:
        pipeline = harness.chain(dedup(), config={"on_error": "skip"})
        await pipeline.process({"id": 1})
        (failure,) = harness.errors
        assert isinstance(failure.error, ProcessingError)
        assert "EventTime" in str(failure.error)
        assert "clock = wall" in str(failure.error)
        assert pipeline.locate_processor("Deduplicator").keys() == 0


@pytest.mark.parametrize(("option", "value"), [("within", 0), ("ttl", 60), ("late", "never")])
@virtual_time
async def test_options_that_cannot_be_meant_are_refused(option, value):
    harness = Harness()
    with pytest.raises(ConfigError, match=option):
        harness.chain(dedup(**{option: value}))
