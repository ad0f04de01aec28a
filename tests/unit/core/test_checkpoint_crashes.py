"""What arrives when the process dies at every step of the protocol, one after the other."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from functools import partial

import pytest

import bspump
import bspump.common
from bspump.abc.state import PartState, Snapshot
from bspump.testing import (
    MemoryBatchSink,
    MemoryEpochSink,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)

IN_CI = os.environ.get("CI") == "true"
EVERY = 1 if IN_CI else 5
# At home every run tries other moments.
FIRST = 1 if IN_CI else random.randint(1, EVERY)
N = 15
BATCHES = {"batch.max_events": 4}


class RunningSum(bspump.Processor):
    """Adds up what came so far; right only if nothing is lost and nothing comes twice."""

    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, id)
        self.Sum = 0

    def process(self, context, event):
        self.Sum += event
        return self.Sum

    def snapshot(self):
        return Snapshot(value=self.Sum)

    def restore(self, state: PartState):
        self.Sum = state.value


@dataclass
class World:
    table: MemoryTable = field(default_factory=MemoryTable)
    out: list[int] = field(default_factory=list)


SUMS = [n * (n + 1) // 2 for n in range(N)]


def source(app, pipeline):
    made = MemorySource(app, pipeline, list(range(N)), chunk_size=3)
    slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
    return made


class Slowly(bspump.AsyncProcessor):
    async def process(self, context, event):
        await self.App.Clock.sleep(0.2)
        return event


@pytest.mark.parametrize("sink", [MemoryEpochSink, MemoryTwoPhaseSink])
@virtual_time
async def test_a_transactional_sink_has_every_event_once(sink):
    def build(harness, world):
        harness.chain(partial(source), RunningSum, partial(sink, table=world.table, config=BATCHES))

    def check(world):
        assert world.table.Events == SUMS
        assert not world.table.Prepared

    turns = await crash_everywhere(World, build, check, first=FIRST, every=EVERY)
    assert turns > 40
    await crash_everywhere(World, build, check, first=FIRST, every=5 * EVERY, twice_after=25)


@pytest.mark.parametrize("sink", [MemoryEpochSink, MemoryTwoPhaseSink])
@virtual_time
async def test_the_same_holds_over_two_pipelines_and_many_checkpoints(sink):
    def build(harness, world):
        harness.chain(
            partial(source),
            Slowly,
            RunningSum,
            Router,
            id="Feeding",
        )
        pipeline = bspump.Pipeline(harness.app, "Fed")
        pipeline.build(
            bspump.common.InternalSource(harness.app, pipeline, "Queue"),
            sink(harness.app, pipeline, world.table, config=BATCHES),
        )
        harness.pipeline(pipeline)

    def check(world):
        assert world.table.Events == SUMS

    await crash_everywhere(World, build, check, first=FIRST, every=3 * EVERY)


class Router(bspump.Sink, bspump.common.RouterMixIn):
    def process(self, context, event):
        self.route(context, event, "Fed.*Queue", copy_event=False)


@virtual_time
async def test_a_plain_sink_has_every_event_at_least_once_and_the_state_is_right():
    def build(harness, world):
        harness.chain(
            partial(source), RunningSum, partial(MemoryBatchSink, events=world.out, config=BATCHES)
        )

    def check(world):
        assert sorted(set(world.out)) == SUMS

    await crash_everywhere(World, build, check, first=FIRST, every=EVERY)
