"""What the engine does for pull sources: it reads on from where it was, whatever happens."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import bspump
from bspump.abc.errors import ExhaustedError
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemorySource,
    cancel_everywhere,
    disconnect,
    refuse,
    slow,
    virtual_time,
)


class Watched(MemorySource):
    """Counts how often it is closed."""

    def __init__(self, app, pipeline, events=None, id=None, config=None, **kwargs):
        super().__init__(app, pipeline, events, id, config, **kwargs)
        self.Closes = 0

    async def close(self):
        self.Closes += 1
        await super().close()


def source_of(pipeline):
    return pipeline.Sources[0]


@virtual_time
async def test_reading_waits_for_the_connection():
    async with Harness() as harness:
        pipeline = harness.chain(MemorySource)
        source = source_of(pipeline)
        source.IsReachable = False
        harness.send([1, 2])
        await harness.advance(60)
        assert harness.out() == []
        source.IsReachable = True
        await harness.settle()
        assert harness.out() == [1, 2]
        assert pipeline.State.value == "running"


@virtual_time
async def test_after_a_lost_connection_it_reads_on_from_the_same_position():
    async with Harness() as harness:
        source = source_of(harness.chain(Watched))
        harness.send(range(10))
        await harness.settle()
        source.disconnect()
        harness.send(range(10, 20))
        await harness.settle()
        assert harness.out() == list(range(20))
        assert (source.Connects, source.Closes) == (2, 1)


@virtual_time
async def test_a_refused_read_is_repeated_from_the_same_position_on_the_same_connection():
    async with Harness() as harness:
        source = source_of(harness.chain(partial(MemorySource, chunk_size=3)))
        refuse(source, after=2, times=3)
        harness.send(range(10))
        await harness.settle()
        assert harness.out() == list(range(10))
        assert source.Connects == 1


@virtual_time
async def test_when_all_attempts_are_used_up_it_waits_for_the_error_to_be_cleared():
    async with Harness() as harness:
        pipeline = harness.chain(partial(MemorySource, config={"retry.attempts": 3}))
        source = source_of(pipeline)
        source.IsReachable = False
        harness.send([1])
        await harness.advance(60)
        assert isinstance(harness.errors[0].error, ExhaustedError)
        source.IsReachable = True
        await harness.advance(60)
        assert harness.out() == []
        pipeline.set_error(None, None, None)
        await harness.settle()
        assert harness.out() == [1]


@pytest.mark.parametrize("method", ["connect", "read", "acknowledge"])
@virtual_time
async def test_a_bug_stops_the_pipeline_and_is_tried_again_when_it_is_cleared(method):
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested")
        source = Watched(harness.app, pipeline, list(range(5)), chunk_size=2)
        pipeline.build(source, bspump.testing.MemorySink(harness.app, pipeline))
        fault = refuse(source, KeyError("odd"), method=method)
        harness.pipeline(pipeline)
        await harness.advance(5)
        assert [type(failure.error) for failure in harness.errors] == [KeyError]
        assert source.Closes == 1
        pipeline.set_error(None, None, None)
        await harness.finish()
        assert fault.struck == 1
        assert harness.out() == list(range(5))
        assert source.Acknowledged[-1] == 5


@virtual_time
async def test_an_acknowledgement_that_fails_is_made_up_for():
    async with Harness() as harness:
        pipeline = harness.chain(MemorySource)
        source = source_of(pipeline)
        lost = disconnect(source, method="acknowledge")
        for n in range(3):
            await harness.advance(2)
            harness.send([n])
        await harness.advance(2)
        assert lost.struck == 1
        assert pipeline.State.value == "running"
        assert source.Acknowledged == [1, 2, 3]


@virtual_time
async def test_the_end_of_bounded_input_is_acknowledged_however_long_it_takes():
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested")
        source = MemorySource(harness.app, pipeline, [1, 2])
        pipeline.build(source, bspump.testing.MemorySink(harness.app, pipeline))
        refuse(source, method="acknowledge", times=5)
        harness.pipeline(pipeline)
        await harness.advance(0.01)
        assert not source.is_finished()
        await harness.finish()
        assert source.Acknowledged == [2]


@virtual_time
async def test_nothing_is_acknowledged_before_it_is_durable():
    async with Harness() as harness:
        pipeline = harness.chain(MemoryBatchSink)
        source, sink = source_of(pipeline), pipeline.locate_processor("MemoryBatchSink")
        slow(sink, 30)
        for n in range(5):
            harness.send([n])
            await harness.advance(2)
            assert source.Acknowledged == []
        await harness.advance(60)
        assert source.Acknowledged != []
        await harness.settle(300)
        assert harness.out() == list(range(5))


@virtual_time
async def test_a_stop_lets_the_chunk_pass_that_is_on_its_way():
    harness = Harness()
    async with harness:
        pipeline = harness.chain(partial(MemorySource, chunk_size=50), hold_back_at(7))
        harness.send(range(100))
        await harness.idle()
        assert len(harness.out()) < 50
        await pipeline.stop()
        assert harness.out() == list(range(50))
        assert source_of(pipeline).Acknowledged == [50]
        pipeline.start()
        await harness.settle()
        assert harness.out() == list(range(100))


def hold_back_at(which):
    """Return a function that holds the pipeline back for a second, as a full sink does."""

    def make(app, pipeline):
        def hold(context, event):
            if event == which:
                pipeline.Flow.gate.close("full")
                app.Loop.call_later(1, pipeline.Flow.gate.open, "full")
            return event

        return hold

    return partial(make)


@virtual_time
async def test_a_stop_cuts_off_a_read_a_wait_and_a_back_off():
    for prepare in (nothing, throttled, unreachable):
        async with Harness() as harness:
            pipeline = harness.chain(partial(MemorySource, config={"idle": "1h"}))
            prepare(pipeline)
            harness.send([1])
            await harness.advance(100)
            before = harness.app.Clock.monotonic()
            await pipeline.stop()
            assert harness.app.Clock.monotonic() - before < 1


def nothing(pipeline):
    """Leave the source waiting in a read."""


def throttled(pipeline):
    pipeline.throttle("test")


def unreachable(pipeline):
    source_of(pipeline).IsReachable = False


@virtual_time
async def test_a_source_may_be_stopped_twice_at_the_same_time():
    async with Harness() as harness:
        pipeline = harness.chain(MemorySource)
        harness.send([1])
        await harness.idle()
        source = source_of(pipeline)
        await asyncio.gather(source.stop(), source.stop(), pipeline.stop())
        assert source.Task.done()
        assert harness.errors == []


@virtual_time
async def test_a_stop_in_an_error_does_not_wait_for_anything():
    async with Harness() as harness:
        pipeline = harness.chain(lambda context, event: 1 // event)
        harness.send([1, 0, 2])
        await harness.idle()
        assert len(harness.errors) == 1
        before = harness.app.Clock.monotonic()
        await pipeline.stop()
        assert harness.app.Clock.monotonic() - before < 1
        assert harness.out() == [1]


@virtual_time
async def test_an_error_while_it_stops_ends_the_waiting():
    async with Harness() as harness:
        pipeline = harness.chain(hold_back_at(1), lambda context, event: 1 // (event - 3))
        harness.send(range(10))
        await harness.idle()
        before = harness.app.Clock.monotonic()
        await pipeline.stop()
        assert [type(failure.error) for failure in harness.errors] == [ZeroDivisionError]
        assert harness.app.Clock.monotonic() - before < 2


@pytest.mark.parametrize("method", ["connect", "read"])
@virtual_time
async def test_a_cancelled_source_is_closed_and_loses_nothing(method):
    async with Harness() as harness:
        made = []

        async def run():
            # A pipeline that is stopped: its source is driven by the test alone.
            await made[-1].Pipeline.pull(made[-1])

        def make():
            pipeline = bspump.Pipeline(harness.app, f"Tested{len(made)}")
            source = Watched(harness.app, pipeline, [1, 2, 3], chunk_size=2)
            slow(source, 0.01, method=method)
            pipeline.build(IdleSource(harness.app, pipeline), Collect(harness.app, pipeline))
            made.append(source)
            pipeline.start()
            return run()

        async def check():
            source = made[-1]
            assert source.Closes >= 1 or source.Connects == 0
            assert not source.IsConnected
            await source.Pipeline.pull(source)
            assert set(collected(source.Pipeline)) == {1, 2, 3}
            await source.Pipeline.dispose()

        await cancel_everywhere(make, check)


class IdleSource(bspump.Source):
    async def main(self):
        await self.stopped()


class Collect(bspump.Sink):
    def __init__(self, app, pipeline):
        super().__init__(app, pipeline)
        self.Events = []

    def process(self, context, event):
        self.Events.append(event)


def collected(pipeline):
    return pipeline.locate_processor("Collect").Events


@virtual_time
async def test_a_close_that_fails_does_not_keep_it_from_connecting_again():
    class Clumsy(MemorySource):
        async def close(self):
            self.IsConnected = False
            raise OSError("broken pipe")

    async with Harness() as harness:
        pipeline = harness.chain(Clumsy)
        harness.send([1])
        await harness.settle()
        source_of(pipeline).disconnect()
        harness.send([2])
        await harness.settle()
        assert harness.out() == [1, 2]
        assert harness.errors == []


@virtual_time
async def test_what_a_failed_connect_has_made_is_released():
    async with Harness() as harness:
        pipeline = harness.chain(Watched)
        source = source_of(pipeline)
        source.IsReachable = False
        await harness.advance(0.5)
        assert source.Closes >= 2
        source.IsReachable = True
