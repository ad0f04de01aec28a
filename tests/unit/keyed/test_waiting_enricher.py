"""Enrichment that may come later than the event."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.keyed import WaitingEnricher
from bspump.testing import Harness, MemoryAsyncLookup, MemoryLookup, virtual_time
from bspump.window import Tumbling, WindowAggregator


def is_paid(context, event):
    return event["kind"] == "paid"


def enricher(**config):
    return partial(
        WaitingEnricher, key="order", companion=is_paid, config={"timeout": "10s", **config}
    )


def order(events, at_s, number=1):
    return events.at(at_s, kind="order", order=number)


def paid(events, at_s, number=1):
    return events.at(at_s, kind="paid", order=number)


@virtual_time
async def test_an_event_waits_for_its_companion(events, counted):
    async with Harness() as harness:
        pipeline = harness.chain(events.clock(), enricher())
        one, two = order(events, 0), order(events, 1)
        harness.send([one, two, order(events, 1, 2)])
        await harness.settle()
        assert harness.out() == []
        companion = paid(events, 5)
        harness.send([companion])
        await harness.settle()
        expected = [{**event, "enrichment": companion} for event in (one, two)]
        assert harness.out() == expected
        later = order(events, 6)
        harness.send([later])
        await harness.settle()
        assert harness.out()[2:] == [{**later, "enrichment": companion}]
        part = pipeline.locate_processor("WaitingEnricher")
        assert (counted(part), part.explain()["Held"]) == ({"waited": 3}, 1)


@pytest.mark.parametrize(("then", "count"), [("pass", 1), ("drop", 0), ("reject", 0)])
@virtual_time
async def test_after_the_timeout_it_goes_on_without_or_does_not(events, counted, then, count):
    async with Harness() as harness:
        part = enricher(then=then)
        pipeline = harness.chain(events.clock(), part, config={"on_error": "skip"})
        first = order(events, 0)
        harness.send([first, order(events, 9.999, 2)])
        await harness.settle()
        assert harness.out() == []
        harness.send([paid(events, 10)])
        await harness.settle()
        assert harness.out() == [first] * count
        rejected = [type(failure.error) for failure in harness.errors]
        assert rejected == ([RejectedError] if then == "reject" else [])
        found = counted(pipeline.locate_processor("WaitingEnricher"))
        assert found == {"waited": 2, "unmatched": 1}


@pytest.mark.parametrize(("remember", "is_known"), [("0", False), ("5s", False), ("5.001s", True)])
@virtual_time
async def test_a_companion_is_remembered_for_a_time(events, remember, is_known):
    stream = [paid(events, 0), order(events, 5)]
    (found,) = await events.out(enricher(remember=remember), stream)
    assert ("enrichment" in found) == is_known


@virtual_time
async def test_what_waits_is_not_late_in_a_window_behind(events):
    windows = partial(WindowAggregator, window=Tumbling("1s"), aggregate={"count": "count"})
    stream = [order(events, 0), order(events, 0.5, 2)]
    stream += [paid(events, 0, 3), order(events, 3, 3), order(events, 4, 3), order(events, 5, 3)]
    stream += [paid(events, 6), order(events, 9, 3), order(events, 12, 3)]
    async with Harness() as harness:
        pipeline = harness.chain(events.clock(), enricher(), windows)
        for event in stream:
            harness.send([event])
            await harness.advance(1)
        await harness.finish()
        assert pipeline.locate_processor("WindowAggregator").explain()["Late"] == 0
        counts = {(e["start_ms"] - stream[0]["at"]) // 1000: e["count"] for e in harness.out()}
        assert counts == {0: 2, 3: 1, 4: 1, 5: 1, 9: 1, 12: 1}


@virtual_time
async def test_a_lookup_is_asked_again_while_an_event_waits():
    async with Harness() as harness:
        lookup = MemoryLookup(harness.app, id="Users")
        harness.app.PumpService.add_lookup(lookup)
        config = {"clock": "wall", "timeout": "10s", "retry": "2s", "into": "user"}
        harness.chain(partial(WaitingEnricher, key="id", lookup="Users", config=config))
        (pipeline,) = harness.pipelines
        await pipeline.process_many([{"id": 1}, {"id": 2}])
        await harness.advance(5)
        assert harness.out() == []
        lookup.Content[1] = "Ann"
        await harness.advance(2)
        assert harness.out() == [{"id": 1, "user": "Ann"}]
        await pipeline.process({"id": 1})
        assert harness.out()[1:] == [{"id": 1, "user": "Ann"}]
        await harness.advance(4)
        assert harness.out()[2:] == [{"id": 2}]


@virtual_time
async def test_a_lookup_that_has_to_be_waited_for_is_refused():
    async with Harness() as harness:
        lookup = MemoryAsyncLookup(harness.app, id="Users")
        with pytest.raises(ConfigError, match="waited for"):
            harness.chain(partial(WaitingEnricher, key="id", lookup=lookup))


@virtual_time
async def test_it_needs_something_to_wait_for():
    harness = Harness()
    with pytest.raises(ConfigError, match="neither"):
        harness.chain(WaitingEnricher)


@virtual_time
async def test_no_more_wait_than_allowed(events):
    async with Harness() as harness:
        part = enricher(max_waiting=1, max_keys=2)
        harness.chain(events.clock(), part, config={"on_error": "skip"})
        harness.send([order(events, 0, n) for n in (1, 1, 2, 3)])
        await harness.settle()
        assert [type(failure.error) for failure in harness.errors] == [RejectedError] * 2
        await harness.finish()
        assert [event["order"] for event in harness.out()] == [1, 2]


@virtual_time
async def test_an_error_in_enriching_is_the_error_of_one_event(events):
    class Picky(WaitingEnricher):
        def enrich(self, event, found):
            if event["at"] % 2000:
                raise ValueError("odd")
            return event

    async with Harness() as harness:
        part = partial(Picky, key="order", companion=is_paid)
        harness.chain(events.clock(), part, config={"on_error": "skip"})
        harness.send([order(events, 0), order(events, 1), order(events, 2), paid(events, 3)])
        harness.send([order(events, 5)])
        await harness.finish()
        assert [str(failure.error) for failure in harness.errors] == ["odd", "odd"]
        assert len(harness.out()) == 2
