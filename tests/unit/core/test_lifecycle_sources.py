"""Sources that fail, sources that end, and what stays behind of a pipeline."""

from __future__ import annotations

import asyncio
import gc
import weakref
from functools import partial

import pytest

import bspump
from bspump.abc.trigger import Trigger
from bspump.testing import Harness, MemoryBatchSink, MemorySource, virtual_time


class Feed(bspump.Source):
    async def main(self):
        await self.stopped()


class Collect(bspump.Sink):
    """Keeps what comes and notes what becomes of it."""

    def __init__(self, app, pipeline, id=None, config=None):
        super().__init__(app, pipeline, id, config)
        self.Events = []
        self.Notes = []

    async def open(self):
        self.Notes.append("open")

    def process(self, context, event):
        assert self.Notes[-1] != "close"
        self.Events.append(event)

    async def flush(self):
        self.Notes.append("flush")

    async def close(self):
        self.Notes.append("close")


def sink_of(pipeline):
    return list(pipeline.iter_processors())[-1]


# Sources


@virtual_time
async def test_a_source_that_failed_is_run_again_when_the_error_is_cleared():
    class Failing(bspump.Source):
        Runs = 0

        async def main(self):
            self.Runs += 1
            await self.Pipeline.ready()
            if self.Runs == 1:
                raise OSError("odd")
            await self.Pipeline.process(self.Runs)
            await self.stopped()

    async with Harness() as harness:
        pipeline = harness.chain(Failing, Collect)
        await harness.advance(60)
        assert [type(failure.error) for failure in harness.errors] == [OSError]
        pipeline.set_error(None, None, None)
        await harness.idle()
        assert sink_of(pipeline).Events == [2]


@pytest.mark.parametrize("error", [OSError("odd"), asyncio.CancelledError()])
@virtual_time
async def test_a_source_whose_error_is_called_harmless_is_run_again_without_hurry(error):
    class Failing(bspump.Source):
        Runs = 0

        async def main(self):
            self.Runs += 1
            raise error

    async with Harness() as harness:
        pipeline = harness.chain(Failing, Collect)
        pipeline.handle_error = lambda error, context, event: True
        await harness.advance(10)
        assert 9 <= pipeline.Sources[0].Runs <= 12


@virtual_time
async def test_a_processor_that_raises_a_cancellation_does_not_end_its_source_without_a_word():
    def clumsy(context, event):
        if event == 1:
            raise asyncio.CancelledError
        return event

    async with Harness() as harness:
        pipeline = harness.chain(MemorySource, clumsy, Collect)
        harness.send([0, 1, 2])
        await harness.idle()
        (failure,) = harness.errors
        assert isinstance(failure.error, bspump.ProcessingError)
        assert pipeline.has_error()


@virtual_time
async def test_a_source_whose_start_fails_keeps_no_other_from_it():
    class Clumsy(Feed):
        def start(self, loop=None):
            raise OSError("clumsy")

    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested")
        pipeline.build(
            [Clumsy(harness.app, pipeline), Feed(harness.app, pipeline, "Second")],
            Collect(harness.app, pipeline),
        )
        harness.pipeline(pipeline)
        await harness.idle()
        assert len(harness.errors) == 1
        assert not pipeline.Sources[1].Task.done()


# The end of the input


class Holding(bspump.Processor):
    """Holds all events until it has to let them go."""

    def __init__(self, app, pipeline, id=None, config=None):
        super().__init__(app, pipeline, id, config)
        self.Held = []

    def process(self, context, event):
        self.Held.append(event)

    def release(self):
        held, self.Held = self.Held, []
        if held:
            self.Pipeline.inject({}, held, 1)


class Spread(bspump.Generator):
    def generate(self, context, event, depth):
        return [event]


@virtual_time
async def test_parts_let_go_what_they_hold_when_bounded_input_has_ended():
    async with Harness() as harness:
        pipeline = harness.chain(MemorySource, Holding, Spread, MemoryBatchSink)
        harness.send([1, 2, 3])
        await harness.settle()
        assert harness.out() == []
        await harness.finish()
        assert harness.out() == [[1, 2, 3]]
        assert pipeline.is_finished()


@virtual_time
async def test_parts_let_go_what_they_hold_when_the_pipeline_stops():
    class Twice(Holding):
        """Stands behind the generator, and gets what the first has let go."""

        def release(self):
            held, self.Held = self.Held, []
            if held:
                self.Pipeline.inject({}, ["again", *held], 2)

    async with Harness() as harness:
        pipeline = harness.chain(
            MemorySource, Holding, Spread, Twice, partial(Spread, id="Spread2"), MemoryBatchSink
        )
        harness.send([1, 2])
        await harness.settle()
        await pipeline.stop()
        assert harness.out() == [["again", [1, 2]]]


