"""A pipeline is started; before that nothing passes."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import bspump
from bspump.testing import Harness, virtual_time


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


class Opening(Collect):
    """Does what the list says when it is opened: raises an exception, or waits so many seconds."""

    def __init__(self, app, pipeline, script=(), id=None, config=None):
        super().__init__(app, pipeline, id, config)
        self.Script = list(script)

    async def open(self):
        self.Notes.append("open")
        step = self.Script.pop(0) if self.Script else 0.0
        if isinstance(step, BaseException):
            raise step
        await self.App.Clock.sleep(step)


def sink_of(pipeline):
    return list(pipeline.iter_processors())[-1]


async def seconds(clock, work):
    """Wait for `work`; return how long that took."""
    before = clock.monotonic()
    await work
    return clock.monotonic() - before


# Start


@virtual_time
async def test_a_sink_is_opened_flushed_and_closed_once_in_a_run():
    harness = Harness()
    async with harness:
        pipeline = harness.chain(Feed, Collect)
        await harness.idle()
        await pipeline.process_many([1, 2])
    assert sink_of(pipeline).Notes == ["open", "flush", "close"]
    assert pipeline.State.value == "stopped"


@virtual_time
async def test_no_event_enters_before_all_parts_are_open():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, partial(Opening, script=[5.0]))
        feeding = asyncio.create_task(pipeline.process(1))
        await harness.advance(4.9)
        assert (pipeline.State.value, sink_of(pipeline).Events) == ("connecting", [])
        await feeding
        assert (pipeline.State.value, sink_of(pipeline).Events) == ("running", [1])


@virtual_time
async def test_what_cannot_be_opened_now_is_tried_again():
    async with Harness() as harness:
        script = [bspump.NotConnectedError("no"), bspump.TransientError("not yet")]
        pipeline = harness.chain(Feed, partial(Opening, script=script))
        await pipeline.process(1)
        assert sink_of(pipeline).Notes == ["open"] * 3
        assert harness.errors == []


@pytest.mark.parametrize("error", [OSError("odd"), asyncio.CancelledError()])
@virtual_time
async def test_what_cannot_be_opened_at_all_is_tried_again_when_the_error_is_cleared(error):
    async with Harness() as harness:
        pipeline = harness.chain(Feed, partial(Opening, script=[error]))
        await harness.advance(60)
        assert len(harness.errors) == 1
        assert pipeline.has_error()
        pipeline.set_error(None, None, None)
        await pipeline.process(1)
        assert sink_of(pipeline).Events == [1]


@virtual_time
async def test_an_error_of_opening_that_is_called_harmless_is_tried_again_without_hurry():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, partial(Opening, script=[OSError("odd")] * 1000))
        pipeline.handle_error = lambda error, context, event: True
        await harness.advance(10)
        assert 9 <= len(sink_of(pipeline).Notes) <= 12


@virtual_time
async def test_starting_twice_is_starting_once():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        pipeline.start()
        await harness.idle()
        pipeline.start()
        await harness.idle()
        assert sink_of(pipeline).Notes == ["open"]


def test_an_event_injected_before_the_start_is_refused_with_the_reason():
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Tested")
    pipeline.build(Feed(app, pipeline), Collect(app, pipeline))
    with pytest.raises(RuntimeError, match=r"pipeline 'Tested' is built: .* from its start to"):
        pipeline.inject(None, 1, 0)
    app.Loop.close()


@virtual_time
async def test_an_event_injected_after_the_stop_is_refused_with_the_reason():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        await harness.idle()
        pipeline.inject(None, 1, 0)
        await pipeline.stop()
        with pytest.raises(RuntimeError, match="pipeline 'Test' is stopped"):
            pipeline.inject(None, 2, 0)
        assert sink_of(pipeline).Events == [1]


@virtual_time
async def test_an_event_injected_at_a_depth_that_is_not_there_is_refused():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        await harness.idle()
        with pytest.raises(ValueError, match="expected a depth from 0 to 0, got 1"):
            pipeline.inject(None, 1, 1)


# Futures


@virtual_time
async def test_a_future_that_is_given_before_the_start_runs_after_it():
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested")
        pipeline.build(Feed(harness.app, pipeline), Collect(harness.app, pipeline))

        async def answer():
            return pipeline.State.value

        task = pipeline.ensure_future(answer())
        await harness.advance(10)
        assert not task.done()
        harness.pipeline(pipeline)
        assert await task == "running"


@virtual_time
async def test_a_future_that_is_never_started_ends_with_the_application():
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested")
        pipeline.build(Feed(harness.app, pipeline), Collect(harness.app, pipeline))
        task = pipeline.ensure_future(pipeline.process(1))
        cancelled = pipeline.ensure_future(pipeline.process(2))
        cancelled.cancel()
    assert task.cancelled()
    assert cancelled.cancelled()


@virtual_time
async def test_the_error_of_a_future_is_that_of_the_pipeline_and_its_result_is_its_own():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)

        async def divide(by):
            return 1 // by

        assert await pipeline.ensure_future(divide(1)) == 1
        assert await pipeline.ensure_future(divide(0)) is None
        assert [type(failure.error) for failure in harness.errors] == [ZeroDivisionError]


@virtual_time
async def test_a_stop_waits_for_futures_and_not_for_those_that_wait_for_it():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        await harness.idle()

        async def later():
            await harness.app.Clock.sleep(5)
            pipeline.inject(None, 1, 0)

        pipeline.ensure_future(later())
        pipeline.ensure_future(pipeline.stop())
        took_s = await seconds(harness.app.Clock, pipeline.stop())
        assert 5 <= took_s < 6
        assert sink_of(pipeline).Events == [1]


@virtual_time
async def test_draining_does_not_wait_for_futures_that_wait_to_enter():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        await harness.idle()
        settling = [asyncio.create_task(pipeline.settle())]
        pipeline.ensure_future(pipeline.process(1))
        pipeline.ensure_future(pipeline.settle())
        settling.append(asyncio.create_task(pipeline.settle()))
        await asyncio.gather(*settling)
        await harness.idle()
        assert sink_of(pipeline).Events == [1]


@virtual_time
async def test_what_is_held_at_the_entrance_is_let_through_by_all_who_wait_for_it():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        await harness.idle()
        pipeline.throttle("test")
        pipeline.inject(None, 1, 0)
        settling = [asyncio.create_task(pipeline.settle()) for _ in range(3)]
        await harness.idle()
        assert sink_of(pipeline).Events == []
        pipeline.throttle("test", False)
        await asyncio.gather(*settling)
        assert sink_of(pipeline).Events == [1]
