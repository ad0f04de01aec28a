"""No more than so many events of a key within a time."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.keyed import RateLimiter
from bspump.testing import Harness, virtual_time
from bspump.window import Tumbling, WindowAggregator

SKIP = {"on_error": "skip"}


def limiter(**config):
    return partial(RateLimiter, key="user", config={"rate": 2, "per": "10s", **config})


def ids(found):
    return [event["id"] for event in found]


@virtual_time
async def test_what_is_beyond_the_rate_is_dropped(events):
    # Two tokens at first, then one every five seconds.
    stream = [events.at(at_s, user=1, id=at_s) for at_s in (0, 1, 2, 4.999, 5, 6, 10, 30, 31, 32)]
    assert ids(await events.out(limiter(), stream)) == [0, 1, 5, 10, 30, 31]


@virtual_time
async def test_a_burst_may_be_greater_or_less_than_the_rate(events):
    stream = [events.at(0, user=1, id=n) for n in range(6)]
    assert ids(await events.out(limiter(burst=4), stream)) == [0, 1, 2, 3]
    assert ids(await events.out(limiter(burst=1), stream)) == [0]


@virtual_time
async def test_each_key_has_a_bucket_of_its_own(events):
    stream = [events.at(0, user=n % 3, id=n) for n in range(9)]
    assert ids(await events.out(limiter(), stream)) == [0, 1, 2, 3, 4, 5]


@virtual_time
async def test_what_is_beyond_the_rate_can_be_marked(events):
    stream = [events.at(0, user=1, id=n) for n in range(3)]
    found = await events.out(limiter(over="mark"), stream)
    assert found == [*stream[:2], {**stream[2], "over_limit": True}]


@virtual_time
async def test_by_the_wall_clock_what_is_delayed_goes_on_in_time(events, counted):
    async with Harness() as harness:
        pipeline = harness.chain(limiter(clock="wall", over="delay"))
        await pipeline.process_many([{"user": 1, "id": n} for n in range(4)])
        part = pipeline.locate_processor("RateLimiter")
        assert ids(harness.out()) == [0, 1]
        assert part.explain()["Held"] == 2
        await harness.advance(4.9)
        assert ids(harness.out()) == [0, 1]
        await harness.advance(0.4)
        assert ids(harness.out()) == [0, 1, 2]
        await harness.advance(5)
        assert ids(harness.out()) == [0, 1, 2, 3]
        assert counted(part) == {"delayed": 2}
        await harness.advance(11)
        assert part.keys() == 0


@virtual_time
async def test_at_the_end_of_the_input_what_is_delayed_goes_on(events):
    stream = [events.at(0, user=1, id=n) for n in range(5)]
    assert await events.out(limiter(over="delay"), stream) == stream
    wall = partial(RateLimiter, config={"rate": 1, "over": "delay", "clock": "wall"})
    assert await events.out(wall, stream) == stream


@virtual_time
async def test_what_is_delayed_is_not_late_in_a_window_behind(events):
    stream = [events.at(0, user=1), events.at(0, user=1), events.at(1, user=1)]
    stream += [events.at(at_s, user=2) for at_s in (2, 30, 60)]
    windows = partial(WindowAggregator, window=Tumbling("1s"), aggregate={"count": "count"})
    async with Harness() as harness:
        part = limiter(over="delay", burst=1)
        pipeline = harness.chain(events.clock(), part, windows)
        for event in stream:
            harness.send([event])
            await harness.advance(1)
        await harness.finish()
        assert pipeline.locate_processor("WindowAggregator").explain()["Late"] == 0
        assert sum(event["count"] for event in harness.out()) == len(stream)


@pytest.mark.parametrize("limit", [{"max_waiting": 1}, {"max_held": 1}])
@virtual_time
async def test_no_more_are_held_than_allowed(events, counted, limit):
    async with Harness() as harness:
        part = limiter(over="delay", **limit)
        pipeline = harness.chain(events.clock(), part, config=SKIP)
        harness.send([events.at(0, user=1, id=n) for n in range(5)])
        await harness.settle()
        assert [type(failure.error) for failure in harness.errors] == [RejectedError] * 2
        found = counted(pipeline.locate_processor("RateLimiter"))
        assert found == {"delayed": 1, "full": 2}
        await harness.finish()
        assert ids(harness.out()) == [0, 1, 2]


@virtual_time
async def test_what_is_too_much_can_be_dropped(events):
    stream = [events.at(0, user=1, id=n) for n in range(5)]
    found = await events.out(limiter(over="delay", max_waiting=1, full="drop"), stream)
    assert ids(found) == [0, 1, 2]


@virtual_time
async def test_a_limit_within_no_time_is_refused():
    harness = Harness()
    with pytest.raises(ConfigError, match="per"):
        harness.chain(limiter(per=0))
