"""Events that are tried again, while everything behind them waits."""

from __future__ import annotations

from functools import partial

import pytest

import bspump
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySource, virtual_time

RETRY = {"error_retry.attempts": 3, "error_retry.first": 10, "error_retry.factor": 1}


class Flaky(bspump.Processor):
    """Fails at an event for so many times as `Fails` says, then adds 100."""

    def __init__(self, app, pipeline, fails=None, id=None):
        super().__init__(app, pipeline, id)
        self.Fails = {} if fails is None else fails
        self.Calls = []

    def process(self, context, event):
        self.Calls.append(event)
        if self.Fails.get(event, 0) > 0:
            self.Fails[event] -= 1
            raise bspump.TransientError(f"not now: {event}")
        return event + 100


class FlakyLists(Flaky):
    def process_batch(self, contexts, events):
        return [self.process({}, event) for event in events]


class FlakySink(bspump.Sink):
    def __init__(self, app, pipeline, fails):
        super().__init__(app, pipeline)
        self.Fails, self.Events = fails, []

    def process(self, context, event):
        if self.Fails.get(event, 0) > 0:
            self.Fails[event] -= 1
            raise OSError("not now")
        self.Events.append(event)


class Count(bspump.Processor):
    def __init__(self, app, pipeline):
        super().__init__(app, pipeline)
        self.Events = []

    def process(self, context, event):
        self.Events.append(event)
        return event


class Twice(bspump.Generator):
    def generate(self, context, event, depth):
        return [event, event + 0.5]


@virtual_time
async def test_an_event_is_tried_again_and_all_behind_it_wait_in_order():
    async with Harness() as harness:
        harness.chain(Count, partial(Flaky, fails={2: 2}), config=RETRY)
        harness.send([1, 2, 3, 4])
        await harness.idle()
        assert harness.out() == [101]
        await harness.advance(11)
        await harness.advance(11)
        assert harness.out() == [101, 102, 103, 104]
        count, flaky = (harness.pipelines[0].locate_processor(id) for id in ("Count", "Flaky"))
        assert count.Events == [1, 2, 3, 4]  # What comes before is not asked again.
        assert flaky.Calls == [1, 2, 2, 2, 3, 4]
        counts = harness.counts()
        assert (counts["event.in"], counts["event.out"], counts["event.fail"]) == (4, 4, 0)
        assert len(harness.errors) == 2


@virtual_time
async def test_when_all_attempts_are_used_up_the_policy_decides():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        config = {**RETRY, "on_error": "dead_letter"}
        harness.chain(partial(Flaky, fails={2: 9}), config=config)
        harness.send([1, 2, 3])
        await harness.settle()
        await harness.advance(2)
        assert harness.out() == [101, 103]
        assert harness.counts()["event.fail"] == 1
        assert len(harness.errors) == 3
        (letter,) = await store.dead_letters.find()
    assert letter.attempts == 3


@virtual_time
async def test_waits_are_those_of_the_options():
    async with Harness() as harness:
        config = {"error_retry.attempts": 0, "error_retry.first": 8, "error_retry.longest": 100}
        pipeline = harness.chain(partial(Flaky, fails={1: 3}), config=config)
        harness.send([1])
        await harness.advance(3.9)
        flaky = pipeline.locate_processor("Flaky")
        assert len(flaky.Calls) == 1
        await harness.advance(4.2)
        assert len(flaky.Calls) == 2
        await harness.advance(100)
        assert harness.out() == [101]
        assert harness.errors


@virtual_time
async def test_other_pipelines_go_on_meanwhile():
    async with Harness() as harness:
        waits = harness.chain(partial(Flaky, fails={1: 1}), id="Waits", config=RETRY)
        harness.chain(id="Other")
        harness.send([1], to="Waits.*In")
        harness.send([5], to="Other.*In")
        await harness.idle()
        assert harness.out("Other.Out") == [5]
        assert harness.out("Waits.Out") == []
        assert not waits.is_ready()
        assert waits.State.value == "running"
        await harness.advance(10)
        assert harness.out("Waits.Out") == [101]
        assert harness.errors


