"""Dead letters come back: once, where they failed, and marked as such."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import bspump
import bspump.common
from bspump.abc.dead_letters import DeadLetter, LetterFilter
from bspump.state import MemoryStateStore
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemoryEpochSink,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)

CONFIG = {"on_error": "dead_letter"}


class Count(bspump.Processor):
    def __init__(self, app, pipeline):
        super().__init__(app, pipeline)
        self.Events = []

    def process(self, context, event):
        self.Events.append(event)
        return event


class Parser(bspump.Processor):
    def process(self, context, event):
        return int(event)


class BetterParser(bspump.Processor):
    """Takes Roman ones as well."""

    def __init__(self, app, pipeline, id="Parser"):
        super().__init__(app, pipeline, id)

    def process(self, context, event):
        return 10 if event == "X" else int(event)


async def letters_of(store, **which):
    found = await store.dead_letters.find(LetterFilter(**which), limit=1000)
    return await store.dead_letters.read([each.id for each in found])


async def put(store, event="X", part="Parser", **more):
    letter = DeadLetter(
        pipeline="Test",
        part=part,
        event=event,
        error_type="ValueError",
        error_text="",
        at_s=1.0,
        **more,
    )
    return (await store.dead_letters.put([letter]))[0]


@virtual_time
async def test_a_letter_comes_back_at_the_processor_that_failed():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.chain(Count, Parser, config=CONFIG)
        harness.send(["1", "X", "2"], contexts=[{}, {"n": 7}, {}])
        await harness.settle()
        assert harness.errors
    async with Harness(store=store) as harness:
        pipeline = harness.chain(Count, BetterParser, config=CONFIG)
        await harness.advance(2)
        assert harness.out() == []
        assert await harness.app.DeadLetters.replay() == 1
        await harness.advance(2)
        assert harness.out() == [10]
        assert pipeline.locate_processor("Out").Contexts == [{"n": 7}]
        assert pipeline.locate_processor("Count").Events == []
        await harness.advance(5)
        assert harness.out() == [10]
        assert harness.counts()["event.in"] == 1
        (letter,) = await letters_of(store)
    assert letter.replayed_at_s is not None
    assert not letter.is_requested


@virtual_time
async def test_a_request_is_seen_whoever_made_it():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.chain(BetterParser)
        await harness.idle()
        await put(store)
        await store.dead_letters.request_replay(LetterFilter())
        await harness.advance(3)
        assert harness.out() == [10]


@virtual_time
async def test_one_that_fails_again_is_another_letter_with_one_attempt_more():
    store = MemoryStateStore()
    config = {"on_error": "stop"}  # A replayed one is set aside all the same.
    async with Harness(store=store) as harness:
        pipeline = harness.chain(Parser, config=config)
        await put(store, attempts=3)
        await harness.app.DeadLetters.replay()
        await harness.advance(3)
        assert not pipeline.has_error()
        old, new = await letters_of(store)
        assert harness.errors
    assert (old.attempts, old.replayed_at_s is not None) == (3, True)
    assert (new.attempts, new.replayed_at_s, new.event, new.part) == (4, None, "X", "Parser")


@virtual_time
@pytest.mark.parametrize("how", ["sink", "asynchronous"])
async def test_one_that_fails_again_later_is_known_too(how):
    class Refuse(bspump.AsyncProcessor):
        async def process(self, context, event):
            await self.App.Clock.sleep(0.1)
            raise ValueError(event)

    part = Refuse if how == "asynchronous" else partial(MemoryBatchSink, rejects=lambda event: True)
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        pipeline = harness.chain(part)
        name = next(iter(pipeline.iter_processors())).Id
        await put(store, event={"a": 1}, part=name)
        await harness.app.DeadLetters.replay()
        await harness.advance(3)
        _, new = await letters_of(store)
        assert harness.errors
    assert (new.attempts, new.part) == (2, name)


@virtual_time
async def test_one_whose_part_is_gone_enters_at_the_beginning_and_that_is_logged():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        pipeline = harness.chain(Count, partial(BetterParser, id="Renamed"))
        await put(store)
        await harness.app.DeadLetters.replay()
        await harness.advance(2)
        assert pipeline.locate_processor("Count").Events == ["X"]
        assert harness.out() == [10]
        (record,) = [r for r in harness.logs if "is gone" in r.getMessage()]
        assert record.fields["part"] == "Parser"


@virtual_time
async def test_what_a_source_had_rejected_enters_at_the_beginning():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        pipeline = harness.chain(Count, BetterParser)
        await put(store, part="In")
        await harness.app.DeadLetters.replay()
        await harness.advance(2)
        assert pipeline.locate_processor("Count").Events == ["X"]
        assert not [r for r in harness.logs if "is gone" in r.getMessage()]


@virtual_time
async def test_entries_of_the_context_that_could_not_be_kept_are_left_out():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        pipeline = harness.chain(BetterParser)
        await put(store, context={"n": 1, "socket": object()})
        await harness.app.DeadLetters.replay()
        await harness.advance(2)
        assert pipeline.locate_processor("Out").Contexts == [{"n": 1}]


@virtual_time
async def test_many_come_back_in_their_order_and_each_once():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.chain(Parser, partial(MemoryBatchSink, id="Out"))
        for n in range(1200):
            await put(store, event=str(n))
        assert await harness.app.DeadLetters.replay() == 1200
        await harness.advance(10)
        assert harness.out() == list(range(1200))
        assert await store.dead_letters.count(LetterFilter(is_replayed=True)) == 1200


@virtual_time
async def test_only_those_that_were_asked_for_come_back():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.chain(Parser)
        ids = [await put(store, event=str(n)) for n in range(5)]
        assert await harness.app.DeadLetters.replay(LetterFilter(ids=ids[1:3])) == 2
        await harness.advance(3)
        assert harness.out() == [1, 2]
        await harness.app.DeadLetters.replay(LetterFilter(ids=ids[1:2]))
        await harness.advance(3)
        assert harness.out() == [1, 2, 1]  # Twice, for it was asked for twice.


@virtual_time
async def test_a_letter_of_a_pipeline_that_is_not_here_waits_for_it():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.chain(Parser, id="Other")
        await put(store, event="7")
        await harness.app.DeadLetters.replay()
        await harness.advance(3)
        assert harness.out() == []
        harness.chain(Parser, id="Test")
        await harness.advance(3)
        assert harness.out("Test.Out") == [7]


@virtual_time
async def test_a_pipeline_that_is_held_back_gets_its_letters_later():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        pipeline = harness.chain(Parser)
        pipeline.throttle("test")
        await put(store, event="7")
        await harness.app.DeadLetters.replay()
        await harness.advance(3)
        assert harness.out() == []
        pipeline.throttle("test", False)
        await harness.advance(1)
        assert harness.out() == [7]


@virtual_time
async def test_bounded_input_does_not_end_the_application_before_letters_came_back():
    store = MemoryStateStore()
    await store.open()
    for n in range(10):
        await put(store, event=str(n))
    await store.dead_letters.request_replay(LetterFilter())
    await store.close()
    harness = Harness(store=store)
    harness.chain(partial(MemorySource, events=["100"], id="In"), Parser)
    async with harness:
        await harness.app._stop_event.wait()
        out = harness.out()
    assert sorted(out) == [*range(10), 100]
    assert await store.dead_letters.count(LetterFilter(is_requested=True)) == 0


@virtual_time
async def test_there_is_nothing_to_replay_without_a_store():
    async with Harness() as harness:
        harness.chain(Parser)
        with pytest.raises(bspump.ConfigError, match="set `var_dir`"):
            await harness.app.DeadLetters.replay()


@virtual_time
async def test_a_replay_happens_exactly_once_whenever_the_process_dies():
    lives = 0
    for turns in range(1, 1000):
        store, table = MemoryStateStore(), MemoryTable()
        await store.open()
        await put(store)
        await put(store, event="nothing")
        await store.dead_letters.request_replay(LetterFilter())
        await store.close()
        is_done = await live(store, table, turns)
        if not is_done:
            assert await live(store, table, 1 << 60)
        assert sorted(table.Events) == [0, 1, 2, 3, 4, 5, 10], f"crashed at turn {turns}"
        old, failed, new = await letters_of(store)
        assert old.replayed_at_s is not None
        assert failed.replayed_at_s is not None
        assert (new.event, new.attempts, new.replayed_at_s) == ("nothing", 2, None)
        lives += 1
        if is_done:
            break
    assert lives > 20


async def live(store, table, turns):
    """Run to the end of the input, or to a crash; tell whether the end was reached."""
    loop = asyncio.get_running_loop()
    harness = Harness(store=store)
    source = partial(MemorySource, events=list("012345"), id="In", chunk_size=2)
    harness.chain(source, BetterParser, partial(MemoryEpochSink, table=table), config=CONFIG)
    async with harness:
        assert harness.errors is not None
        ending = loop.create_task(harness.app._stop_event.wait())
        crash = loop.create_task(loop.turns(turns))
        await asyncio.wait([ending, crash], return_when=asyncio.FIRST_COMPLETED)
        is_done = ending.done()
        ending.cancel()
        crash.cancel()
        if not is_done:
            await harness.crash()
    return is_done


@virtual_time
async def test_a_letter_is_there_exactly_once_whenever_the_process_dies():
    class World:
        def __init__(self):
            self.table, self.store = MemoryTable(), None

    def build(harness, world):
        world.store = harness.app.CheckpointService.Store
        app, events = harness.app, ["1", "X", "2", "Y", "3"]
        pipeline = bspump.Pipeline(app, "Test", CONFIG)
        source = MemorySource(app, pipeline, events, chunk_size=2)
        slow(source, 0.4, method="read")  # So there are several checkpoints on the way.
        sink = MemoryEpochSink(app, pipeline, world.table)
        pipeline.build(source, Parser(harness.app, pipeline), sink)
        harness.pipeline(pipeline)
        assert harness.errors == []

    def check(world):
        assert world.table.Events == [1, 2, 3]
        letters = world.store.dead_letters._letters.values()
        assert sorted(letter.error_text[-3:] for letter in letters) == ["'X'", "'Y'"]

    assert await crash_everywhere(World, build, check, every=5, twice_after=30) > 20


@virtual_time
async def test_a_pipeline_that_takes_letters_gets_each_once_whenever_the_process_dies():
    class World:
        def __init__(self):
            self.table, self.bin = MemoryTable(), MemoryTable()

    def build(harness, world):
        sink = partial(MemoryTwoPhaseSink, table=world.bin)
        harness.chain(bspump.common.InternalSource, sink, id="Bin")
        source = partial(MemorySource, events=["1", "X", "2", "Y", "3"], id="In", chunk_size=2)
        config = {"on_error": "dead_letter", "dead_letters_to": "Bin.*InternalSource"}
        harness.chain(source, Parser, partial(MemoryTwoPhaseSink, table=world.table), config=config)
        assert harness.errors == []

    def check(world):
        assert world.table.Events == [1, 2, 3]
        assert [event["event"] for event in world.bin.Events] == ["X", "Y"]

    assert await crash_everywhere(World, build, check) > 20
