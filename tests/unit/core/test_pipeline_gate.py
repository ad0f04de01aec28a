"""Throttles and errors hold events back; none is lost and none overtakes another."""

from __future__ import annotations

import asyncio

import pytest

import bspump


class ThrottleAt(bspump.Processor):
    """Throttles its own pipeline when it has seen an event."""

    At = 5

    def process(self, context, event):
        if event == self.At:
            self.Pipeline.throttle(self)
        return event


class ListedAdd(bspump.Processor):
    def process(self, context, event):
        return event + 100

    def process_batch(self, contexts, events):
        return [event + 100 for event in events]


class ThrottleAt105(ThrottleAt):
    At = 105


class Twice(bspump.Generator):
    def generate(self, context, event, depth):
        return [event, event]


class TwiceLazily(bspump.Generator):
    def generate(self, context, event, depth):
        yield event
        yield event


class TwiceLater(bspump.Generator):
    async def generate(self, context, event, depth):
        await asyncio.sleep(0)
        self.Pipeline.inject(context, event, depth)
        self.Pipeline.inject(context, event, depth)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([ThrottleAt], list(range(20))),
        ([ThrottleAt, ListedAdd], list(range(100, 120))),
        ([ListedAdd, ThrottleAt105], list(range(100, 120))),
        ([ListedAdd, ThrottleAt105, ListedAdd], list(range(200, 220))),
        ([Twice, ThrottleAt], [n // 2 for n in range(40)]),
        ([ThrottleAt, Twice], [n // 2 for n in range(40)]),
        ([TwiceLazily, ThrottleAt], [n // 2 for n in range(40)]),
        ([Twice, ListedAdd, ThrottleAt105], [100 + n // 2 for n in range(40)]),
        ([TwiceLater, ThrottleAt], [n // 2 for n in range(40)]),
    ],
)
async def test_a_throttle_in_the_middle_of_a_list_stops_before_the_next_event(
    engine, parts, expected
):
    async with engine.running(*parts) as pipeline:
        throttler = next(p for p in pipeline.iter_processors() if isinstance(p, ThrottleAt))
        feeding = asyncio.create_task(pipeline.process_many(list(range(20))))
        await engine.until(lambda: not pipeline.is_ready())
        before = len(engine.out(pipeline))
        await asyncio.sleep(0.01)
        assert len(engine.out(pipeline)) == before < len(expected)
        seen = pipeline.get_throttles()
        assert seen == {throttler}
        throttler.At = None
        pipeline.throttle(throttler, False)
        await feeding
        await pipeline.settle()
        assert engine.out(pipeline) == expected
        assert pipeline.is_ready()


async def test_events_of_several_sources_wait_in_their_order(engine):
    async with engine.running() as pipeline:
        pipeline.throttle("test")
        tasks = [asyncio.create_task(pipeline.process(n)) for n in range(5)]
        await asyncio.sleep(0)
        assert engine.out(pipeline) == []
        pipeline.throttle("test", False)
        await asyncio.gather(*tasks)
        assert engine.out(pipeline) == [0, 1, 2, 3, 4]


async def test_an_injected_event_waits_while_the_pipeline_is_not_ready(engine):
    async with engine.running() as pipeline:
        pipeline.throttle("test")
        pipeline.inject(None, 1, 0)
        pipeline.inject({"a": 1}, 2, 0)
        assert engine.out(pipeline) == []
        pipeline.throttle("test", False)
        await pipeline.process(3)
        assert engine.out(pipeline) == [1, 2, 3]
        assert pipeline.locate_processor("Collect").Contexts == [{}, {"a": 1}, {}]


async def test_a_cancel_at_the_gate_means_that_the_event_did_not_enter(engine):
    async with engine.running() as pipeline:
        pipeline.throttle("test")
        task = asyncio.create_task(pipeline.process(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pipeline.throttle("test", False)
        await pipeline.process(2)
        assert engine.out(pipeline) == [2]


async def test_lifting_a_throttle_that_is_not_there_changes_nothing(engine):
    async with engine.running() as pipeline:
        pipeline.throttle("nobody", False)
        assert pipeline.is_ready()


async def test_readiness_is_published_once_for_each_change(engine):
    async with engine.running() as pipeline:
        seen = []

        def note(message, pipeline):
            seen.append(message)

        for message in ("bspump.pipeline.ready!", "bspump.pipeline.not_ready!"):
            pipeline.PubSub.subscribe(message, note)
        pipeline.throttle("a")
        pipeline.throttle("b")
        pipeline.throttle("a", False)
        pipeline.throttle("b", False)
        assert seen == ["bspump.pipeline.not_ready!", "bspump.pipeline.ready!"]


async def test_a_throttle_holds_back_linked_pipelines_too(engine):
    app = bspump.BSPumpApplication(args=[])
    first, second = bspump.Pipeline(app, "First"), bspump.Pipeline(app, "Second")
    for pipeline in (first, second):
        pipeline.build(engine.Feed(app, pipeline), engine.Collect(app, pipeline))
        app.PumpService.add_pipeline(pipeline)
    async with app.running():
        second.throttle("early")
        second.link(first)
        await engine.until(lambda: second.State.value == "paused")
        assert not first.is_ready()
        second.throttle("early", False)
        assert first.is_ready()
        second.throttle("late")
        second.unlink(first)
        assert first.is_ready()
        assert not second.is_ready()


class FailAt(bspump.Processor):
    At = 5

    def process(self, context, event):
        if event == self.At:
            raise ValueError("no")
        return event


async def test_after_a_hard_error_the_rest_waits_until_the_error_is_cleared(engine):
    async with engine.running(FailAt, pipeline=bspump.Pipeline) as pipeline:
        feeding = asyncio.create_task(pipeline.process_many(list(range(100))))
        await engine.until(pipeline.has_error)
        await asyncio.sleep(0)
        assert engine.out(pipeline) == [0, 1, 2, 3, 4]
        assert pipeline.State.value == "failed"
        answer = pipeline.rest_get()
        assert (answer["Error"], answer["Ready"]) == ("no", False)
        pipeline.set_error(None, None, None)
        await feeding
        assert engine.out(pipeline) == [n for n in range(100) if n != 5]
        assert pipeline.State.value == "running"
        assert engine.counts(pipeline)["error"] == 1


async def test_an_error_is_published_and_so_is_its_end(engine):
    async with engine.running(FailAt, pipeline=bspump.Pipeline) as pipeline:
        seen = []

        def note(message, pipeline):
            seen.append(message)

        for name in ("error!", "clear_error!", "warning!"):
            pipeline.PubSub.subscribe(f"bspump.pipeline.{name}", note)
        await pipeline.process(5)
        pipeline.set_error(None, None, None)
        pipeline.set_error(None, None, None)
        assert seen == ["bspump.pipeline.error!", "bspump.pipeline.clear_error!"]


async def test_a_pipeline_that_skips_goes_on_after_an_error(engine):
    config = {"on_error": "skip"}
    async with engine.running(FailAt, pipeline=bspump.Pipeline, config=config) as pipeline:
        await pipeline.process_many(list(range(10)))
        assert engine.out(pipeline) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
        counts = engine.counts(pipeline)
        assert (counts["event.fail"], counts["warning"], counts["error"]) == (1, 1, 0)


async def test_an_error_handler_that_fails_does_not_hide_the_error(engine):
    class Clumsy(bspump.Pipeline):
        def handle_error(self, exception, context, event):
            raise TypeError("clumsy")

    async with engine.running(FailAt, pipeline=Clumsy) as pipeline:
        await pipeline.process(5)
        assert pipeline.rest_get()["Error"] == "clumsy"
        log = pipeline.L.Deque[-1]
        assert "no" in log.exc_text
        assert "clumsy" in log.exc_text


async def test_what_a_source_cannot_make_sense_of_stops_nothing(engine):
    async with engine.running(pipeline=bspump.Pipeline) as pipeline:
        (source,) = pipeline.Sources
        pipeline.reject([({}, b"junk")], bspump.RejectedError("junk"), source)
        assert pipeline.is_ready()
        counts = engine.counts(pipeline)
        assert (counts["event.in"], counts["event.fail"], counts["warning"]) == (1, 1, 1)
