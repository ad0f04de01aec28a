"""Parts that hold something keep it over a crash."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from functools import partial

import pytest

import bspump
import bspump.common
from bspump.abc.errors import ConfigErrors
from bspump.abc.state import PartState, Snapshot
from bspump.state import MemoryStateStore
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemoryEpochSink,
    MemorySource,
    MemoryTable,
    crash_everywhere,
    slow,
    virtual_time,
)

N = 14
EVERY = 3 if os.environ.get("CI") == "true" else 10
# At home every run tries other moments.
FIRST = 1 if EVERY == 3 else random.randint(1, EVERY)


@dataclass
class World:
    table: MemoryTable = field(default_factory=MemoryTable)


def source(app, pipeline):
    made = MemorySource(app, pipeline, list(range(N)), chunk_size=3)
    slow(made, 0.3, method="read")
    return made


@virtual_time
async def test_what_an_aggregator_has_collected_outlives_a_crash():
    def build(harness, world):
        harness.chain(
            partial(source),
            partial(
                bspump.common.Aggregator,
                aggregation_strategy=bspump.common.ListEventAggregationStrategy(),
                config={"completion_size": 5},
            ),
            partial(MemoryEpochSink, table=world.table),
        )

    def check(world):
        assert world.table.Events == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13]]

    await crash_everywhere(World, build, check, first=FIRST, every=EVERY)


@virtual_time
async def test_what_a_circle_of_pipelines_holds_outlives_a_crash():
    """Events go round until they are large enough."""

    class Forward(bspump.Sink, bspump.common.RouterMixIn):
        def process(self, context, event):
            self.route(context, event + 40, "There.*Queue", copy_event=False)

    class Back(bspump.Generator, bspump.common.RouterMixIn):
        def generate(self, context, event, depth):
            if event < 100:
                self.route(context, event, "Here.*Again", copy_event=False)
                return ()
            return (event,)

    def build(harness, world):
        here = bspump.Pipeline(harness.app, "Here")
        again = bspump.common.InternalSource(harness.app, here, "Again")
        here.build([source(harness.app, here), again], Forward(harness.app, here))
        harness.pipeline(here)
        there = bspump.Pipeline(harness.app, "There")
        there.build(
            bspump.common.InternalSource(harness.app, there, "Queue"),
            Back(harness.app, there),
            MemoryEpochSink(harness.app, there, world.table),
        )
        harness.pipeline(there)

    def check(world):
        assert sorted(world.table.Events) == [120 + n for n in range(N)]

    await crash_everywhere(World, build, check, first=FIRST, every=EVERY)


class Counter(bspump.Processor):
    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, id)
        self.Count = 0

    def process(self, context, event):
        self.Count += 1
        return self.Count

    def snapshot(self):
        return Snapshot(value=self.Count)

    def restore(self, state: PartState):
        self.Count = state.value


async def live(store, events, *args, counter="Counter"):
    harness = Harness(args, store=store)
    harness.chain(
        partial(MemorySource, events=list(range(events)), id="In"), partial(Counter, id=counter)
    )
    async with harness:
        await harness.finish()
        return harness.out()


@virtual_time
async def test_a_next_life_goes_on_where_the_last_one_has_stopped():
    store = MemoryStateStore()
    assert await live(store, 3) == [1, 2, 3]
    assert await live(store, 5) == [4, 5]


@virtual_time
async def test_state_of_a_part_that_is_gone_keeps_the_program_from_starting():
    store = MemoryStateStore()
    await live(store, 3)
    with pytest.raises(ConfigErrors, match=r"Test.Counter: the state of a part is stored"):
        await live(store, 5, counter="Renamed")


@virtual_time
async def test_a_renamed_part_gets_its_state_if_that_is_said():
    store = MemoryStateStore()
    await live(store, 3)
    renamed = ["--set", "[checkpoint] renamed=Test.Counter->Test.Renamed"]
    assert await live(store, 5, *renamed, counter="Renamed") == [4, 5]
    assert await live(store, 6, *renamed, counter="Renamed") == [6]


@virtual_time
async def test_what_is_not_needed_any_more_is_forgotten_if_that_is_said():
    store = MemoryStateStore()
    await live(store, 3)
    forget = ["--set", "[checkpoint] forget=Test.Counter"]
    assert await live(store, 5, *forget, counter="Other") == [1, 2]


@virtual_time
async def test_a_state_that_is_not_plain_data_stops_the_pipeline_and_says_where():
    class Odd(Counter):
        def snapshot(self):
            return Snapshot(value=object())

    async with Harness(store=MemoryStateStore()) as harness:
        pipeline = harness.chain(Odd)
        harness.send([1])
        await harness.advance(3)
        assert pipeline.has_error()
        assert "Test.Odd" in str(harness.errors[0].error)


@virtual_time
async def test_nothing_is_acknowledged_before_the_checkpoint_is_stored():
    class Slow(MemoryStateStore):
        async def commit(self, epoch):
            await harness.app.Clock.sleep(7)
            await super().commit(epoch)

    harness = Harness(store=Slow())
    async with harness:
        pipeline = harness.chain(MemoryBatchSink)
        harness.send([1, 2, 3])
        await harness.advance(4)
        assert pipeline.Sources[0].Acknowledged == []
        await harness.advance(6)
        assert pipeline.Sources[0].Acknowledged == [3]


@virtual_time
async def test_what_is_settled_is_kept_by_a_checkpoint_if_processors_remember_it():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        pipeline = harness.chain(Counter)
        await pipeline.process("one")
        await pipeline.settle()
        await harness.crash()
    assert await live(store, 1) == [2]


@virtual_time
async def test_a_state_that_cannot_be_kept_is_the_trouble_of_its_own_pipelines():
    class Odd(Counter):
        def snapshot(self):
            return Snapshot(value=object())

    async with Harness(store=MemoryStateStore()) as harness:
        harness.chain(Odd, id="Odd")
        good = harness.chain(id="Good")
        harness.send([1], to="Odd.*In")
        harness.send([1, 2], to="Good.*In")
        await harness.advance(5)
        assert {failure.pipeline_id for failure in harness.errors} == {"Odd"}
        assert good.Sources[0].Acknowledged[-1] == 2


@virtual_time
async def test_a_disk_that_is_full_delays_checkpoints_and_nothing_else():
    from bspump.abc.errors import TransientError

    class Full(MemoryStateStore):
        Is = True

        async def commit(self, epoch):
            if self.Is:
                raise TransientError("no space left")
            await super().commit(epoch)

    store = Full()
    async with Harness(store=store) as harness:
        pipeline = harness.chain()
        for n in range(5):
            harness.send([n])
            await harness.advance(2)
        assert harness.out() == list(range(5))
        assert pipeline.Sources[0].Acknowledged == []
        store.Is = False
        await harness.advance(40)
        assert pipeline.Sources[0].Acknowledged[-1] == 5


@virtual_time
async def test_a_transaction_at_its_limit_does_not_wait_for_a_checkpoint_that_waits_for_it():
    table = MemoryTable()
    small = {"batch.max_events": 1, "transaction.max_events": 1}
    async with Harness(store=MemoryStateStore()) as harness:
        harness.chain(
            partial(MemorySource, events=list(range(100)), chunk_size=100),
            partial(MemoryEpochSink, table=table, config=small),
        )
        await harness.finish()
    assert table.Events == list(range(100))
