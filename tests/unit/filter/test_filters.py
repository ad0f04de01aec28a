from __future__ import annotations

import math
from functools import partial

import pytest

from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.filter import AttributeFilter, ContentFilter, TimeDriftFilter
from bspump.testing import Harness, MemoryLookup, virtual_time


async def passed(part, events):
    async with Harness() as harness:
        harness.chain(part)
        harness.send(events)
        await harness.settle()
        return harness.out()


class DropMisses(ContentFilter):
    def on_hit(self, context, event):
        return {**event, "is_hit": True}

    def on_miss(self, context, event):
        return None


@virtual_time
async def test_hits_and_misses_go_their_own_ways():
    part = partial(DropMisses, query={"status": {"$gte": 500}})
    assert await passed(part, [{"status": 200}, {"status": 503}]) == [
        {"status": 503, "is_hit": True}
    ]


@virtual_time
async def test_all_pass_until_it_is_said_otherwise():
    events = [{"a": 1}, {"a": 2}]
    assert await passed(partial(ContentFilter, query={"a": 1}), events) == events
    assert await passed(DropMisses, events) == [{**event, "is_hit": True} for event in events]


@virtual_time
async def test_a_query_that_is_none_is_an_error_of_the_configuration():
    with pytest.raises(ConfigError, match=r"query\.a\.\$in: expected a list"):
        await passed(partial(ContentFilter, query={"a": {"$in": 1}}), [])


class Secrets(AttributeFilter):
    def predicate(self, event):
        return event.get("is_secret", True)

    def get_fields(self, event):
        return ["password", "absent"]


@virtual_time
@pytest.mark.parametrize(
    ("inclusive", "expected"), [(False, {"user": "x"}), (True, {"password": "y"})]
)
async def test_fields_are_left_out_or_kept_and_the_event_stays_as_it_was(inclusive, expected):
    event = {"user": "x", "password": "y"}
    open_event = {"user": "x", "password": "y", "is_secret": False}
    out = await passed(partial(Secrets, inclusive=inclusive), [event, open_event])
    assert out == [expected, open_event]
    assert event == {"user": "x", "password": "y"}


@virtual_time
async def test_the_keys_of_a_lookup_are_the_fields_that_are_meant():
    async with Harness() as harness:
        lookup = MemoryLookup(harness.app, {"a": 1}, "Hidden")
        harness.app.PumpService.add_lookup(lookup)
        pipeline = harness.chain(partial(AttributeFilter, lookup="Hidden"))
        harness.send([{"a": 1, "b": 2}])
        await harness.settle()
        assert harness.out() == [{"b": 2}]
        assert pipeline.locate_processor("AttributeFilter").Lookup is lookup


@virtual_time
async def test_an_unknown_lookup_is_refused():
    with pytest.raises(UnknownNameError, match="lookup 'Hidden' is not defined"):
        await passed(partial(AttributeFilter, lookup="Hidden"), [])


@virtual_time
async def test_events_that_are_too_old_or_have_no_time_are_dropped_and_counted():
    async with Harness() as harness:
        part = partial(TimeDriftFilter, config={"max_time_drift": "1m"})
        pipeline = harness.chain(part)
        now = harness.app.time()
        good = [{"@timestamp": now}, {"@timestamp": now - 60}, {"@timestamp": now + 3600}]
        bad = [{"@timestamp": now - 61}, {}, {"@timestamp": "now"}, {"@timestamp": True}]
        bad.append({"@timestamp": math.nan})
        harness.send([*good, *bad])
        await harness.settle()
        assert harness.out() == good
        counter = pipeline.locate_processor("TimeDriftFilter").TimeDriftFilterCounter
        assert dict(counter.values) == {
            "event.in": 8,
            "event.out": 3,
            "event.drop": 5,
            "timestamp.error": 3,
        }
        await pipeline.process({"@timestamp": now - 61})
        await pipeline.process({"@timestamp": now})
        assert harness.out() == [*good, {"@timestamp": now}]
