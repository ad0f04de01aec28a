"""The service that tells parts the time: what it must tell, and when it must not."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import bspump
from bspump.abc.event_time import BEGIN_MS, EVENT_TIME, WATERMARK, TimedProcessor
from bspump.testing import Harness, MemorySource, virtual_time
from bspump.window import EventTime, Every, Tumbling, WindowAggregator

SECOND_MS = 1000

timed = partial(EventTime, time="at", id="Time", config={"max_skew": 0})


def windows(id="Windows", size="10s", **kwargs):
    return partial(
        WindowAggregator, window=Tumbling(size), aggregate={"n": "count"}, id=id, **kwargs
    )


def at(*seconds, **fields):
    return [{"at": second * SECOND_MS, **fields} for second in seconds]


def part(harness, id, pipeline_id="Test"):
    return harness.app.PumpService.locate(f"{pipeline_id}.{id}")


def late(harness, id="Windows"):
    return part(harness, id).explain()["Late"]


def counted(harness, of=None):
    return [(each["end_ms"] // SECOND_MS, each["n"]) for each in harness.out(of)]


class Holder(TimedProcessor):
    """Lets nothing through, notes what it is told, and from whom."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.told = []
        self.late = []

    def generate(self, context, event, depth, /):
        if WATERMARK in context:
            if context[EVENT_TIME] < self._watermark_ms:
                self.late.append(event)
            self._watermark_ms = max(self._watermark_ms, context[WATERMARK])
        return [event]

    def advance(self, watermark_ms, now_ms):
        self.told.append((watermark_ms, now_ms))
        self._watermark_ms = max(self._watermark_ms, watermark_ms)


class Sleeping(bspump.AsyncProcessor):
    """Waits for as long as events say."""

    async def process(self, context, event, /):
        await self.App.Clock.sleep(event.get("sleep", 0))
        return event


class SleepingGenerator(bspump.Generator):
    """Makes an event of each, some time later, in a task of its own."""

    async def generate(self, context, event, depth, /):
        await asyncio.sleep(0)
        await self.App.Clock.sleep(event.get("sleep", 0))
        self.Pipeline.inject(context, event, depth)


Sleeper = partial(Sleeping, config={"timeout": 0})
unordered = partial(Sleeping, config={"timeout": 0, "ordered": False})


@virtual_time
async def test_a_window_fires_though_everything_is_dropped_behind_the_event_time():
    harness = Harness()
    harness.chain(timed, lambda context, event: event if event.get("keep") else None, windows())
    async with harness:
        harness.send([*at(1, 2, keep=True), *at(30)])
        await harness.idle()
        assert counted(harness) == []
        await harness.advance(0.5)
        assert counted(harness) == [(10, 2)]


@virtual_time
async def test_an_event_that_failed_on_the_way_has_moved_time_on():
    def check(context, event):
        if event.get("bad"):
            raise ValueError("bad")
        return event

    harness = Harness(["--set", "[general] var_dir="])
    harness.chain(timed, check, windows(), config={"on_error": "skip"})
    async with harness:
        harness.send([*at(1), *at(20, bad=True)])
        await harness.advance(0.5)
        assert counted(harness) == [(10, 1)]
        assert len(harness.errors) == 1


@virtual_time
async def test_at_the_end_of_the_input_parts_are_told_the_time_before_they_let_go():
    harness = Harness()
    events = [*at(1), *at(4, drop=True)]
    harness.chain(
        partial(MemorySource, events=events),
        timed,
        lambda context, event: None if event.get("drop") else event,
        windows(early=Every("3s")),
    )
    async with harness:
        await harness.finish()
        assert [each["firing"] for each in harness.out()] == ["early", "final"]


@virtual_time
async def test_an_event_that_has_no_time_moves_nothing():
    harness = Harness()
    harness.chain(timed, windows(), config={"on_error": "skip"})
    async with harness:
        harness.send([*at(1), {"at": "?"}])
        await harness.advance(5)
        assert counted(harness) == []
        assert len(harness.errors) == 1


