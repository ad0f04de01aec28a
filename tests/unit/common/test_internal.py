from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

import bspump
from bspump.common import (
    DirectSource,
    InternalSource,
    IteratorSource,
    ListSink,
    RouterSink,
)
from bspump.testing import Harness, MemorySource, virtual_time


class ByEvent(RouterSink):
    """Sends each event to the pipeline that it names first."""

    def process(self, context, event):
        self.route(context, event, f"{event[0]}.*InternalSource")


def numbers(count):
    return lambda app, pipeline: IteratorSource(app, pipeline, range(count))


@virtual_time
async def test_a_stop_empties_the_queue_whatever_the_order_of_the_pipelines(receiver, sender):
    harness = Harness()
    target, sink = receiver(harness, "B")
    pipeline = sender(harness, MemorySource, ByEvent)
    async with harness:
        target.throttle("test", True)
        harness.send([("B", n) for n in range(500)])
        await harness.idle()
        assert sink.Events == []
        target.throttle("test", False)
    assert [n for _, n in sink.Events] == list(range(500))
    assert [pipeline.State.value, target.State.value] == ["stopped", "stopped"]
    assert [r.getMessage() for r in harness.logs if r.levelname == "WARNING"] == []


@virtual_time
async def test_what_cannot_be_passed_on_at_the_end_is_counted_in_the_log(receiver, sender):
    harness = Harness()

    def fail(context, event):
        raise ValueError(event)

    async with harness:
        receiver(harness, "B", InternalSource, fail)
        sender(harness, MemorySource, ByEvent)
        harness.send([("B", 0)])
        await harness.idle()
        harness.send([("B", n) for n in range(7)])
        await harness.idle()
        assert len(harness.errors) == 1
    left = [r for r in harness.logs if r.getMessage() == "events were left in the queue"]
    assert [(r.fields["source"], r.fields["count"]) for r in left] == [("InternalSource", 7)]


@virtual_time
async def test_put_refuses_what_has_no_room_and_put_async_waits(receiver):
    async with Harness() as harness:
        target, sink = receiver(harness, queue_max_size=2)
        source = target.Sources[0]
        target.throttle("test", True)
        await harness.idle()
        source.put({}, 1)
        source.put({}, 2)
        with pytest.raises(asyncio.QueueFull, match=r"B\.\*InternalSource: the queue is full"):
            source.put({}, 3)
        waiting = asyncio.create_task(source.put_async({}, 3))
        cancelled = asyncio.create_task(source.put_async({}, 4))
        await harness.idle()
        assert not waiting.done()
        cancelled.cancel()
        target.throttle("test", False)
        await harness.idle()
        assert waiting.done()
        assert sink.Events == [1, 2, 3]


@virtual_time
@pytest.mark.parametrize("source_class", [InternalSource, DirectSource])
async def test_put_copies_what_it_is_told_to(source_class, receiver):
    async with Harness() as harness:
        target, sink = receiver(harness, "B", source_class)
        source = target.Sources[0]
        await harness.idle()
        context, event = {"n": 1}, {"a": [1]}
        source.put(context, event)
        source.put(context, event, copy_context=True, copy_event=True)
        await harness.idle()
        assert sink.Events == [event, event]
        assert sink.Events[0] is event
        assert sink.Events[1]["a"] is not event["a"]
        assert sink.Contexts[0]["ancestor"] is context
        assert sink.Contexts[1]["ancestor"] is not context


@virtual_time
async def test_a_direct_source_passes_on_at_once(receiver):
    async with Harness() as harness:
        target, sink = receiver(harness, "B", DirectSource)
        await harness.idle()
        target.Sources[0].put({}, 1)
        assert sink.Events == [1]


@virtual_time
async def test_a_direct_source_that_is_held_back_holds_its_senders_back(receiver):
    async with Harness() as harness:
        app = harness.app
        target, sink = receiver(harness, "B", DirectSource)
        pipeline = bspump.Pipeline(app, "A")
        router = RouterSink(app, pipeline, config={"target": "B.*DirectSource"})
        pipeline.build(MemorySource(app, pipeline), lambda context, event: event, router)
        harness.pipeline(pipeline)
        await harness.idle()
        target.throttle("test", True)
        harness.send(range(10))
        await harness.idle()
        assert (sink.Events, pipeline.is_ready()) == ([], False)
        harness.send(range(10, 20))
        await harness.idle()
        target.throttle("test", False)
        await harness.idle()
        assert (sink.Events, pipeline.is_ready()) == (list(range(20)), True)


