from __future__ import annotations

import functools

import pytest

from bspump.abc.errors import NotConnectedError, RejectedError, TransientError
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemorySource,
    disconnect,
    lose_reply,
    refuse,
    slow,
    virtual_time,
)

AT_ONCE = functools.partial(MemoryBatchSink, config={"batch.max_age": 0})


def ends_of(pipeline):
    return pipeline.Sources[0], next(pipeline.iter_processors())


@virtual_time
async def test_a_slow_sink_takes_its_time_by_the_clock():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain(AT_ONCE))
        with slow(sink, 10) as fault:
            harness.send([1])
            await harness.advance(9.5)
            assert harness.out() == []
            await harness.advance(1)
            assert harness.out() == [1]
        assert (fault.calls, fault.struck) == (1, 1)


@virtual_time
async def test_a_refused_write_is_repeated():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain(MemoryBatchSink))
        with refuse(sink, times=2) as fault:
            harness.send([1])
            await harness.settle()
        assert harness.out() == [1]
        assert (fault.calls, fault.struck) == (3, 2)


@virtual_time
async def test_the_error_of_a_refusal_is_chosen():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain(MemoryBatchSink))
        refuse(sink, TransientError("later", retry_after_s=100))
        harness.send([1])
        await harness.advance(99)
        assert harness.out() == []
        await harness.advance(2)
        assert harness.out() == [1]


@virtual_time
async def test_the_first_calls_are_spared():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain(MemoryBatchSink))
        fault = refuse(sink, RejectedError("no"), after=1)
        for event in (1, 2, 3):
            harness.send([event])
            await harness.settle()
        assert harness.out() == [1]
        assert [failure.event for failure in harness.errors] == [2]
        assert fault.struck == 1


@virtual_time
async def test_a_disconnected_sink_is_connected_again():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain(MemoryBatchSink))
        with disconnect(sink):
            harness.send([1])
            await harness.settle()
        assert harness.out() == [1]
        assert sink.Connects == 2


@virtual_time
async def test_what_had_no_reply_is_written_twice():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain(MemoryBatchSink))
        with lose_reply(sink):
            harness.send([1])
            await harness.settle()
        assert harness.out() == [1, 1]


@virtual_time
async def test_a_source_can_fail_too():
    async with Harness() as harness:
        source, _ = ends_of(harness.chain())
        with disconnect(source, times=2) as fault:
            harness.send([1])
            await harness.settle()
            harness.send([2])
            await harness.settle()
        assert harness.out() == [1, 2]
        assert fault.struck == 2
        assert source.Connects == 3


@virtual_time
async def test_any_coroutine_function_of_a_part_can_fail():
    async with Harness() as harness:
        pipeline = harness.chain(MemorySource)
        with refuse(pipeline.Sources[0], NotConnectedError("not now"), method="connect") as fault:
            await harness.advance(10)
            assert fault.calls == 2
            assert pipeline.Sources[0].Connects == 1


@virtual_time
async def test_an_undone_fault_is_gone():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain(MemoryBatchSink))
        refuse(sink, times=None).undo()
        assert "write" not in vars(sink)
        harness.send([1])
        await harness.settle()
        assert harness.out() == [1]


@virtual_time
async def test_a_plain_function_cannot_be_slow():
    async with Harness() as harness:
        _, sink = ends_of(harness.chain())
        with pytest.raises(TypeError, match="expected a coroutine function"):
            slow(sink, 1)
