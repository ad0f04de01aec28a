"""An event that kills the process does so a few times, and is set aside; its neighbours arrive."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bspump
import bspump.common
from bspump.abc.contexts import Copies
from bspump.abc.dead_letters import LetterFilter
from bspump.abc.errors import CrashError
from bspump.core.quarantine import CAREFUL_S, CRASHES_ALONE, KILLS_WITHIN_S
from bspump.state import MemoryStateStore
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemoryEpochSink,
    MemorySource,
    MemoryTable,
    refuse,
    virtual_time,
)

SET_ASIDE = {"on_error": "dead_letter"}
UNTIL_CARE = 3
"""So many crashes it takes until care is taken."""


@dataclass
class World:
    """What outlives the process."""

    events: list[int]
    killers: set[int] = field(default_factory=set)
    chunk_size: int = 10
    table: MemoryTable = field(default_factory=MemoryTable)
    store: MemoryStateStore = field(default_factory=MemoryStateStore)
    lives: int = 0
    seen: list[int] = field(default_factory=list)

    @property
    def spared(self) -> list[int]:
        return [event for event in self.events if event not in self.killers]


class Deadly(bspump.AsyncProcessor):
    """Kills the process when it gets a killer."""

    def __init__(self, app, pipeline, world, died):
        super().__init__(app, pipeline)
        self.World, self._died = world, died

    async def process(self, context, event):
        self.World.seen.append(event)
        if event in self.World.killers:
            self._died.set()
            await asyncio.Event().wait()
        return event


def source(app, pipeline, world):
    return MemorySource(app, pipeline, world.events, chunk_size=world.chunk_size)


def build(harness, world, died, config=SET_ASIDE):
    return harness.chain(
        partial(source, world=world),
        partial(Deadly, world=world, died=died),
        partial(MemoryEpochSink, table=world.table, config={"batch.max_events": 3}),
        config=config,
    )


async def live(world, make=build, args=(), config=SET_ASIDE):
    """Run to the end of the input, or until the process dies; tell whether it died."""
    world.lives += 1
    died = asyncio.Event()
    harness = Harness(args, store=world.store)
    make(harness, world, died, config)
    async with harness:
        tasks = [asyncio.ensure_future(died.wait()), asyncio.ensure_future(harness.finish())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(isinstance(each.error, CrashError) for each in harness.errors)
        if died.is_set():
            await harness.crash()
        else:
            tasks[1].result()
    return died.is_set()


async def letters_of(world):
    found = await world.store.dead_letters.find(LetterFilter(), limit=1000)
    return await world.store.dead_letters.read([each.id for each in found])


async def live_on(world, most=50, **how):
    while await live(world, **how):
        assert world.lives < most, "it dies for ever"


@virtual_time
async def test_an_event_that_kills_is_set_aside_and_its_neighbours_arrive_once():
    world = World(list(range(10)), {4})
    await live_on(world)
    assert world.table.Events == world.spared
    (letter,) = await letters_of(world)
    assert (letter.event, letter.pipeline) == (4, "Test")
    assert letter.error_type == "bspump.abc.errors.CrashError"
    assert letter.part == "MemorySource"
    assert "Test.*MemorySource: the process died 2 times" in letter.error_text
    assert world.lives == UNTIL_CARE + CRASHES_ALONE + 1


@pytest.mark.parametrize(
    "contexts", [[{"n": n} for n in range(10)], Copies({"n": 4}, 10)], ids=["a list", "copies"]
)
@virtual_time
async def test_each_event_has_its_context(contexts):
    class WithContexts(MemorySource):
        async def read(self, position):
            chunk = await super().read(position)
            return dataclasses.replace(chunk, contexts=contexts if chunk.events else None)

    def with_contexts(harness, world, died, config):
        harness.chain(
            partial(WithContexts, events=world.events),
            partial(Deadly, world=world, died=died),
            lambda context, event: (event, context["n"]),
            partial(MemoryEpochSink, table=world.table),
            config=config,
        )

    world = World(list(range(10)), {4})
    await live_on(world, make=with_contexts)
    assert world.table.Events == [(n, contexts[n]["n"]) for n in world.spared]
    assert [letter.context for letter in await letters_of(world)] == [{"n": 4}]


@virtual_time
async def test_it_is_found_far_behind_the_last_checkpoint():
    world = World(list(range(100)), {47}, chunk_size=10)
    await live_on(world)
    assert world.table.Events == world.spared
    # One more crash: it was not in the first chunk.
    assert world.lives == UNTIL_CARE + 1 + CRASHES_ALONE + 1


@virtual_time
async def test_several_that_kill_are_set_aside_in_one_chunk_of_many():
    world = World(list(range(1500)), {3, 4, 1200, 1499}, chunk_size=1500)
    await live_on(world)
    assert world.table.Events == world.spared
    assert [letter.event for letter in await letters_of(world)] == sorted(world.killers)


@given(
    killers=st.sets(st.integers(0, 29), max_size=3),
    chunk_size=st.integers(1, 12),
    is_plain=st.booleans(),
)
@settings(max_examples=25)
@virtual_time
async def test_whichever_kill_and_whatever_the_chunks_are(killers, chunk_size, is_plain):
    # Equal ones and such that are not plain data are among them.
    events = [n if is_plain else Opaque(n) for n in range(30)] + [7 if is_plain else Opaque(7)]
    world = World(events, killers if is_plain else {Opaque(n) for n in killers}, chunk_size)
    await live_on(world)
    assert world.table.Events == world.spared
    assert len(await letters_of(world)) == len(world.events) - len(world.spared)


class Opaque(tuple):
    """An event that is no plain data."""

    __slots__ = ()

    def __new__(cls, number):
        return super().__new__(cls, (number, cls))


@virtual_time
async def test_a_policy_that_skips_does_so():
    world = World(list(range(10)), {4})
    await live_on(world, config={"on_error": "skip"})
    assert world.table.Events == world.spared
    assert await letters_of(world) == []


@virtual_time
async def test_a_policy_that_stops_keeps_the_process_alive_until_somebody_has_looked():
    world = World(list(range(10)), {4})
    for _ in range(UNTIL_CARE + CRASHES_ALONE):
        assert await live(world, config={})
    async with Harness(store=world.store) as harness:
        pipeline = build(harness, world, asyncio.Event(), {})
        await harness.advance(10)
        assert [(each.event, type(each.error)) for each in harness.errors] == [(4, CrashError)]
        assert pipeline.has_error()
        pipeline.set_error(None, None, None)
        await harness.finish()
    assert world.table.Events == world.spared


@virtual_time
async def test_it_is_found_in_a_pipeline_behind():
    def two(harness, world, died, config):
        behind = bspump.Pipeline(harness.app, "Behind", config)
        behind.build(
            bspump.common.InternalSource(harness.app, behind, "Queue"),
            Deadly(harness.app, behind, world, died),
            MemoryEpochSink(harness.app, behind, world.table),
        )
        harness.pipeline(behind)
        harness.chain(partial(source, world=world), ToBehind, config=config)

    world = World(list(range(25)), {14})
    await live_on(world, make=two)
    assert world.table.Events == world.spared
    (letter,) = await letters_of(world)
    assert (letter.pipeline, letter.event) == ("Test", 14)


class ToBehind(bspump.Sink, bspump.common.RouterMixIn):
    def process(self, context, event):
        self.route(context, event, "Behind.*Queue")


@virtual_time
async def test_another_pipeline_is_not_blamed():
    def two(harness, world, died, config):
        build(harness, world, died, config)
        harness.chain(
            partial(MemorySource, events=innocent, chunk_size=7),
            partial(MemoryBatchSink, events=out),
            id="Innocent",
            config=config,
        )

    innocent, out = list(range(100, 130)), []
    world = World(list(range(10)), {4})
    await live_on(world, make=two)
    assert world.table.Events == world.spared
    assert set(out) == set(innocent)
    assert [letter.event for letter in await letters_of(world)] == [4]


@virtual_time
async def test_crashes_for_other_reasons_blame_nobody():
    world = World(list(range(40)), chunk_size=20)
    for kill in [5, 9, 5, 7, 3, 6, 2, 11, 8, 19]:
        # Each time another event is on its way.
        world.killers = {kill}
        await live(world)
    world.killers = set()
    await live_on(world)
    assert await letters_of(world) == []
    assert world.table.Events == world.events


@virtual_time
async def test_an_event_that_waits_while_processes_are_stopped_is_not_blamed():
    world = World(list(range(10)), {4})
    for _ in range(UNTIL_CARE):
        assert await live(world)
    for _ in range(CRASHES_ALONE + 1):
        world.seen.clear()
        async with Harness(store=world.store) as harness:
            pipeline = build(harness, world, asyncio.Event(), {**SET_ASIDE, "stop_timeout": 4})
            refuse(next(reversed(list(pipeline.iter_processors()))), method="write", times=1000)
            await harness.advance(5)
        assert world.seen[0] == 0
    world.killers = set()
    await live_on(world)
    assert world.table.Events == world.events
    assert await letters_of(world) == []


@virtual_time
async def test_an_event_that_waits_while_processes_are_killed_is_not_blamed():
    world = World(list(range(10)), {4})
    for _ in range(UNTIL_CARE):
        assert await live(world)
    for _ in range(CRASHES_ALONE + 1):
        async with Harness(store=world.store) as harness:
            pipeline = build(harness, world, asyncio.Event())
            refuse(next(reversed(list(pipeline.iter_processors()))), method="write", times=1000)
            await harness.advance(KILLS_WITHIN_S + 1)
            await harness.crash()
    world.killers = set()
    await live_on(world)
    assert world.table.Events == world.events
    assert await letters_of(world) == []


@virtual_time
async def test_without_a_crash_one_start_is_noted_and_nothing_else():
    world = World(list(range(100)))
    assert not await live(world)
    (attempt,) = await world.store.attempts("*crashes")
    assert (attempt.source, attempt.position, attempt.times) == ("Test.*MemorySource", None, 1)


@virtual_time
async def test_care_ends_some_time_after_nothing_was_found():
    world = World(list(range(10)), {4})
    for _ in range(UNTIL_CARE):
        assert await live(world)
    world.killers = set()
    async with Harness(store=world.store) as harness:
        pipeline = harness.chain(
            partial(MemorySource, events=world.events, is_endless=True, chunk_size=5)
        )
        (made,) = pipeline.Sources
        await harness.settle()
        noted = len(await world.store.attempts("*crashes"))
        made.send([10])
        await harness.settle()
        assert len(await world.store.attempts("*crashes")) == noted + 1
        await harness.advance(CAREFUL_S)
        for event in (11, 12):
            made.send([event])
            await harness.settle()
        assert len(await world.store.attempts("*crashes")) == noted + 2
        assert harness.out() == list(range(13))


@virtual_time
async def test_it_can_be_switched_off():
    world = World(list(range(10)), {4})
    for _ in range(10):
        assert await live(world, args=["--set", "[checkpoint] max_crashes=0"])
    assert await world.store.attempts("*crashes") == []


@virtual_time
async def test_a_source_that_is_forgotten_begins_without_a_record():
    world = World(list(range(10)), {4})
    for _ in range(UNTIL_CARE + CRASHES_ALONE):
        assert await live(world)
    world.killers = set()
    assert not await live(world, args=["--set", "[checkpoint] forget=Test.*MemorySource"])
    assert world.table.Events == world.events
    assert await letters_of(world) == []


@pytest.mark.parametrize(("what", "after"), [("count_attempt", 0), ("attempts", 1)])
@virtual_time
async def test_a_store_that_refuses_to_note_something_does_not_hold_anything_up(what, after):
    world = World(list(range(10)))
    refuse(world.store, method=what, after=after)
    assert not await live(world)
    assert world.table.Events == world.events


@virtual_time
async def test_a_dead_letter_that_kills_when_it_is_replayed_is_set_aside_again():
    world = World(list(range(40)), {4, 17, 18})
    await live_on(world)
    await world.store.dead_letters.request_replay(LetterFilter())
    world.lives, world.killers = 0, {17}
    await live_on(world, most=10)
    assert world.table.Events == [n for n in range(40) if n not in (4, 17, 18)] + [4, 18]
    assert [letter.event for letter in await letters_of(world) if letter.replayed_at_s] == [
        *(4, 17, 18)
    ]
    (again,) = [letter for letter in await letters_of(world) if not letter.replayed_at_s]
    assert (again.event, again.attempts) == (17, 2)
    assert again.error_type == "bspump.abc.errors.CrashError"