@virtual_time
async def test_a_part_that_fails_to_let_go_is_an_error_and_the_others_do():
    class Clumsy(bspump.Processor):
        def process(self, context, event):
            return event

        def release(self):
            raise OSError("clumsy")

    async with Harness() as harness:
        pipeline = harness.chain(MemorySource, Clumsy, Holding, Spread, MemoryBatchSink)
        harness.send([1, 2])
        await harness.settle()
        pipeline.Sources[0].end()
        await harness.advance(60)
        assert [type(failure.error) for failure in harness.errors] == [OSError]
        assert not pipeline.is_finished()
        pipeline.set_error(None, None, None)
        await harness.finish()
        assert harness.out() == [[1, 2]]


@virtual_time
async def test_bounded_input_with_an_error_at_its_end_has_not_been_delivered():
    async with Harness() as harness:
        pipeline = harness.chain(MemorySource, lambda context, event: 1 // event)
        harness.send([1, 0])
        pipeline.Sources[0].end()
        await harness.advance(60)
        assert len(harness.errors) == 1
        assert not pipeline.is_finished()
        pipeline.set_error(None, None, None)
        await harness.idle()
        assert pipeline.is_finished()


@virtual_time
async def test_a_flush_that_fails_at_the_end_of_input_is_tried_again_when_it_is_cleared():
    class Clumsy(Collect):
        async def flush(self):
            if not self.Notes.count("flush"):
                self.Notes.append("flush")
                raise OSError("clumsy")

    class Bounded(bspump.Source):
        Done = False

        async def main(self):
            await self.Pipeline.process(1)
            self.Done = True

        def is_finished(self):
            return self.Done

    async with Harness() as harness:
        pipeline = harness.chain(Bounded, Clumsy)
        await harness.advance(60)
        assert len(harness.errors) == 1
        assert not pipeline.is_finished()
        pipeline.set_error(None, None, None)
        await harness.idle()
        assert pipeline.is_finished()


# Links


@virtual_time
async def test_links_in_a_circle_pass_a_throttle_on_once():
    async with Harness() as harness:
        first, second = (harness.chain(Feed, Collect, id=name) for name in ("First", "Second"))
        await harness.idle()
        first.link(second)
        second.link(first)
        first.throttle("test")
        assert not second.is_ready()
        first.throttle("test", False)
        assert first.is_ready()
        assert second.is_ready()


# What stays behind


@virtual_time
async def test_nothing_of_a_deleted_pipeline_stays_behind():
    import linecache

    async with Harness() as harness:
        other = harness.chain(Feed, Collect, id="Other")
        await harness.idle()
        tasks, metrics = asyncio.all_tasks(), len(harness.app.MetricsService.Metrics)
        lines = {name for name in linecache.cache if name.startswith("<chain")}
        trigger = Trigger(harness.app)

        class Cycles(bspump.TriggerSource):
            async def cycle(self):
                await self.Pipeline.process(1)

        pipeline = bspump.Pipeline(harness.app, "Gone")
        source = Cycles(harness.app, pipeline).on(trigger)
        pipeline.build(source, lambda c, e: e, MemoryBatchSink(harness.app, pipeline))
        harness.app.PumpService.add_pipeline(pipeline)
        pipeline.start()
        await harness.idle()
        pipeline.link(other)
        other.link(pipeline)
        pipeline.throttle("test")
        assert not other.is_ready()
        reference = weakref.ref(pipeline)
        await harness.app.PumpService.del_pipeline(pipeline)
        assert other.is_ready()
        assert trigger.Sources == set()
        assert asyncio.all_tasks() == tasks
        assert len(harness.app.MetricsService.Metrics) == metrics
        del pipeline, source, Cycles
        gc.collect()
        assert reference() is None
        assert {name for name in linecache.cache if name.startswith("<chain")} <= lines


@virtual_time
async def test_no_task_of_a_stopped_pipeline_stays_behind():
    async with Harness() as harness:
        tasks = asyncio.all_tasks()

        class Later(bspump.Generator):
            async def generate(self, context, event, depth):
                await asyncio.sleep(0)
                self.Pipeline.inject(context, event, depth)

        pipeline = harness.chain(Later)
        harness.send([1, 2, 3])
        await harness.settle()
        await pipeline.stop()
        assert asyncio.all_tasks() == tasks
        assert harness.out() == [1, 2, 3]
