"""What the engine does for batch sinks: nothing that they were given is lost or counted twice."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import bspump
from bspump.abc.errors import ExhaustedError
from bspump.testing import Harness, MemoryBatchSink, MemoryUpsertSink, slow, virtual_time

SMALL = {"batch.max_events": 10, "batch.max_age": "1h"}


class Scripted(MemoryBatchSink):
    """Does what the list says, write by write: an exception is raised, `None` is a write."""

    def __init__(self, app, pipeline, script=(), id=None, config=None):
        super().__init__(app, pipeline, id=id, config=config)
        self.Script = list(script)
        self.Closes = 0

    async def write(self, batch):
        step = self.Script.pop(0) if self.Script else None
        if step is not None:
            raise step
        await super().write(batch)

    async def close(self):
        self.Closes += 1
        await super().close()


def sink_of(pipeline):
    return list(pipeline.iter_processors())[-1]


@virtual_time
async def test_a_batch_is_written_when_it_is_full():
    async with Harness() as harness:
        harness.chain(partial(MemoryBatchSink, config=SMALL))
        harness.send(range(25))
        await harness.idle()
        assert harness.out() == list(range(20))
        await harness.settle()
        assert [len(b) for b in sink_of(harness.pipelines[0]).Batches] == [10, 10, 5]


@virtual_time
async def test_a_batch_is_written_when_it_holds_bytes_enough():
    async with Harness() as harness:
        harness.chain(partial(MemoryBatchSink, config={**SMALL, "batch.max_bytes": 10}))
        harness.send(["aaaa", "bbbb", "cccc", "d" * 50, "e"])
        await harness.settle()
        batches = [list(b.events) for b in sink_of(harness.pipelines[0]).Batches]
        assert batches == [["aaaa", "bbbb", "cccc"], ["d" * 50], ["e"]]


@virtual_time
async def test_the_age_of_a_batch_counts_from_its_first_event():
    async with Harness() as harness:
        pipeline = harness.chain(partial(MemoryBatchSink, config={"batch.max_age": 10}))
        await pipeline.process(1)
        await harness.advance(6)
        await pipeline.process(2)
        await harness.advance(3.9)
        assert harness.out() == []
        await harness.advance(0.2)
        assert harness.out() == [1, 2]


@virtual_time
async def test_a_slow_sink_holds_the_pipeline_back_at_two_batches():
    async with Harness() as harness:
        pipeline = harness.chain(partial(MemoryBatchSink, config=SMALL))
        slow(sink_of(pipeline), 1.0)
        feeding = pipeline.ensure_future(one_by_one(pipeline, range(100)))
        await harness.advance(0.5)
        assert harness.counts()["event.in"] == 20
        assert not pipeline.is_ready()
        await harness.advance(1.0)
        assert harness.counts()["event.in"] == 30
        await feeding
        await harness.settle()
        assert harness.out() == list(range(100))


async def one_by_one(pipeline, events):
    for event in events:
        await pipeline.process(event)


@virtual_time
async def test_events_that_are_rejected_are_not_counted_as_delivered():
    async with Harness() as harness:
        make = partial(MemoryBatchSink, config=SMALL, rejects=lambda event: event % 4 == 1)
        harness.chain(make, config={"on_error": "skip"})
        harness.send(range(100))
        await harness.settle()
        assert harness.out() == [n for n in range(100) if n % 4 != 1]
        counts = harness.counts()
        assert (counts["event.in"], counts["event.out"], counts["event.fail"]) == (100, 75, 25)
        assert [failure.event for failure in harness.errors] == [
            n for n in range(100) if n % 4 == 1
        ]


@virtual_time
async def test_events_that_are_rejected_singly_spare_their_neighbours():
    async with Harness() as harness:
        make = partial(MemoryUpsertSink, key=lambda e: e, rejects=lambda event: event == 3)
        harness.chain(make, config={"on_error": "skip"})
        harness.send(range(5))
        await harness.settle()
        assert harness.out() == [0, 1, 2, 4]
        counts = harness.counts()
        assert (counts["event.in"], counts["event.out"], counts["event.fail"]) == (5, 4, 1)


@virtual_time
async def test_only_what_failed_is_written_again():
    class Partly(Scripted):
        async def write(self, batch):
            if len(batch) > 1:
                self._store(batch.take([0, 2]))
                raise bspump.PartialWriteError({1: bspump.TransientError("later")})
            await super().write(batch)

    async with Harness() as harness:
        harness.chain(Partly)
        harness.send(["a", "b", "c"])
        await harness.settle()
        assert harness.out() == ["a", "c", "b"]
        assert harness.counts()["event.out"] == 3


@virtual_time
async def test_an_event_with_an_error_of_another_kind_is_not_lost():
    class Odd(Scripted):
        async def write(self, batch):
            if len(batch) > 1:
                self._store(batch.take([0]))
                raise bspump.PartialWriteError({1: OSError("odd")})
            await super().write(batch)

    async with Harness() as harness:
        harness.chain(Odd)
        harness.send(["a", "b"])
        await harness.settle()
        assert harness.out() == ["a", "b"]


@virtual_time
async def test_a_partial_error_that_names_no_event_loses_nothing():
    error = bspump.PartialWriteError({7: bspump.RejectedError("which?")})
    async with Harness() as harness:
        pipeline = harness.chain(partial(Scripted, script=[error]))
        harness.send(["a", "b"])
        await harness.advance(2)
        assert isinstance(harness.errors[0].error, IndexError)
        pipeline.set_error(None, None, None)
        await harness.settle()
        assert harness.out() == ["a", "b"]


@virtual_time
async def test_a_lost_connection_is_made_anew_and_the_batch_written_again():
    async with Harness() as harness:
        pipeline = harness.chain(MemoryBatchSink)
        harness.send([1])
        await harness.settle()
        sink = sink_of(pipeline)
        sink.disconnect()
        sink.IsReachable = False
        harness.send([2])
        await harness.advance(60)
        assert harness.out() == [1]
        assert pipeline.State.value == "running"
        sink.IsReachable = True
        await harness.settle()
        assert harness.out() == [1, 2]
        assert sink.Connects == 2


@virtual_time
async def test_a_write_that_takes_too_long_is_repeated():
    async with Harness() as harness:
        pipeline = harness.chain(partial(MemoryBatchSink, config={"write_timeout": 5}))
        slow(sink_of(pipeline), 60, times=2)
        harness.send([1])
        await harness.settle()
        assert harness.out() == [1]
        assert 10 <= harness.app.Clock.monotonic() < 20


@virtual_time
async def test_when_all_attempts_are_used_up_the_batch_waits_for_the_error_to_be_cleared():
    async with Harness() as harness:
        script = [bspump.TransientError("no")] * 3
        config = {"retry.attempts": 3, "batch.max_age": 0.1}
        pipeline = harness.chain(partial(Scripted, script=script, config=config))
        harness.send([1])
        await harness.advance(60)
        assert isinstance(harness.errors[0].error, ExhaustedError)
        assert pipeline.State.value == "failed"
        assert harness.out() == []
        pipeline.set_error(None, None, None)
        await harness.settle()
        assert harness.out() == [1]
        assert harness.counts()["event.out"] == 1


@pytest.mark.parametrize("error", [OSError("odd"), bspump.ConfigError("wrong"), KeyError()])
@pytest.mark.parametrize("method", ["connect", "write"])
@virtual_time
async def test_an_error_of_any_kind_stops_the_pipeline_and_is_tried_again_when_cleared(
    error, method
):
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested")
        sink = MemoryBatchSink(harness.app, pipeline, config={"batch.max_age": 0.1})
        original = getattr(sink, method)

        async def fail(*args):
            setattr(sink, method, original)
            raise error

        setattr(sink, method, fail)
        pipeline.build(bspump.testing.MemorySource(harness.app, pipeline), sink)
        harness.pipeline(pipeline)
        harness.send([1])
        await harness.advance(5)
        assert [failure.error for failure in harness.errors] == [error]
        pipeline.set_error(None, None, None)
        await harness.settle()
        assert harness.out() == [1]


@virtual_time
async def test_an_error_that_is_called_harmless_is_tried_again_after_a_second():
    async with Harness() as harness:
        pipeline = harness.chain(partial(Scripted, script=[KeyError("odd")] * 3))
        pipeline.handle_error = lambda error, context, event: True
        harness.send([1])
        await harness.settle()
        assert harness.out() == [1]
        assert 3 <= harness.app.Clock.monotonic() < 5


@virtual_time
async def test_a_write_that_was_cancelled_by_itself_is_an_error_and_loses_nothing():
    async with Harness() as harness:
        pipeline = harness.chain(partial(Scripted, script=[asyncio.CancelledError()]))
        harness.send([1])
        await harness.advance(5)
        (failure,) = harness.errors
        assert isinstance(failure.error, bspump.ProcessingError)
        pipeline.set_error(None, None, None)
        await harness.settle()
        assert harness.out() == [1]


@virtual_time
async def test_a_batch_that_was_cut_off_by_a_stop_is_written_after_the_next_start():
    async with Harness() as harness:
        pipeline = harness.chain(
            partial(MemoryBatchSink, config=SMALL), config={"stop_timeout": "4s"}
        )
        fault = slow(sink_of(pipeline), 3600)
        harness.send(range(15))
        await harness.advance(1)
        await pipeline.stop()
        assert harness.out() == []
        warned = [r for r in harness.logs if r.msg.startswith("events were not delivered")]
        assert [r.fields["count"] for r in warned] == [15]
        fault.undo()
        pipeline.start()
        await harness.settle()
        assert harness.out() == list(range(15))
        counts = harness.counts()
        assert (counts["event.in"], counts["event.out"]) == (15, 15)


@virtual_time
async def test_a_sink_that_an_error_holds_up_does_not_hold_up_a_stop():
    async with Harness() as harness:
        pipeline = harness.chain(partial(Scripted, script=[OSError("odd")]))
        harness.send([1])
        await harness.advance(5)
        assert len(harness.errors) == 1
        before = harness.app.Clock.monotonic()
        await pipeline.stop()
        assert harness.app.Clock.monotonic() - before < 1


@virtual_time
async def test_a_sink_that_is_not_reachable_ends_with_the_time_that_a_stop_may_take():
    async with Harness() as harness:
        pipeline = harness.chain(MemoryBatchSink, config={"stop_timeout": "20s"})
        sink_of(pipeline).IsReachable = False
        harness.send([1])
        await harness.advance(5)
        before = harness.app.Clock.monotonic()
        await pipeline.stop()
        assert harness.app.Clock.monotonic() - before <= 20.1


@virtual_time
async def test_an_acknowledgement_does_not_wait_for_what_came_after_it_was_asked_for():
    async with Harness() as harness:
        pipeline = harness.chain(partial(MemoryBatchSink, config=SMALL))
        slow(sink_of(pipeline), 1.0)

        async def never_idle():
            while True:
                await pipeline.process_many(list(range(10)))

        feeding = asyncio.create_task(never_idle())
        await harness.advance(5)
        before = harness.app.Clock.monotonic()
        await pipeline.settle()
        assert harness.app.Clock.monotonic() - before <= 5
        feeding.cancel()


@virtual_time
async def test_a_list_with_an_event_whose_size_cannot_be_told_is_taken_only_once():
    class Picky(MemoryBatchSink):
        def size_bytes(self, event):
            return len(event)

    async with Harness() as harness:
        harness.chain(partial(Picky, config=SMALL), config={"on_error": "skip"})
        harness.send([*(str(n) for n in range(15)), 15, *(str(n) for n in range(16, 20))])
        await harness.settle()
        assert harness.out() == [str(n) for n in range(20) if n != 15]
        assert [type(f.error) for f in harness.errors] == [TypeError]


@virtual_time
async def test_a_sink_is_closed_once_and_before_each_reconnect():
    harness = Harness()
    async with harness:
        pipeline = harness.chain(partial(Scripted, script=[bspump.NotConnectedError("gone")]))
        harness.send([1])
        await harness.settle()
        assert sink_of(pipeline).Closes == 1
    assert sink_of(pipeline).Closes == 2


@virtual_time
async def test_a_close_that_fails_is_logged_and_spoils_nothing():
    class Clumsy(Scripted):
        async def close(self):
            raise OSError("clumsy")

    harness = Harness()
    async with harness:
        harness.chain(partial(Clumsy, script=[bspump.NotConnectedError("gone")]))
        harness.send([1])
        await harness.settle()
        assert harness.out() == [1]
    assert [r.msg for r in harness.logs].count("closing failed") == 2
