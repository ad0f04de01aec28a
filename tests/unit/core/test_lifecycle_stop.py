"""A pipeline is stopped at any moment, and started again; nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import pytest

import bspump
from bspump.testing import Harness, MemoryBatchSink, MemorySource, slow, virtual_time


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


# Stop


@virtual_time
async def test_a_stop_before_the_start_does_nothing():
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested")
        pipeline.build(Feed(harness.app, pipeline), Collect(harness.app, pipeline))
        await pipeline.stop()
        assert pipeline.State.value == "built"


@virtual_time
async def test_a_stop_right_after_the_start_leaves_a_stopped_pipeline():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        await pipeline.stop()
        assert pipeline.State.value == "stopped"
        assert sink_of(pipeline).Notes == []


@pytest.mark.parametrize("script", [[3600.0], [OSError("odd")], [bspump.TransientError("no")] * 99])
@virtual_time
async def test_a_stop_while_a_part_opens_does_not_wait_for_it(script):
    async with Harness() as harness:
        pipeline = harness.chain(Feed, partial(Opening, script=script))
        await harness.advance(30)
        assert await seconds(harness.app.Clock, pipeline.stop()) < 1
        assert pipeline.State.value == "stopped"
        assert len(harness.errors) <= 1


@virtual_time
async def test_a_part_whose_opening_was_cut_off_is_closed():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, partial(Opening, script=[3600.0]))
        await harness.advance(1)
        await pipeline.stop()
        assert sink_of(pipeline).Notes == ["open", "close"]


@virtual_time
async def test_a_throttled_pipeline_stops_at_once_if_nothing_is_under_way():
    async with Harness() as harness:
        pipeline = harness.chain(MemorySource, Collect)
        pipeline.throttle("test")
        harness.send([1])
        await harness.idle()
        assert await seconds(harness.app.Clock, pipeline.stop()) < 1


@virtual_time
async def test_stopping_twice_at_the_same_time_is_stopping_once():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        await harness.idle()
        messages = []

        def note(message, pipeline):
            messages.append(message)

        pipeline.PubSub.subscribe("bspump.pipeline.stop!", note)
        await asyncio.gather(pipeline.stop(), pipeline.stop())
        await pipeline.stop()
        assert messages == ["bspump.pipeline.stop!"]
        assert sink_of(pipeline).Notes == ["open", "flush", "close"]


@virtual_time
async def test_a_stop_goes_on_when_who_waits_for_it_is_cancelled():
    async with Harness() as harness:
        pipeline = harness.chain(MemoryBatchSink)
        slow(sink_of(pipeline), 5)
        harness.send([1])
        await harness.idle()
        stopping = asyncio.create_task(pipeline.stop())
        await harness.idle()
        stopping.cancel()
        await harness.advance(10)
        assert pipeline.State.value == "stopped"
        assert harness.out() == [1]
        pipeline.start()
        await harness.idle()
        assert pipeline.State.value == "running"


class Deaf(bspump.Source):
    """Does not care for being cancelled, until the test ends."""

    async def main(self):
        while not self.Pipeline.Deaf_is_over:
            with suppress(asyncio.CancelledError):
                await self.App.Clock.sleep(1)


@virtual_time
async def test_a_source_that_ignores_its_cancel_does_not_cost_what_the_sink_has_taken():
    async with Harness() as harness:
        pipeline = bspump.Pipeline(harness.app, "Tested", {"stop_timeout": "8s"})
        pipeline.Deaf_is_over = False
        pipeline.build(
            Deaf(harness.app, pipeline),
            MemoryBatchSink(harness.app, pipeline, config={"batch.max_age": "1h"}),
        )
        harness.pipeline(pipeline)
        await pipeline.process(1)
        assert await seconds(harness.app.Clock, pipeline.stop()) <= 9
        assert harness.out() == [1]
        assert pipeline.State.value == "stopped"
        assert "task does not end" in [r.msg for r in harness.logs]
        pipeline.Deaf_is_over = True


@pytest.mark.parametrize("error", [OSError("odd"), asyncio.CancelledError()])
@virtual_time
async def test_parts_that_fail_at_the_end_keep_no_other_from_it(error):
    class ClumsySource(Feed):
        async def stop(self):
            await super().stop()
            raise error

    class Clumsy(Collect):
        async def flush(self):
            raise error

        async def close(self):
            raise error

    harness = Harness()
    async with harness:
        app = harness.app
        pipeline = bspump.Pipeline(app, "Tested")
        sinks = [Collect(app, pipeline, "First"), Clumsy(app, pipeline, "Second")]
        pipeline.build([ClumsySource(app, pipeline), Feed(app, pipeline, "Other")], sinks[1])
        pipeline.insert_before("Second", sinks[0])
        harness.pipeline(pipeline)
        await harness.idle()
    assert pipeline.State.value == "stopped"
    assert sinks[0].Notes == ["open", "flush", "close"]
    assert all(source.Task.done() for source in pipeline.Sources)
    assert [r.fields["what"] for r in harness.logs if r.msg == "a part failed"] == [
        "stop",
        "flush",
        "close",
    ]


@virtual_time
async def test_parts_that_never_end_do_not_hold_up_the_end():
    class Endless(Collect):
        async def close(self):
            await asyncio.get_running_loop().create_future()

    class EndlessSource(Feed):
        async def stop(self):
            await asyncio.get_running_loop().create_future()

    async with Harness() as harness:
        pipeline = harness.chain(EndlessSource, Endless, config={"stop_timeout": "8s"})
        await harness.idle()
        assert await seconds(harness.app.Clock, pipeline.stop()) <= 10
        assert pipeline.State.value == "stopped"
        assert [r.fields["what"] for r in harness.logs if r.msg == "a part takes too long"] == [
            "stop",
            "close",
        ]


@virtual_time
async def test_an_error_that_is_cleared_while_it_stops_starts_nothing():
    async with Harness() as harness:
        runs = []

        class Once(bspump.Source):
            async def main(self):
                runs.append(self)
                raise OSError("odd")

        pipeline = harness.chain(Once, MemoryBatchSink)
        slow(sink_of(pipeline), 5)
        await harness.idle()
        assert len(harness.errors) == len(runs) == 1
        stopping = asyncio.create_task(pipeline.stop())
        await asyncio.sleep(0)
        pipeline.set_error(None, None, None)
        await stopping
        assert pipeline.State.value == "stopped"
        assert len(runs) == 1


# Again


@virtual_time
async def test_a_stopped_pipeline_can_be_started_again():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect)
        for n in range(3):
            await pipeline.process(n)
            await pipeline.stop()
            waiting = asyncio.create_task(pipeline.process(10 + n))
            await harness.idle()
            assert not waiting.done()
            pipeline.start()
            await waiting
        assert sink_of(pipeline).Events == [0, 10, 1, 11, 2, 12]
        assert harness.counts()["event.out"] == 6


@virtual_time
async def test_a_start_after_a_stop_clears_the_error():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, lambda context, event: 1 // event, Collect)
        await harness.idle()
        await pipeline.process(0)
        assert harness.errors[0].event == 0
        await pipeline.stop()
        pipeline.start()
        await pipeline.process(1)
        assert sink_of(pipeline).Events == [1]


@virtual_time
async def test_what_a_stop_cuts_off_goes_on_after_the_next_start():
    class Lookup(bspump.AsyncProcessor):
        Delay = 3600.0

        async def process(self, context, event):
            await self.App.Clock.sleep(self.Delay)
            return event

    for ordered in (True, False):
        async with Harness() as harness:
            config = {"ordered": ordered, "timeout": 0, "concurrency": 3}
            pipeline = harness.chain(
                Feed, partial(Lookup, config=config), Collect, config={"stop_timeout": 1}
            )
            await harness.idle()
            await pipeline.process_many([1, 2, 3])
            pipeline.inject(None, 4, 0)
            await pipeline.stop()
            assert sink_of(pipeline).Events == []
            left = [r.fields["count"] for r in harness.logs if "not delivered" in r.msg]
            assert left == [4]
            pipeline.locate_processor("Lookup").Delay = 1.0
            pipeline.start()
            await harness.settle()
            assert (sink_of(pipeline).Events == [1, 2, 3, 4]) or not ordered
            assert sorted(sink_of(pipeline).Events) == [1, 2, 3, 4]
            counts = harness.counts()
            assert (counts["event.in"], counts["event.out"]) == (4, 4)


@virtual_time
async def test_what_a_stop_has_left_is_dropped_with_a_word_if_parts_are_changed_meanwhile():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, Collect, config={"stop_timeout": 1})
        await harness.idle()
        pipeline.throttle("test")
        pipeline.inject(None, 1, 0)
        await pipeline.stop()
        pipeline.throttle("test", False)
        pipeline.insert_before("Collect", lambda context, event: event + 100)
        pipeline.start()
        await pipeline.process(2)
        assert sink_of(pipeline).Events == [102]
        lost = [r.fields["count"] for r in harness.logs if r.msg.startswith("events are lost")]
        assert lost == [1]
