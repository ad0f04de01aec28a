from __future__ import annotations

import asyncio
import functools

import pytest

from bspump.abc.errors import ConfigErrors, NotConnectedError
from bspump.abc.source import Chunk
from bspump.core.pipeline import Pipeline
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemoryLookup,
    MemoryProvider,
    MemorySource,
    MemoryUpsertSink,
    virtual_time,
)


async def source_of(events=None, **kwargs):
    harness = Harness()
    source = MemorySource(harness.app, Pipeline(harness.app, "Bare"), events, **kwargs)
    await source.connect()
    return source


@virtual_time
async def test_a_list_is_read_in_chunks_to_its_end():
    source = await source_of([1, 2, 3, 4, 5], chunk_size=2)
    assert await source.read(None) == Chunk([1, 2], 2)
    assert await source.read(2) == Chunk([3, 4], 4)
    assert await source.read(4) == Chunk([5], 5, is_last=True)
    assert await source.read(5) == Chunk([], 5, is_last=True)


@virtual_time
async def test_an_endless_source_waits_for_more():
    source = await source_of()
    reading = asyncio.create_task(source.read(None))
    await asyncio.sleep(100)
    assert not reading.done()
    source.send([1])
    assert await reading == Chunk([1], 1)
    source.end()
    assert await source.read(1) == Chunk([], 1, is_last=True)


@virtual_time
async def test_contexts_stay_with_their_events():
    source = await source_of()
    source.send([1, 2])
    source.send([3], [{"k": 3}])
    assert await source.read(1) == Chunk([2, 3], 3, [{}, {"k": 3}])


@virtual_time
async def test_nothing_can_be_sent_behind_the_end():
    source = await source_of([1])
    with pytest.raises(RuntimeError, match="has ended"):
        source.send([2])


@virtual_time
async def test_a_cut_connection_is_noticed_by_a_read_that_waits():
    source = await source_of()
    reading = asyncio.create_task(source.read(None))
    await asyncio.sleep(1)
    source.disconnect()
    with pytest.raises(NotConnectedError):
        await reading


@virtual_time
async def test_what_cannot_be_reached_cannot_be_connected():
    source = await source_of()
    source.IsReachable = False
    with pytest.raises(NotConnectedError, match="not reachable"):
        await source.connect()


@virtual_time
async def test_positions_are_acknowledged_when_their_events_are_durable():
    async with Harness() as harness:
        pipeline = harness.chain(MemoryBatchSink)
        harness.send([1, 2])
        await harness.finish()
        assert pipeline.Sources[0].Acknowledged == [2]


@virtual_time
async def test_batches_are_kept_as_they_came():
    async with Harness() as harness:
        options = {"batch.max_events": 2}
        pipeline = harness.chain(functools.partial(MemoryBatchSink, config=options))
        harness.send([1, 2, 3])
        await harness.settle()
        sink = next(pipeline.iter_processors())
        assert [list(batch.events) for batch in sink.Batches] == [[1, 2], [3]]


@virtual_time
async def test_wrong_options_of_a_double_are_reported():
    options = {"batch.max_events": "none"}
    with pytest.raises(ConfigErrors, match="max_events"):
        Harness().chain(functools.partial(MemoryBatchSink, config=options))


@virtual_time
async def test_an_event_with_a_known_key_takes_the_place_of_the_old_one():
    async with Harness() as harness:
        harness.chain(functools.partial(MemoryUpsertSink, key=lambda event: event[0]))
        for event in ("a1", "b1", "a2", "c1"):
            harness.send([event])
        await harness.settle()
        assert harness.out() == ["a2", "b1", "c1"]


@virtual_time
async def test_a_lookup_loads_what_its_provider_holds():
    async with Harness() as harness:
        lookup = MemoryLookup(harness.app, {"a": 1})
        assert isinstance(lookup.Provider, MemoryProvider)
        assert await lookup.load() is False
        await lookup.Provider.save(b'{"b": 2}')
        assert await lookup.load() is True
        assert dict(lookup) == {"b": 2}
        assert lookup.Provider.Loads == 2