@virtual_time
async def test_a_chain_of_pipelines_ends_though_nothing_was_ever_sent(receiver, sender):
    harness = Harness()
    app = harness.app

    def drop(context, event):
        return None

    ids = ["A", "B", "C", "D"]
    for id, following in pairwise(ids):

        class Onward(RouterSink):
            address = f"{following}.*InternalSource"

            def process(self, context, event):
                self.route(context, event, self.address)

        source = numbers(10) if id == "A" else InternalSource
        sender(harness, source, drop, Onward, id=id)
    receiver(harness, "D")
    assert await app.run_async() == 0


@virtual_time
async def test_pipelines_that_feed_each_other_end_when_nothing_is_on_its_way(sender):
    """A sends to B, which sends what has to be tried again to C, which sends it back."""
    harness = Harness()
    app = harness.app
    done = []

    class Work(RouterSink):
        def process(self, context, event):
            number, attempt = event
            if number % 3 == 0 and attempt < 5:
                self.route(context, (number, attempt + 1), "C.*InternalSource")
            else:
                done.append(event)

    class Again(RouterSink):
        def process(self, context, event):
            self.route(context, event, "B.*InternalSource")

    class Late(bspump.AsyncProcessor):
        async def process(self, context, event):
            await self.App.Clock.sleep(3)
            return event

    sender(harness, numbers(100), lambda context, event: (event, 0), Again)
    sender(harness, InternalSource, Work, id="B")
    sender(harness, InternalSource, Late, Again, id="C")
    assert await app.run_async() == 0
    assert sorted(done) == [(n, 5 if n % 3 == 0 else 0) for n in range(100)]


@virtual_time
async def test_a_source_that_only_the_program_feeds_never_finishes(receiver):
    async with Harness() as harness:
        target, _ = receiver(harness)
        await harness.advance(10)
        assert not target.is_finished()


@virtual_time
async def test_pipelines_in_a_circle_that_only_the_program_feeds_never_finish():
    async with Harness() as harness:

        class Around(RouterSink):
            def process(self, context, event):
                if event:
                    self.route(context, event - 1, f"{self.Config['to']}.*InternalSource")

        for id, to in (("B", "C"), ("C", "B")):
            pipeline = bspump.Pipeline(harness.app, id)

            part = Around(harness.app, pipeline, config={"to": to})
            pipeline.build(InternalSource(harness.app, pipeline), part)
            harness.pipeline(pipeline)
        harness.pipelines[0].Sources[0].put({}, 10)
        await harness.advance(10)
        assert [pipeline.is_finished() for pipeline in harness.pipelines] == [False, False]


@virtual_time
async def test_a_stop_does_not_wait_for_a_pipeline_that_never_connected():
    class Unreachable(ListSink):
        async def open(self):
            raise bspump.NotConnectedError("nobody is there")

    harness = Harness()
    async with harness:
        pipeline = bspump.Pipeline(harness.app, "B")
        pipeline.build(InternalSource(harness.app, pipeline), Unreachable(harness.app, pipeline))
        harness.pipeline(pipeline)
        await harness.advance(3)
        pipeline.Sources[0].put({}, 1)
        began_at = harness.app.Clock.monotonic()
    assert harness.app.Clock.monotonic() - began_at < 1
    assert "events were left in the queue" in [record.getMessage() for record in harness.logs]


@virtual_time
async def test_what_a_sender_sends_for_the_first_time_when_it_stops_is_delivered(receiver):
    class Farewell(bspump.Source):
        async def main(self):
            await self.stopped()

        async def stop(self):
            await super().stop()
            await self.Pipeline.process_many([1, 2, 3])

    harness = Harness()
    _, sink = receiver(harness, "B")
    pipeline = bspump.Pipeline(harness.app, "A")
    router = RouterSink(harness.app, pipeline, config={"target": "B.*InternalSource"})
    pipeline.build(Farewell(harness.app, pipeline), router)
    harness.pipeline(pipeline)
    async with harness:
        await harness.idle()
    assert sink.Events == [1, 2, 3]


@virtual_time
async def test_an_event_that_comes_after_the_stop_is_said_and_waits_for_the_next_start(receiver):
    async with Harness() as harness:
        target, sink = receiver(harness, "B")
        await harness.idle()
        await target.stop()
        target.Sources[0].put({}, 1)
        assert "events came after the stop" in [record.getMessage() for record in harness.logs]
        assert sink.Events == []
        target.start()
        await harness.idle()
        assert sink.Events == [1]