@virtual_time
@pytest.mark.parametrize("kind", [Flaky, FlakyLists])
async def test_an_event_behind_a_generator_is_tried_again_in_its_place(kind):
    async with Harness() as harness:
        harness.chain(Twice, Count, partial(kind, fails={2.5: 2, 3: 1}), config=RETRY)
        harness.send([1, 2, 3])
        await harness.settle()
        assert harness.out() == [101, 101.5, 102, 102.5, 103, 103.5]
        assert harness.errors


@virtual_time
async def test_a_sink_is_asked_again():
    async with Harness() as harness:
        pipeline = harness.chain(partial(FlakySink, fails={2: 1}), config=RETRY)
        harness.send([1, 2, 3])
        await harness.settle()
        assert pipeline.locate_processor("FlakySink").Events == [1, 2, 3]
        assert harness.errors


@virtual_time
async def test_an_event_that_fails_at_two_places_has_its_attempts_at_each():
    async with Harness() as harness:
        first, second = (partial(Flaky, fails={n: 2}, id=f"Flaky{n}") for n in (1, 101))
        harness.chain(first, second, config=RETRY)
        harness.send([1, 2])
        await harness.settle()
        assert harness.out() == [201, 202]
        assert len(harness.errors) == 4


@virtual_time
@pytest.mark.parametrize("error", [bspump.RejectedError("never")])
async def test_what_will_never_be_accepted_is_not_tried_again(error):
    calls = []

    def refuse(context, event):
        calls.append(event)
        raise error

    async with Harness() as harness:
        harness.chain(refuse, config={**RETRY, "on_error": "skip"})
        harness.send([1])
        await harness.settle()
        assert calls == [1]
        assert harness.errors


@virtual_time
async def test_a_generator_is_not_asked_again_for_it_may_have_passed_on_some():
    class Halfway(bspump.Generator):
        def generate(self, context, event, depth):
            yield event
            raise ValueError("halfway")

    async with Harness() as harness:
        harness.chain(Halfway, config={**RETRY, "on_error": "skip"})
        harness.send([1, 2])
        await harness.settle()
        assert harness.out() == [1, 2]
        assert len(harness.errors) == 2


@virtual_time
async def test_a_list_that_came_back_wrong_is_not_tried_again():
    class Short(bspump.Processor):
        def process_batch(self, contexts, events):
            return events[1:]

        def process(self, context, event):
            raise AssertionError("it may have been processed")

    async with Harness() as harness:
        harness.chain(Short, Count, config={**RETRY, "on_error": "skip"})
        harness.send([1, 2])
        await harness.settle()
        assert harness.counts()["event.fail"] == 2
        assert len(harness.errors) == 2


@virtual_time
async def test_a_checkpoint_waits_for_an_event_that_is_tried_again():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.chain(partial(Flaky, fails={2: 1}), config=RETRY)
        harness.send([1, 2, 3])
        await harness.advance(4)
        checkpoint = await store.load("Test")
        assert checkpoint is None
        await harness.advance(10)
        checkpoint = await store.load("Test")
        assert checkpoint.positions == {"Test.*In": {None: 3}}
        assert harness.errors


@virtual_time
async def test_a_stop_keeps_the_event_for_the_next_start():
    async with Harness() as harness:
        config = {"error_retry.attempts": 0, "error_retry.first": 1000, "error_retry.longest": 1000}
        source = partial(MemorySource, events=[1, 2, 3], id="In", chunk_size=1, is_endless=True)
        pipeline = harness.chain(source, partial(Flaky, fails={2: 1}), config=config)
        await harness.idle()
        await pipeline.stop()
        assert harness.out() == [101]
        pipeline.start()
        await harness.advance(1)
        assert harness.out() == [101, 102, 103]
        assert harness.errors


@virtual_time
async def test_nothing_is_lost_when_the_process_dies_meanwhile():
    store, events = MemoryStateStore(), [1, 2, 3]
    async with Harness(store=store) as harness:
        source = partial(MemorySource, events=events, id="In")
        harness.chain(source, partial(Flaky, fails={2: 9}), config=RETRY)
        await harness.advance(5)
        assert harness.out() == [101]
        assert harness.errors
        await harness.crash()
    async with Harness(store=store) as harness:
        harness.chain(partial(MemorySource, events=events, id="In"), Flaky, config=RETRY)
        await harness.finish()
        assert harness.out() == [101, 102, 103]
