"""Fewer events."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from bspump.keyed import NthSampler, ReservoirSampler, ShareSampler
from bspump.testing import Harness, virtual_time


async def sampled(part, stream):
    async with Harness() as harness:
        harness.chain(part)
        harness.send(stream)
        await harness.finish()
        return harness.out()


@virtual_time
async def test_all_events_of_a_share_of_the_keys_go_on():
    stream = [{"user": n % 2000} for n in range(4000)]
    small = await sampled(partial(ShareSampler, key="user", config={"share": 0.1}), stream)
    large = await sampled(partial(ShareSampler, key="user", config={"share": 0.3}), stream)
    assert set(Counter(event["user"] for event in small).values()) == {2}
    assert 320 < len(small) < 480
    assert {event["user"] for event in small} < {event["user"] for event in large}
    salted = partial(ShareSampler, key="user", config={"share": 0.1, "salt": "x"})
    assert await sampled(salted, stream) != small


@pytest.mark.parametrize(("share", "count"), [(0, 0), (1, 100)])
@virtual_time
async def test_none_or_all_are_a_share_as_well(share, count):
    stream = [{"user": n} for n in range(100)]
    part = partial(ShareSampler, key="user", config={"share": share})
    assert len(await sampled(part, stream)) == count


@virtual_time
async def test_which_keys_pass_never_changes():
    stream = [{"user": user} for user in (*range(30), "é", 1.5, None, "\ud800", True, (1, "a"))]
    part = partial(ShareSampler, key="user", config={"share": 0.3})
    found = [event["user"] for event in await sampled(part, stream)]
    assert found == [0, 3, 6, 10, 11, 13, 15, 16, 17, 18, 19, 24, 26, 29, 1.5]


@virtual_time
async def test_the_first_and_every_third_event_of_a_key_go_on(counted):
    stream = [{"user": user, "id": n} for n, user in enumerate("aabaabbabb")]
    part = partial(NthSampler, key="user", config={"every": 3})
    found = await sampled(part, stream)
    assert [(e["user"], e["id"]) for e in found] == [("a", 0), ("b", 2), ("a", 4), ("b", 8)]


@virtual_time
async def test_each_event_of_a_window_has_the_same_chance(events):
    counts = Counter()
    stream = [events.at(w * 60 + n, id=n) for w in range(600) for n in range(10)]
    part = partial(ReservoirSampler, config={"size": 3, "per": "1m"})
    found = await events.out(part, stream)
    assert set(Counter(event["at"] // 60_000 for event in found).values()) <= {3, 6}
    counts.update(event["id"] for event in found)
    assert len(found) == 1800
    # 180 of each are expected, with a standard deviation of 11.
    assert all(130 < counts[n] < 230 for n in range(10))


@virtual_time
async def test_a_sample_keeps_the_order_and_the_times_of_its_events(events):
    async with Harness() as harness:
        part = partial(ReservoirSampler, key="host", config={"size": 2, "per": "10s"})
        harness.chain(events.clock(), part)
        harness.send([events.at(n / 10, host=n % 2, id=n) for n in range(20)])
        await harness.settle()
        assert harness.out() == []
        harness.send([events.at(10, host=3, id=99)])
        await harness.settle()
        found = harness.out()
        assert len(found) == 4
        for host in (0, 1):
            of_host = [event["id"] for event in found if event["host"] == host]
            assert of_host == sorted(of_host)
        sink = harness.pipelines[0].locate_processor("Out")
        assert [c["event_time_ms"] for c in sink.Contexts] == [e["at"] for e in found]


@pytest.mark.parametrize(("late", "count"), [("drop", 2), ("pass", 3)])
@virtual_time
async def test_an_event_of_a_window_that_is_over_goes_on_or_does_not(events, late, count):
    stream = [events.at(0, id=1), events.at(60, id=2), events.at(1, id=3)]
    part = partial(ReservoirSampler, config={"per": "10s", "late": late})
    assert len(await events.out(part, stream)) == count


@virtual_time
async def test_what_is_not_chosen_is_counted(events, counted):
    async with Harness() as harness:
        part = partial(ReservoirSampler, config={"size": 2, "per": "10s"})
        pipeline = harness.chain(events.clock(), part)
        harness.send([events.at(0, id=n) for n in range(10)])
        await harness.settle()
        part = pipeline.locate_processor("ReservoirSampler")
        assert (counted(part), part.explain()["Held"]) == ({"dropped": 8}, 2)
