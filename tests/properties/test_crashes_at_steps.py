"""The process dies before or after any step of the protocol, whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bspump
from bspump.abc.dead_letters import LetterFilter
from bspump.abc.state import PartState, Snapshot
from bspump.state import MemoryStateStore
from bspump.testing import (
    Harness,
    MemoryEpochSink,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    disconnect,
    refuse,
    slow,
    virtual_time,
)

# Those that matter most are there more often.
BEGIN = ["source.read", "source.acknowledge", "store.load_state", "sink.write"]
STEPS = {
    MemoryEpochSink: [*BEGIN, "sink.committed", "store.rollback"]
    + 3 * ["store.stage", "sink.commit", "store.promote"],
    MemoryTwoPhaseSink: [*BEGIN, "store.mark"]
    + 3 * ["sink.prepare", "store.commit", "sink.commit"],
}
REFUSALS = [("sink", "write"), ("sink", "commit"), ("store", "commit"), ("store", "promote")]


class Sum(bspump.Processor):
    """Adds up what came so far, and fails at some events."""

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self.Sum = 0

    def process(self, context: Any, event: int) -> int:
        if is_bad(event):
            raise ValueError(event)
        self.Sum += event
        return self.Sum

    def snapshot(self) -> Snapshot:
        return Snapshot(value=self.Sum)

    def restore(self, state: PartState, /) -> None:
        self.Sum = state.value


class Later(bspump.AsyncProcessor):
    """Takes some time for each event."""

    async def process(self, context: Any, event: Any) -> Any:
        await self.App.Clock.sleep(0.01 * (event % 3))
        return event


@dataclass
class World:
    """What outlives the process."""

    sink: Any
    chunk_size: int
    events: list[int] = field(default_factory=lambda: list(range(10)))
    table: MemoryTable = field(default_factory=MemoryTable)
    store: MemoryStateStore = field(default_factory=MemoryStateStore)


def is_bad(event: int) -> bool:
    return event % 7 == 5


actions = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 12)),
    st.tuples(st.just("advance"), st.floats(0.01, 2.0)),
    st.tuples(st.just("throttle"), st.floats(0.01, 1.0)),
    st.tuples(st.just("checkpoint"), st.none()),
    st.tuples(st.just("refuse"), st.sampled_from(REFUSALS)),
    st.tuples(st.just("disconnect"), st.sampled_from(["write", "commit"])),
)


def lives_with(sink):
    """Return a strategy for lives: at which step they end, and what happens before."""
    death = st.tuples(st.sampled_from(STEPS[sink]), st.integers(1, 3), st.booleans())
    return st.lists(st.tuples(death, st.lists(actions, max_size=6)), min_size=1, max_size=4)


def source(app, pipeline, world):
    made = MemorySource(app, pipeline, world.events, is_endless=True, chunk_size=world.chunk_size)
    slow(made, 0.05, method="read", times=None)
    return made


def build(harness, world):
    return harness.chain(
        partial(source, world=world),
        Later,
        Sum,
        partial(world.sink, table=world.table, config={"batch.max_events": 4}),
        config={"on_error": "dead_letter"},
    )


def parts(pipeline, world):
    sink = list(pipeline.iter_processors())[-1]
    return {"source": pipeline.Sources[0], "sink": sink, "store": world.store}


def die_at(part, name, times, is_after):
    """Let nothing happen any more before or after a call; return what tells when that is."""
    reached, calls = asyncio.Event(), 0
    original = getattr(part, name, None)

    async def counted(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == times:
            if is_after:
                await original(*args, **kwargs)
            reached.set()
            await asyncio.Event().wait()
        return await original(*args, **kwargs)

    if original is not None:
        setattr(part, name, counted)
    return reached


async def act(harness, pipeline, world, what, how):
    if what == "send":
        last = len(world.events)
        pipeline.Sources[0].send(range(last, last + how))
    elif what == "advance":
        await harness.app.Clock.sleep(how)
    elif what == "throttle":
        pipeline.throttle("the test")
        await harness.app.Clock.sleep(how)
        pipeline.throttle("the test", False)
    elif what == "checkpoint":
        await pipeline.checkpoint()
    elif what == "refuse":
        refuse(parts(pipeline, world)[how[0]], method=how[1])
    elif hasattr(parts(pipeline, world)["sink"], how):
        disconnect(parts(pipeline, world)["sink"], method=how)


async def live(world, death, script):
    """Act until the process dies; what it does not come to is left out."""
    harness = Harness(["--set", "[checkpoint] interval=0.2"], store=world.store)
    pipeline = build(harness, world)
    step, times, is_after = death
    part, _, name = step.partition(".")
    reached = die_at(parts(pipeline, world)[part], name, times, is_after)

    async def follow_script():
        for what, how in script:
            await act(harness, pipeline, world, what, how)
        await harness.app.Clock.sleep(1.0)

    async def begin_and_follow():
        async with harness:
            await follow_script()
            await harness.crash()

    running = asyncio.ensure_future(begin_and_follow())
    dying = asyncio.ensure_future(reached.wait())
    await asyncio.wait([running, dying], return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        harness.app.abandon()
        running.cancel()
        await asyncio.wait([running])
    dying.cancel()
    await asyncio.wait([dying])
    if not running.cancelled():
        running.result()
    await world.store.close()
    for method in {name for names in STEPS.values() for name in names}:
        vars(world.store).pop(method.removeprefix("store."), None)


@pytest.mark.parametrize("sink", [MemoryEpochSink, MemoryTwoPhaseSink])
@given(data=st.data(), chunk_size=st.integers(1, 7))
@settings(max_examples=80)
@virtual_time
async def test_nothing_is_lost_and_nothing_comes_twice(sink, data, chunk_size):
    lives = data.draw(lives_with(sink))
    world = World(sink, chunk_size)
    for death, script in lives:
        await live(world, death, script)
    async with Harness(store=world.store) as harness:
        build(harness, world)
        await harness.finish()
        assert all(isinstance(each.error, ValueError) for each in harness.errors)
    good = [event for event in world.events if not is_bad(event)]
    assert world.table.Events == [sum(good[: n + 1]) for n in range(len(good))]
    found = await world.store.dead_letters.find(LetterFilter(), limit=1000)
    letters = await world.store.dead_letters.read([each.id for each in found])
    assert [letter.event for letter in letters] == [e for e in world.events if is_bad(e)]
