"""Asynchronous processors: bounded, in order, with time-outs, retries and a cache."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import bspump
from bspump.testing import Harness, refuse, virtual_time


class Feed(bspump.Source):
    async def main(self):
        await self.stopped()


class Wait(bspump.AsyncProcessor):
    """Waits as many seconds as the event says, and counts how many are at it."""

    AtOnce = Most = Calls = 0

    async def process(self, context, event):
        self.Calls += 1
        self.AtOnce += 1
        self.Most = max(self.Most, self.AtOnce)
        try:
            await self.App.Clock.sleep(event)
        finally:
            self.AtOnce -= 1
        return event


def waiting(**config):
    return partial(Wait, config={"timeout": 0, **config})


def part_of(harness):
    return next(harness.pipelines[0].iter_processors())


@virtual_time
async def test_events_leave_in_the_order_in_which_they_came():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, waiting())
        await pipeline.process_many([3, 1, 0, 2])
        await harness.advance(2.5)
        assert harness.out() == []
        await harness.advance(1)
        assert harness.out() == [3, 1, 0, 2]


@virtual_time
async def test_events_leave_as_soon_as_they_can_if_that_is_asked_for():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, waiting(ordered=False))
        await pipeline.process_many([3, 1, 0, 2])
        await harness.settle()
        assert harness.out() == [0, 1, 2, 3]


@pytest.mark.parametrize("ordered", [True, False])
@virtual_time
async def test_no_more_are_in_flight_than_it_may(ordered):
    async with Harness() as harness:
        pipeline = harness.chain(Feed, waiting(concurrency=3, ordered=ordered))
        feeding = asyncio.create_task(pipeline.process_many([1] * 10))
        await harness.advance(0.5)
        assert harness.counts()["event.in"] == 3
        await feeding
        await harness.settle()
        assert part_of(harness).Most == 3
        assert len(harness.out()) == 10


@virtual_time
async def test_its_limit_is_its_own_and_not_that_of_other_tasks():
    async with Harness() as harness:
        config = {"async_concurency_limit": 2}
        pipeline = harness.chain(Feed, waiting(concurrency=10), config=config)
        feeding = asyncio.create_task(pipeline.process_many([1] * 10))
        await harness.advance(0.5)
        assert pipeline.under_way() == 10
        await feeding
        await harness.settle()


@virtual_time
async def test_an_attempt_that_takes_too_long_is_an_error_of_the_event():
    async with Harness() as harness:
        pipeline = harness.chain(Feed, waiting(timeout=5), config={"on_error": "skip"})
        await pipeline.process_many([1, 60, 2])
        await harness.settle()
        assert harness.out() == [1, 2]
        (failure,) = harness.errors
        assert (type(failure.error), failure.event) == (TimeoutError, 60)


@virtual_time
async def test_an_attempt_that_failed_is_repeated_as_the_options_say():
    async with Harness() as harness:
        config = {"retry.attempts": 3, "retry.first": 1}
        pipeline = harness.chain(Feed, waiting(**config), config={"on_error": "skip"})
        with refuse(part_of(harness), times=2):
            await pipeline.process(0)
            await harness.settle()
        with refuse(part_of(harness), times=3):
            await pipeline.process(1)
            await harness.settle()
        assert harness.out() == [0]
        assert [failure.event for failure in harness.errors] == [1]
        counts = harness.counts()
        assert (counts["event.in"], counts["event.out"], counts["event.fail"]) == (2, 1, 1)


@virtual_time
async def test_an_event_whose_work_is_cancelled_does_not_hold_up_the_others():
    class Clumsy(bspump.AsyncProcessor):
        async def process(self, context, event):
            if event == 1:
                raise asyncio.CancelledError
            if event == 2:
                future = self.Loop.create_future()
                self.Loop.call_soon(future.cancel)
                await future
            return event

    async with Harness() as harness:
        pipeline = harness.chain(Feed, Clumsy, config={"on_error": "skip"})
        await pipeline.process_many([0, 1, 2, 3])
        await harness.settle()
        assert harness.out() == [0, 3]
        assert [type(f.error) for f in harness.errors] == [bspump.ProcessingError] * 2


@virtual_time
async def test_what_is_consumed_is_counted_as_dropped():
    async def only_odd(context, event):
        return event if event % 2 else None

    async with Harness() as harness:
        pipeline = harness.chain(Feed, only_odd)
        await pipeline.process_many([1, 2, 3])
        await harness.settle()
        assert harness.out() == [1, 3]
        assert harness.counts()["event.drop"] == 1


class Cached(Wait):
    def cache_key(self, context, event):
        return event["key"]

    async def process(self, context, event):
        self.Calls += 1
        return self.Calls

    def apply(self, context, event, result):
        return {**event, "call": result}


@virtual_time
async def test_a_kept_result_is_used_until_it_is_too_old():
    async with Harness() as harness:
        pipeline = harness.chain(
            Feed, partial(Cached, config={"cache_size": 2, "cache_age": "10s"})
        )
        for key in ("a", "a", "b", "a", "c", "b", None, None):
            await pipeline.process({"key": key})
        # `b` had to make room for `c`; `a` was used since.
        assert [event["call"] for event in harness.out()] == [1, 1, 2, 1, 3, 4, 5, 6]
        await harness.advance(11)
        await pipeline.process({"key": "b"})
        assert harness.out()[-1] == {"key": "b", "call": 7}