@pytest.mark.parametrize("slow", [unordered, Sleeper, SleepingGenerator])
@virtual_time
async def test_nothing_that_is_on_its_way_finds_that_it_is_too_late(slow):
    harness = Harness()
    harness.chain(timed, slow, windows())
    async with harness:
        harness.send([*at(1, sleep=30), *at(12, sleep=1), *at(25, sleep=0)])
        await harness.advance(20)
        assert counted(harness) == []
        await harness.advance(20)
        assert counted(harness) == [(10, 1), (20, 1)]
        assert late(harness) == 0


@pytest.mark.parametrize("slow", [unordered, SleepingGenerator])
@virtual_time
async def test_what_overtakes_carries_no_later_a_watermark(slow):
    harness = Harness()
    harness.chain(timed, slow, partial(Holder, id="Holder"))
    async with harness:
        for second in range(40):
            harness.send(at(second, sleep=(second * 7) % 5))
            await harness.advance(0.3)
        await harness.advance(10)
        holder = part(harness, "Holder")
        assert len(harness.out()) == 40
        assert holder.late == []
        assert holder.watermark_ms() == 39 * SECOND_MS


@virtual_time
async def test_a_task_of_which_nothing_is_known_holds_time_back():
    class Starter(bspump.Processor):
        def process(self, context, event, /):
            if not event.get("sleep"):
                return event
            self.Pipeline.ensure_future(self.later(context, event))
            return None

        async def later(self, context, event):
            await self.App.Clock.sleep(event["sleep"])
            self.Pipeline.inject(context, event, 0 if "again" in event else 1)

    harness = Harness()
    harness.chain(timed, Starter, partial(Holder, id="First"), windows())
    async with harness:
        harness.send(at(1, sleep=5))
        harness.send([*at(20), *at(40)])
        await harness.advance(3)
        told = {watermark_ms for watermark_ms, _ in part(harness, "First").told}
        assert told == {BEGIN_MS}
        await harness.advance(5)
        assert part(harness, "First").told[-1][0] == 40 * SECOND_MS


@virtual_time
async def test_what_is_behind_a_part_does_not_hold_its_time_back():
    harness = Harness()
    harness.chain(
        timed,
        lambda context, event: event if not event.get("drop") else None,
        partial(Holder, id="First"),
        Sleeper,
        partial(Holder, id="Second"),
    )
    async with harness:
        harness.send([*at(1, sleep=50), *at(30, drop=True)])
        await harness.advance(5)
        assert part(harness, "First").watermark_ms() == 30 * SECOND_MS
        assert part(harness, "Second").watermark_ms() == 1 * SECOND_MS
        await harness.advance(50)
        assert part(harness, "Second").watermark_ms() == 30 * SECOND_MS


@virtual_time
async def test_what_was_held_at_the_gate_comes_before_what_is_told():
    harness = Harness()
    pipeline = harness.chain(
        timed, lambda context, event: None if event.get("drop") else event, Sleeper, windows()
    )
    async with harness:
        harness.send([*at(1, sleep=1), *at(30, drop=True)])
        await harness.idle()
        pipeline.throttle("test")
        await harness.advance(5)
        pipeline.throttle("test", False)
        # It is on its way on, but has not been let go yet.
        harness.app.EventTimeService.look()
        await harness.advance(1)
        assert counted(harness) == [(10, 1)]
        assert late(harness) == 0


@virtual_time
async def test_time_goes_on_in_a_pipeline_whose_asynchronous_part_is_always_full():
    harness = Harness()
    harness.chain(
        partial(MemorySource, id="In", is_endless=True, chunk_size=1),
        timed,
        partial(Sleeping, config={"concurrency": 1}),
        lambda context, event: None,
        partial(Holder, id="Holder"),
    )
    async with harness:
        harness.send(at(*range(100), sleep=1))
        await harness.advance(50)
        told = part(harness, "Holder").told
        # Each 250 ms, whatever the gate before it.
        assert len(told) >= 190
        assert told[-1][0] >= 47 * SECOND_MS
        assert not harness.pipelines[0].is_ready()


@virtual_time
async def test_nothing_is_told_where_what_comes_of_it_would_have_to_wait():
    harness = Harness()
    pipeline = harness.chain(timed, windows(), partial(Holder, id="Holder"))
    async with harness:
        harness.send(at(1))
        await harness.settle()
        pipeline.throttle("test")
        before = len(part(harness, "Holder").told)
        await harness.advance(60)
        assert len(part(harness, "Holder").told) == before
        pipeline.throttle("test", False)
        await harness.advance(1)
        assert len(part(harness, "Holder").told) > before


