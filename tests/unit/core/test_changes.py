"""What a pipeline is made of can change while it runs; every event sees one structure."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import bspump
from bspump.testing import Harness, MemoryBatchSink, MemorySink, slow, virtual_time


class Feed(bspump.Source):
    async def main(self):
        await self.stopped()


class Add(bspump.Processor):
    def __init__(self, app, pipeline, amount=100, id=None, config=None):
        super().__init__(app, pipeline, id, config)
        self.Amount = amount

    def process(self, context, event):
        return event + self.Amount


class Twice(bspump.Generator):
    def generate(self, context, event, depth):
        return [event, event]


class Later(bspump.AsyncProcessor):
    """Takes a second for each event; must have been opened."""

    IsOpen = False
    Closes = 0

    async def open(self):
        self.IsOpen = True

    async def process(self, context, event):
        assert self.IsOpen
        await self.App.Clock.sleep(1)
        return event

    async def close(self):
        self.Closes += 1


@virtual_time
async def test_a_part_can_be_put_in_and_taken_out_while_it_runs():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Twice)
        await pipeline.process(1)
        assert pipeline.insert_before("Twice", Add(harness.app, pipeline))
        await pipeline.process(2)
        assert pipeline.insert_after("Twice", Add(harness.app, pipeline, 1000, "Behind"))
        await pipeline.process_many([3])
        pipeline.remove_processor("Add")
        pipeline.remove_processor("Twice")
        await pipeline.process(4)
        assert harness.out() == [1, 1, 102, 102, 1103, 1103, 1004]
        assert not pipeline.insert_before("nobody", Add(harness.app, pipeline))
        with pytest.raises(KeyError):
            pipeline.remove_processor("nobody")


@virtual_time
async def test_a_change_right_after_the_start_takes_effect():
    async with Harness() as harness:
        pipeline = harness.chain(Feed)
        pipeline.insert_before("Out", Add(harness.app, pipeline))
        await pipeline.process(1)
        assert harness.out() == [101]


@virtual_time
async def test_a_change_from_inside_a_processor_takes_effect_at_the_next_event():
    def make(app, pipeline):
        def change(context, event):
            if event == 3:
                pipeline.insert_after("change", Add(app, pipeline))
            if event == 6:
                pipeline.remove_processor("Add")
            return event

        return change

    async with Harness() as harness:
        pipeline = harness.chain(Feed, partial(make))
        await pipeline.process_many(list(range(10)))
        assert harness.out() == [0, 1, 2, 3, 104, 105, 106, 7, 8, 9]
        await harness.idle()
        for event in range(10):
            await pipeline.process(event)
        assert harness.out()[10:] == [0, 1, 2, 3, 104, 105, 106, 7, 8, 9]
        assert harness.counts()["event.out"] == 20


@virtual_time
async def test_what_is_in_flight_ends_in_the_structure_that_it_entered():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Later)
        await harness.idle()
        await pipeline.process_many([1, 2])
        pipeline.insert_after("Later", Add(harness.app, pipeline))
        await pipeline.process(3)
        await harness.settle()
        assert harness.out() == [1, 2, 103]


@virtual_time
async def test_a_new_asynchronous_part_is_opened_first_and_a_removed_one_closed():
    async with Harness() as harness:
        pipeline = harness.chain(Feed)
        await harness.idle()
        part = Later(harness.app, pipeline)
        pipeline.insert_before("Out", part)
        await pipeline.process(1)
        await harness.settle()
        assert harness.out() == [1]
        pipeline.remove_processor("Later")
        await pipeline.process(2)
        await harness.idle()
        assert harness.out() == [1, 2]
        assert part.Closes == 1
    assert part.Closes == 1


@virtual_time
async def test_a_batch_sink_can_take_the_place_of_another_and_nothing_is_lost():
    async with Harness() as harness:
        config = {"batch.max_age": "1h"}
        pipeline = harness.chain(Feed, partial(MemoryBatchSink, id="Old", config=config))
        await harness.idle()
        old = pipeline.locate_processor("Old")
        slow(old, 5)
        await pipeline.process_many([1, 2])
        pipeline.remove_processor("Old")
        new = MemoryBatchSink(harness.app, pipeline, id="New", config=config)
        pipeline.append_processor(new)
        await pipeline.process_many([3, 4])
        assert old.Events == [1, 2]
        await harness.idle()
        assert not old.IsConnected
        await harness.settle()
        assert (old.Events, new.Events) == ([1, 2], [3, 4])
        counts = harness.counts()
        assert (counts["event.in"], counts["event.out"]) == (4, 4)


@virtual_time
async def test_a_sink_can_take_the_place_of_another():
    class Noting(MemorySink):
        def __init__(self, app, pipeline, events=None, id=None, config=None):
            super().__init__(app, pipeline, events, id, config)
            self.Notes = []

        async def open(self):
            self.Notes.append("open")

        async def flush(self):
            self.Notes.append("flush")

        async def close(self):
            self.Notes.append("close")

    async with Harness() as harness:
        pipeline = harness.chain(Feed, partial(Noting, id="Old"))
        await pipeline.process(1)
        old = pipeline.locate_processor("Old")
        pipeline.remove_processor("Old")
        new = Noting(harness.app, pipeline, id="New")
        pipeline.append_processor(new)
        await pipeline.process(2)
        await harness.idle()
        assert (old.Events, old.Notes) == ([1], ["open", "flush", "close"])
        assert (new.Events, new.Notes) == ([2], ["open"])


@virtual_time
async def test_a_new_part_that_cannot_be_opened_holds_events_back_until_it_can():
    class Clumsy(Later):
        Errors = 2

        async def open(self):
            if self.Errors:
                self.Errors -= 1
                raise bspump.NotConnectedError("no") if self.Errors else OSError("odd")
            await super().open()

    async with Harness() as harness:
        pipeline = harness.chain(Feed)
        await pipeline.process(1)
        pipeline.insert_before("Out", Clumsy(harness.app, pipeline))
        feeding = asyncio.create_task(pipeline.process(2))
        await harness.advance(60)
        assert [type(failure.error) for failure in harness.errors] == [OSError]
        assert harness.out() == [1]
        pipeline.set_error(None, None, None)
        await feeding
        await harness.settle()
        assert harness.out() == [1, 2]


@virtual_time
async def test_a_stop_in_the_middle_of_a_change_is_possible_and_the_next_start_completes_it():
    class Slow(Later):
        Delay = 3600.0

        async def open(self):
            await self.App.Clock.sleep(self.Delay)
            self.IsOpen = True

    async with Harness() as harness:
        pipeline = harness.chain(Feed)
        await harness.idle()
        part = Slow(harness.app, pipeline)
        pipeline.insert_before("Out", part)
        await harness.advance(10)
        before = harness.app.Clock.monotonic()
        await pipeline.stop()
        assert harness.app.Clock.monotonic() - before < 1
        part.Delay = 0.0
        pipeline.start()
        await pipeline.process(1)
        await harness.settle()
        assert harness.out() == [1]
        assert part.IsOpen


@virtual_time
async def test_a_throttled_pipeline_with_events_at_its_entrance_can_be_changed():
    async with Harness() as harness:
        pipeline = harness.chain(Feed)
        await harness.idle()
        pipeline.throttle("test")
        pipeline.inject(None, 1, 0)
        pipeline.insert_before("Out", Add(harness.app, pipeline))
        feeding = asyncio.create_task(pipeline.process(2))
        await harness.advance(60)
        assert harness.out() == []
        pipeline.throttle("test", False)
        await feeding
        assert harness.out() == [1, 102]


@virtual_time
async def test_who_has_kept_the_old_functions_uses_the_new_structure_too():
    async with Harness() as harness:
        pipeline = harness.chain(Feed)
        await harness.idle()
        process, inject = pipeline.process, pipeline.inject
        await process(0)
        pipeline.insert_before("Out", Add(harness.app, pipeline))
        await process(1)
        for event in range(2, 100):
            await process(event)
        inject(None, 100, 0)
        await harness.idle()
        assert harness.out() == [0, *range(101, 201)]


@virtual_time
async def test_events_that_wait_at_two_depths_do_not_keep_the_loop_busy():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Twice)
        await harness.idle()
        pipeline.throttle("test")
        pipeline.inject(None, 1, 0)
        pipeline.inject(None, 2, 1)
        turns = 0
        release = pipeline.Flow.backlog.release

        def counted():
            nonlocal turns
            turns += 1
            release()

        pipeline.Flow.backlog.release = counted
        await harness.idle()
        await harness.advance(10)
        assert turns <= 2
        pipeline.throttle("test", False)
        await harness.settle()
        assert harness.out() == [2, 1, 1]


@virtual_time
async def test_pipelines_come_and_go_while_others_run():
    async with Harness() as harness:
        service = harness.app.PumpService
        other = harness.chain(Feed, partial(MemorySink, id="OtherOut"), id="Other")
        for n in range(5):
            pipeline = harness.chain(Feed, Twice, id="Comes")
            await pipeline.process(n)
            await other.process(n)
            assert service.locate("Comes") is pipeline
            await service.del_pipeline(pipeline)
            assert service.locate("Comes") is None
            assert list(pipeline.iter_processors())[-1].Events == [n, n]
        assert harness.out("OtherOut") == list(range(5))


@virtual_time
async def test_lists_of_a_wrong_length_fail_as_a_whole_and_every_event_is_reported():
    class Clumsy(bspump.Processor):
        def process(self, context, event):
            return event

        def process_batch(self, contexts, events):
            return events[1:]

    async with Harness() as harness:
        pipeline = harness.chain(Feed, Clumsy, Add, config={"on_error": "skip"})
        await pipeline.process_many([1, 2, 3])
        await pipeline.process(4)
        assert [failure.event for failure in harness.errors] == [1, 2, 3]
        assert harness.out() == [104]
        counts = harness.counts()
        assert (counts["event.in"], counts["event.fail"], counts["event.out"]) == (4, 3, 1)
