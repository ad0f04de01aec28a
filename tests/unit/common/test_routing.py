from __future__ import annotations

from collections import Counter

import pytest

import bspump
from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.common import (
    DirectSource,
    InternalSource,
    IteratorSource,
    ListSink,
    RouterProcessor,
    RouterSink,
)
from bspump.testing import Harness, MemorySource, virtual_time


class ByEvent(RouterSink):
    """Sends each event to the pipeline that it names first."""

    def process(self, context, event):
        self.route(context, event, f"{event[0]}.*InternalSource")


@virtual_time
@pytest.mark.parametrize("size", [1, 2, 10, 1000, 5000])
@pytest.mark.parametrize("source", [InternalSource, DirectSource])
async def test_a_program_of_bounded_input_delivers_all_of_it_in_order_and_ends(
    size, source, receiver
):
    harness = Harness()
    app = harness.app
    config = {"queue_max_size": size} if source is InternalSource else {}
    target, sink = receiver(harness, "B", source, **config)
    pipeline = bspump.Pipeline(app, "A")
    router = RouterSink(app, pipeline, config={"target": target.Sources[0].locate_address()})
    pipeline.build(IteratorSource(app, pipeline, range(3000)), router)
    harness.pipeline(pipeline)
    assert await app.run_async() == 0
    assert sink.Events == list(range(3000))
    assert sink.Contexts == [{"ancestor": {}}] * 3000


@virtual_time
async def test_each_event_goes_where_it_is_routed_with_the_context_of_its_sender(receiver, sender):
    async with Harness() as harness:
        _, b = receiver(harness, "B")
        _, c = receiver(harness, "C")
        sender(harness, MemorySource, ByEvent)
        events = [("B", 1), ("C", 2), ("B", 3)]
        harness.send(events, contexts=[{"n": 1}, {"n": 2}, {"n": 3}])
        await harness.idle()
        assert (b.Events, c.Events) == ([("B", 1), ("B", 3)], [("C", 2)])
        assert b.Contexts == [{"ancestor": {"n": 1}}, {"ancestor": {"n": 3}}]


@virtual_time
@pytest.mark.parametrize("method", ["route", "dispatch"])
@pytest.mark.parametrize("copy_event", [None, True, False])
async def test_a_deep_copy_is_sent_unless_it_is_not_wanted(method, copy_event, receiver, sender):
    async with Harness() as harness:
        _, sink = receiver(harness)

        class Router(RouterProcessor):
            def process(self, context, event):
                more = {} if copy_event is None else {"copy_event": copy_event}
                getattr(self, method)(context, event, "B.*InternalSource", **more)
                context["later"] = True
                return event

        pipeline = sender(harness, MemorySource, Router, ListSink)
        event = {"a": [1]}
        harness.send([event])
        await harness.idle()
        assert sink.Events == [event]
        assert (sink.Events[0]["a"] is event["a"]) is (copy_event is False)
        assert ("later" in sink.Contexts[0]["ancestor"]) is (copy_event is False)
        assert pipeline.locate_processor("ListSink").Events[0] is event


@virtual_time
async def test_a_full_queue_holds_the_sender_back_and_says_so(receiver, sender):
    async with Harness() as harness:
        target, sink = receiver(harness, "B", queue_max_size="10", backpressure="0.5")
        source = target.Sources[0]
        messages = []

        class Listener:
            def heard(self, message, source):
                messages.append((message.rpartition(".")[2], source.Id))

        listener = Listener()
        for name in ("on", "off"):
            target.PubSub.subscribe(f"bspump.InternalSource.backpressure_{name}!", listener.heard)
        pipeline = sender(harness, MemorySource, ByEvent)
        target.throttle("test", True)
        harness.send([("B", n) for n in range(100)])
        await harness.idle()
        assert source.rest_get() == {
            "Id": "InternalSource",
            "Class": "InternalSource",
            "Queue": 5,
            "BackPressure": True,
        }
        assert pipeline.get_throttles() == {source}
        assert messages == [("backpressure_on!", "InternalSource")]
        target.throttle("test", False)
        await harness.idle()
        assert [n for _, n in sink.Events] == list(range(100))
        assert pipeline.get_throttles() == set()
        assert Counter(messages)["backpressure_on!", "InternalSource"] == messages.count(
            ("backpressure_off!", "InternalSource")
        )


