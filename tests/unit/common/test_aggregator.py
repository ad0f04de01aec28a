from __future__ import annotations

from functools import partial

import pytest

import bspump
from bspump.abc.errors import ConfigError
from bspump.common import (
    Aggregator,
    InternalSource,
    IteratorSource,
    ListAggregationStrategy,
    ListEventAggregationStrategy,
    ListSink,
    RouterSink,
    StringAggregationStrategy,
)
from bspump.testing import Harness, virtual_time


def lists(**config):
    return lambda app, pipeline: Aggregator(
        app, pipeline, ListEventAggregationStrategy(), config=config
    )


def chain(harness, **config):
    return harness.chain(partial(lists(**config)))


@virtual_time
async def test_an_aggregate_goes_on_when_it_is_large_enough():
    async with Harness() as harness:
        chain(harness, completion_size="3")
        harness.send(range(7))
        await harness.settle()
        assert harness.out() == [[0, 1, 2], [3, 4, 5]]


@virtual_time
async def test_what_goes_on_has_an_empty_context():
    async with Harness() as harness:
        pipeline = harness.chain(partial(Aggregator, config={"completion_size": 2}), ListSink)
        harness.send([1, 2], contexts=[{"n": 1}, {"n": 2}])
        await harness.settle()
        sink = pipeline.locate_processor("ListSink")
        assert sink.Events == [[({"n": 1}, 1), ({"n": 2}, 2)]]
        assert sink.Contexts == [{}]


@virtual_time
async def test_the_first_event_waits_no_longer_than_the_timeout():
    async with Harness() as harness:
        chain(harness, completion_size=100, completion_timeout="10")
        harness.send([1])
        await harness.advance(7)
        harness.send([2])
        await harness.advance(2)
        assert harness.out() == []
        await harness.advance(1)
        assert harness.out() == [[1, 2]]
        await harness.advance(100)
        harness.send([3])
        await harness.advance(9)
        assert harness.out() == [[1, 2]]
        await harness.advance(1)
        assert harness.out() == [[1, 2], [3]]


@virtual_time
async def test_a_full_aggregate_begins_the_time_anew():
    async with Harness() as harness:
        chain(harness, completion_size=2, completion_timeout=10)
        harness.send([1])
        await harness.advance(6)
        harness.send([2, 3])
        await harness.advance(6)
        assert harness.out() == [[1, 2]]
        await harness.advance(4)
        assert harness.out() == [[1, 2], [3]]


@virtual_time
async def test_an_interval_ends_at_its_multiples_whenever_events_come():
    async with Harness() as harness:
        chain(harness, completion_size=100, completion_interval="10s")
        for at in (3, 9, 14, 38):
            await harness.advance(at - harness.app.Clock.monotonic())
            harness.send([at])
            await harness.idle()
        await harness.advance(1)
        assert harness.out() == [[3, 9], [14]]
        await harness.advance(1)
        assert harness.out() == [[3, 9], [14], [38]]


@virtual_time
async def test_a_pipeline_that_is_held_back_gets_the_aggregate_when_it_goes_on():
    async with Harness() as harness:
        pipeline = chain(harness, completion_timeout=5)
        harness.send([1])
        await harness.idle()
        pipeline.throttle("test", True)
        await harness.advance(60)
        assert harness.out() == []
        pipeline.throttle("test", False)
        await harness.idle()
        assert harness.out() == [[1]]


@virtual_time
async def test_what_is_left_goes_on_at_the_end():
    harness = Harness()
    async with harness:
        chain(harness, completion_size=10)
        harness.send(range(13))
        await harness.idle()
        assert harness.out() == [list(range(10))]
    assert harness.out() == [list(range(10)), [10, 11, 12]]


@virtual_time
async def test_what_is_left_goes_on_when_bounded_input_ends_and_reaches_other_pipelines():
    harness = Harness()
    app = harness.app
    first, second = bspump.Pipeline(app, "First"), bspump.Pipeline(app, "Second")
    first.build(
        IteratorSource(app, first, range(25)),
        Aggregator(app, first, ListEventAggregationStrategy()),
        RouterSink(app, first, config={"target": "Second.*InternalSource"}),
    )
    sink = ListSink(app, second)
    second.build(InternalSource(app, second), lists(completion_size=2)(app, second), sink)
    app.PumpService.add_pipelines(second, first)
    await app.run_async()
    assert sink.Events == [
        [list(range(10)), list(range(10, 20))],
        [list(range(20, 25))],
    ]


@virtual_time
async def test_events_that_a_source_brings_while_it_stops_go_on_together():
    class LastWords(bspump.Source):
        async def main(self):
            await self.stopped()

        async def stop(self):
            await self.Pipeline.process_many([1, 2, 3])
            await super().stop()

    harness = Harness()
    async with harness:
        harness.chain(LastWords, partial(lists()))
    assert harness.out() == [[1, 2, 3]]


@virtual_time
async def test_each_aggregator_has_a_strategy_of_its_own():
    async with Harness() as harness:
        a = harness.chain(partial(Aggregator, id="A"), id="One")
        b = harness.chain(partial(Aggregator, id="B"), id="Two")
        strategies = [p.locate_processor(i).AggregationStrategy for p, i in ((a, "A"), (b, "B"))]
        assert strategies[0] is not strategies[1]
        assert [type(s) for s in strategies] == [ListAggregationStrategy] * 2


def test_timeout_and_interval_exclude_each_other(through):
    part = partial(lists(completion_timeout=1, completion_interval=1))
    with pytest.raises(ConfigError, match="expected completion_timeout or completion_interval"):
        through(part, events=[])


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (ListAggregationStrategy(), [({"n": 1}, 1), ({"n": 2}, "b")]),
        (ListEventAggregationStrategy(), [1, "b"]),
        (StringAggregationStrategy(), "1\nb"),
        (StringAggregationStrategy(", "), "1, b"),
    ],
)
def test_a_strategy_begins_anew_after_each_flush(strategy, expected):
    for _ in range(2):
        assert strategy.is_empty()
        strategy.append({"n": 1}, 1)
        strategy.append({"n": 2}, "b")
        assert not strategy.is_empty()
        assert strategy.flush() == expected
