"""How events go through a pipeline, whichever way they come in."""

from __future__ import annotations

import asyncio

import pytest

import bspump


class Double(bspump.Processor):
    def process(self, context, event):
        return event * 2


class OddOnly(bspump.Processor):
    def process(self, context, event):
        return event if event % 2 else None


class Refuse(bspump.Processor):
    """Fails at 5."""

    def process(self, context, event):
        if event == 5:
            raise ValueError("five")
        return event


class Listed(bspump.Processor):
    """Takes whole lists; fails at 5."""

    def process(self, context, event):
        if event == 5:
            raise ValueError("five")
        return event + 100

    def process_batch(self, contexts, events):
        return [self.process({}, event) for event in events]


async def one_by_one(pipeline, events):
    for event in events:
        await pipeline.process(event)


async def all_at_once(pipeline, events):
    await pipeline.process_many(events)


ways = pytest.mark.parametrize("feed", [one_by_one, all_at_once])


@ways
async def test_events_come_out_in_their_order_and_are_counted(engine, feed):
    async with engine.running(OddOnly, Double) as pipeline:
        await feed(pipeline, list(range(1000)))
        assert engine.out(pipeline) == [2 * n for n in range(1000) if n % 2]
        counts = engine.counts(pipeline)
        assert (counts["event.in"], counts["event.out"], counts["event.drop"]) == (1000, 500, 500)


@ways
async def test_an_event_that_fails_spares_its_neighbours(engine, feed):
    async with engine.running(Refuse, Double) as pipeline:
        await feed(pipeline, list(range(200)))
        assert engine.out(pipeline) == [2 * n for n in range(200) if n != 5]
        ((error, context, event),) = pipeline.Failed
        assert (str(error), context, event) == ("five", {}, 5)
        counts = engine.counts(pipeline)
        assert (counts["event.fail"], counts["warning"], counts["error"]) == (1, 1, 0)


@ways
async def test_a_part_that_takes_lists_is_given_a_refused_list_one_by_one(engine, feed):
    async with engine.running(Double, Listed, OddOnly) as pipeline:
        await feed(pipeline, [1, 2, 2.5, 3, 4])
        assert engine.out(pipeline) == []
        assert [event for _, _, event in pipeline.Failed] == [5.0]


async def test_a_subclass_that_overrides_process_is_not_run_by_the_list_of_its_base(engine):
    class Negative(Listed):
        def process(self, context, event):
            return -event

    async with engine.running(Negative) as pipeline:
        await pipeline.process_many([1, 2, 3])
        assert engine.out(pipeline) == [-1, -2, -3]


async def test_process_returns_when_the_sink_has_the_event(engine):
    async with engine.running(Double) as pipeline:
        for n in range(300):
            await pipeline.process(n)
            assert engine.out(pipeline)[-1] == 2 * n


@ways
async def test_contexts_are_fresh_for_every_event(engine, feed):
    def leave_a_mark(context, event):
        assert context == {}
        context["mark"] = event
        return event

    async with engine.running(leave_a_mark) as pipeline:
        await feed(pipeline, list(range(300)))
        assert pipeline.Failed == []
        sink = pipeline.locate_processor("Collect")
        assert sink.Contexts == [{"mark": n} for n in range(300)]


async def test_the_context_of_the_caller_is_not_changed(engine):
    def leave_a_mark(context, event):
        context["mark"] = event
        return event

    given = {"from": "caller"}
    async with engine.running(leave_a_mark) as pipeline:
        for n in range(100):
            await pipeline.process(n, given)
        assert given == {"from": "caller"}
        assert pipeline.locate_processor("Collect").Contexts[7] == {"from": "caller", "mark": 7}


async def test_contexts_of_a_list_belong_to_their_events(engine):
    async with engine.running(OddOnly, Listed) as pipeline:
        await pipeline.process_many(list(range(200)), [{"n": n} for n in range(200)])
        sink = pipeline.locate_processor("Collect")
        assert [c["n"] + 100 for c in sink.Contexts] == sink.Events


async def test_contexts_of_another_length_are_refused(engine):
    async with engine.running() as pipeline:
        with pytest.raises(ValueError, match="expected 2 contexts"):
            await pipeline.process_many([1, 2], [{}])


async def test_an_event_that_no_sink_takes_is_an_error(engine):
    class Leaky(engine.Collect):
        def process(self, context, event):
            return event

    async with engine.running(Leaky) as pipeline:
        await pipeline.process(1)
        await pipeline.process_many([2])
        assert [type(error).__name__ for error, _, _ in pipeline.Failed] == ["ProcessingError"] * 2


async def test_functions_and_lists_of_parts_are_accepted(engine):
    async def later(context, event):
        await asyncio.sleep(0)
        return event + 1

    app = bspump.BSPumpApplication(args=[])
    pipeline = engine.Soft(app, "Tested")
    sink = engine.Collect(app, pipeline)
    pipeline.build(
        [engine.Feed(app, pipeline), engine.Feed(app, pipeline, "Second")],
        [lambda context, event: event * 2, later],
        sink,
    )
    app.PumpService.add_pipeline(pipeline)
    async with app.running():
        await pipeline.process_many([1, 2, 3])
        await pipeline.settle()
        assert sink.Events == [3, 5, 7]


def test_what_is_no_processor_is_refused_with_what_was_expected(engine):
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Tested")
    with pytest.raises(TypeError, match="expected a processor, a sink or a function"):
        pipeline.build(engine.Feed(app, pipeline), 3)
    app.Loop.close()


def test_nothing_can_follow_the_sink(engine):
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Tested")
    with pytest.raises(ValueError, match="nothing can follow the sink 'Collect'"):
        pipeline.build(
            engine.Feed(app, pipeline), engine.Collect(app, pipeline), Double(app, pipeline)
        )
    app.Loop.close()


async def test_durations_are_sampled_and_runs_are_exact(engine):
    async with engine.running(OddOnly, Double) as pipeline:
        await pipeline.process_many(list(range(10_000)))
        for n in range(1000):
            await pipeline.process(n)
        pipeline.MetricsService.collect()
        profile = {name: c.values for name, c in pipeline.ProfilerCounter.items()}
        assert profile["OddOnly"]["run"] == 11_000
        assert profile["Double"]["run"] == profile["Collect"]["run"] == 5500
        assert all(values["duration"] > 0 for values in profile.values())


async def test_every_event_is_timed_where_that_is_asked_for(engine):
    times = []

    def slow(context, event):
        times.append(event)
        return event

    async with engine.running(slow, config={"profile_every": "1"}) as pipeline:
        await pipeline.process_many([1, 2, 3])
        assert pipeline.Flow.chain.counts.seen == [3, 3]
        assert times == [1, 2, 3]


async def test_a_failing_processor_is_named_by_the_line_it_failed_in(engine):
    async with engine.running(Double, Refuse, Double) as pipeline:
        await pipeline.process_many([1, 2.5, 3])
        assert pipeline.Flow.chain.counts.fails == [0, 1, 0, 0]


async def test_what_is_no_exception_passes_through(engine):
    def interrupt(context, event):
        raise KeyboardInterrupt

    async with engine.running(interrupt) as pipeline:
        with pytest.raises(KeyboardInterrupt):
            await pipeline.process(1)
        with pytest.raises(KeyboardInterrupt):
            await pipeline.process_many([1])