@virtual_time
@pytest.mark.parametrize("router", [ByEvent, RouterSink])
async def test_a_queue_never_holds_more_than_it_may(router, receiver):
    async with Harness() as harness:
        app = harness.app
        largest = 0

        class Watched(InternalSource):
            def accept(self, context, event):
                super().accept(context, event)
                self.look()

            def accept_many(self, contexts, events):
                super().accept_many(contexts, events)
                self.look()

            def look(self):
                nonlocal largest
                largest = max(largest, self.rest_get()["Queue"])

        target, sink = receiver(harness, "B", Watched, queue_max_size=40)
        pipeline = bspump.Pipeline(app, "A")
        config = {"target": "B.*Watched"}
        if router is ByEvent:

            class ByEventToWatched(ByEvent):
                def process(self, context, event):
                    self.route(context, event, "B.*Watched")

            part = ByEventToWatched(app, pipeline)
        else:
            part = RouterSink(app, pipeline, config=config)
        pipeline.build(MemorySource(app, pipeline), part)
        harness.pipeline(pipeline)
        for n in range(50):
            harness.send(list(range(n)))
        await harness.idle()
        assert len(sink.Events) == sum(range(50))
        assert 1 < largest <= 40
        assert target.is_ready()


@virtual_time
async def test_what_one_event_is_made_into_is_taken_even_by_a_full_queue(receiver, sender):
    async with Harness() as harness:

        class Many(RouterSink):
            def process(self, context, event):
                for n in range(event):
                    self.route(context, n, "B.*InternalSource")

        _, sink = receiver(harness, queue_max_size=10)
        sender(harness, MemorySource, Many)
        harness.send([100, 100])
        await harness.idle()
        assert sink.Events == [*range(100), *range(100)]
        assert harness.errors == []


@virtual_time
async def test_an_unknown_target_is_an_error_that_names_the_known_ones(receiver, sender):
    async with Harness() as harness:
        receiver(harness, "B")
        sender(harness, MemorySource, ByEvent)
        harness.send([("BB", 1)])
        await harness.idle()
        (failure,) = harness.errors
        assert isinstance(failure.error, UnknownNameError)
        assert "did you mean 'B.*InternalSource'" in str(failure.error)
        assert "used by: A.ByEvent" in str(failure.error)


@virtual_time
async def test_a_target_that_takes_no_events_is_refused(sender):
    async with Harness() as harness:

        class Wrong(RouterSink):
            def process(self, context, event):
                self.route(context, event, "A.Wrong")

        sender(harness, MemorySource, Wrong)
        harness.send([1])
        await harness.idle()
        (failure,) = harness.errors
        assert isinstance(failure.error, ConfigError)
        assert "expected a source such as InternalSource" in str(failure.error)


@virtual_time
async def test_a_router_sink_without_a_target_says_what_is_missing(sender):
    async with Harness() as harness:
        sender(harness, MemorySource, RouterSink)
        harness.send([1, 2])
        await harness.idle()
        assert "expected the option `target`" in str(harness.errors[0].error)


@virtual_time
async def test_a_source_of_the_user_may_be_a_target(receiver):
    class Taking(bspump.Source):
        taken = ()

        async def main(self):
            await self.stopped()

        def put(self, context, event):
            self.taken = (*self.taken, event)

    async with Harness() as harness:
        target, _ = receiver(harness, "B", Taking)
        pipeline = bspump.Pipeline(harness.app, "A")
        router = RouterSink(harness.app, pipeline, config={"target": "B.*Taking"})
        pipeline.build(MemorySource(harness.app, pipeline), router)
        harness.pipeline(pipeline)
        harness.send([1, 2, 3])
        await harness.idle()
        assert target.Sources[0].taken == (1, 2, 3)


@virtual_time
async def test_a_target_that_is_forgotten_holds_its_sender_back_no_longer(receiver, sender):
    async with Harness() as harness:
        target, sink = receiver(harness, queue_max_size=1)
        pipeline = sender(harness, MemorySource, ByEvent)
        target.throttle("test", True)
        harness.send([("B", 1)])
        await harness.idle()
        assert not pipeline.is_ready()
        router = pipeline.locate_processor("ByEvent")
        router.unlocate("B.*InternalSource")
        router.unlocate("unknown")
        assert pipeline.is_ready()
        assert target.Sources[0].feeders() == set()
        harness.send([("B", 2)])
        await harness.idle()
        assert not pipeline.is_ready(), "a target that is found again counts again"
        target.throttle("test", False)
        await harness.idle()
        assert [n for _, n in sink.Events] == [1, 2]


@virtual_time
async def test_two_senders_are_both_held_back(receiver, sender):
    async with Harness() as harness:
        target, sink = receiver(harness, queue_max_size=4)
        senders = [sender(harness, MemorySource, ByEvent, id=id) for id in ("A1", "A2")]
        target.throttle("test", True)
        for number, id in enumerate(("A1", "A2")):
            harness.send([("B", number, n) for n in range(50)], to=f"{id}.*MemorySource")
        await harness.idle()
        assert [each.is_ready() for each in senders] == [False, False]
        assert target.Sources[0].rest_get()["Queue"] <= 4
        target.throttle("test", False)
        await harness.idle()
        assert len(sink.Events) == 100
        for number in (0, 1):
            assert [n for _, who, n in sink.Events if who == number] == list(range(50))