@virtual_time
async def test_what_one_window_says_reaches_the_next_one_in_time():
    harness = Harness()
    harness.chain(
        timed,
        lambda context, event: event if event.get("keep") else None,
        windows("Small"),
        Sleeper,
        lambda context, event: {**event, "sleep": 0},
        windows("Large", "60s"),
    )
    async with harness:
        harness.send(at(1, 11, 21, 59, keep=True))
        await harness.advance(1)
        harness.send(at(61))
        await harness.advance(1)
        assert counted(harness) == [(60, 4)]
        assert late(harness, "Large") == 0


@virtual_time
async def test_a_part_that_says_nothing_of_time_does_not_hold_it_back():
    class Silent(Holder):
        def watermark_ms(self):
            return BEGIN_MS

    harness = Harness()
    harness.chain(timed, partial(Silent, id="Silent"), partial(Holder, id="Holder"))
    async with harness:
        harness.send(at(5))
        await harness.advance(1)
        assert part(harness, "Holder").told[-1][0] == 5 * SECOND_MS


@virtual_time
async def test_a_part_that_fails_does_not_stop_the_time_of_others():
    class Failing(Holder):
        def advance(self, watermark_ms, now_ms):
            raise RuntimeError("no time for this")

    harness = Harness()
    harness.chain(timed, partial(Failing, id="Failing"), id="Bad")
    harness.chain(timed, partial(Holder, id="Holder"), id="Good")
    async with harness:
        harness.send(at(5), "Bad.*In")
        harness.send(at(5), "Good.*In")
        await harness.advance(2)
        assert part(harness, "Holder", "Good").watermark_ms() == 5 * SECOND_MS
        assert part(harness, "Failing", "Bad").Pipeline.has_error()
        assert "no time for this" in str(harness.errors[0].error)


@virtual_time
async def test_pipelines_and_parts_that_come_while_it_runs_are_told_too():
    harness = Harness()
    harness.chain(lambda context, event: event, id="Plain")
    async with harness:
        harness.chain(timed, partial(Holder, id="Holder"), id="Later")
        plain = harness.app.PumpService.locate("Plain")
        plain.insert_before("Out", Holder(harness.app, plain, id="Added"))
        await harness.advance(2)
        assert part(harness, "Holder", "Later").told
        assert part(harness, "Added", "Plain").told


@virtual_time
async def test_a_pipeline_that_is_stopped_is_told_nothing_and_started_again_it_is():
    harness = Harness()
    pipeline = harness.chain(timed, partial(Holder, id="Holder"))
    holder = part(harness, "Holder")
    async with harness:
        await harness.advance(2)
        await pipeline.stop()
        count = len(holder.told)
        await harness.advance(5)
        assert len(holder.told) == count
        pipeline.start()
        await harness.advance(2)
        assert len(holder.told) > count


@virtual_time
async def test_an_event_that_is_tried_again_is_on_its_way():
    failures = [RuntimeError("not yet")] * 3

    def flaky(context, event):
        if event.get("flaky") and failures:
            raise failures.pop()
        return event

    harness = Harness()
    config = {"error_retry.attempts": 5, "error_retry.first": 20, "error_retry.factor": 1}
    harness.chain(timed, flaky, windows(), config=config)
    async with harness:
        harness.send([*at(1), *at(2, flaky=True), *at(30)])
        await harness.advance(10)
        assert counted(harness) == []
        await harness.advance(90)
        assert counted(harness) == [(10, 2)]
        assert late(harness) == 0
        _ = harness.errors


@virtual_time
async def test_a_second_event_time_takes_the_place_of_the_first():
    harness = Harness()
    harness.chain(
        timed,
        Sleeper,
        partial(EventTime, time="other", id="Other", config={"max_skew": 0}),
        partial(Holder, id="Holder"),
    )
    async with harness:
        harness.send([{"at": 100_000, "other": 5000}])
        await harness.settle()
        # This one has not come to it yet, and says nothing of its time.
        harness.send([{"at": 1000, "other": 9000, "sleep": 100}])
        await harness.advance(5)
        assert part(harness, "Holder").told[-1][0] == 5000
