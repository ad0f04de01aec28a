"""SenderTime: the time of linked pipelines is the least of those that feed them."""

from __future__ import annotations

from functools import partial

import pytest

import bspump
from bspump.abc.errors import ProcessingError
from bspump.abc.event_time import BEGIN_MS, CLOCK, EVENT_TIME, WATERMARK, TimedProcessor
from bspump.common import (
    DirectSource,
    InternalSource,
    RouterProcessor,
    RouterSink,
    TeeProcessor,
    TeeSource,
)
from bspump.testing import Harness, MemorySource, virtual_time
from bspump.window import EventTime, SenderTime, Tumbling, WindowAggregator

timed = partial(EventTime, time="at", id="Time", config={"max_skew": 0})
of_sender = partial(SenderTime, id="Time")


def windows(id="Windows", size="10s", **kwargs):
    return partial(
        WindowAggregator, window=Tumbling(size), aggregate={"n": "count"}, id=id, **kwargs
    )


def at(*seconds, **fields):
    return [{"at": second * 1000, **fields} for second in seconds]


def part(harness, address):
    return harness.app.PumpService.locate(address)


def router(target="Joined.*Queue"):
    return partial(RouterSink, id="Router", config={"target": target})


def kept(context, event):
    return None if event.get("drop") else event


def feeder(harness, id, *parts):
    return harness.chain(timed, kept, *parts, router(), id=id)


def joined(harness, *parts, source=InternalSource, config=None):
    time = partial(SenderTime, id="Time", config=config)
    return harness.chain(partial(source, id="Queue"), time, *parts, id="Joined")


def counted(harness):
    return [(each["end_ms"] // 1000, each["n"]) for each in harness.out("Joined.Out")]


@pytest.mark.parametrize("source", [InternalSource, DirectSource])
@virtual_time
async def test_events_have_the_time_that_their_sender_gave_them(source):
    contexts = []
    harness = Harness()
    feeder(harness, "A")
    joined(harness, lambda context, event: contexts.append(context.copy()) or event, source=source)
    async with harness:
        harness.send(at(5), "A.*In")
        await harness.settle()
    assert [{key: each[key] for key in (EVENT_TIME, WATERMARK, CLOCK)} for each in contexts] == [
        {EVENT_TIME: 5000, WATERMARK: 5000, CLOCK: "Joined.Time"}
    ]


@virtual_time
async def test_an_event_that_brings_no_time_is_an_error_that_says_what_to_do():
    harness = Harness()
    harness.chain(router(), id="A")
    joined(harness)
    async with harness:
        harness.send(at(5), "A.*In")
        await harness.idle()
        [failure] = harness.errors
    assert isinstance(failure.error, ProcessingError)
    assert "put a `bspump.window.EventTime`" in str(failure.error)


@virtual_time
async def test_time_is_that_of_the_slowest_sender():
    harness = Harness()
    feeder(harness, "A")
    feeder(harness, "B")
    joined(harness, windows())
    time = part(harness, "Joined.Time")
    async with harness:
        harness.send(at(1, 25), "A.*In")
        await harness.advance(1)
        assert time.watermark_ms() == BEGIN_MS
        harness.send(at(2, 12), "B.*In")
        await harness.advance(1)
        assert time.watermark_ms() == 12_000
        assert counted(harness) == [(10, 2)]
        assert time.rest_get()["HeldBackBy"]["Partition"] == "B.Time"


@virtual_time
async def test_a_sender_that_drops_everything_still_moves_time_on():
    harness = Harness()
    feeder(harness, "A")
    feeder(harness, "B")
    joined(harness, windows())
    async with harness:
        harness.send(at(1, 25), "A.*In")
        harness.send(at(12, 14, drop=True), "B.*In")
        await harness.advance(1)
        assert part(harness, "Joined.Time").watermark_ms() == 14_000
        assert counted(harness) == [(10, 1)]


@virtual_time
async def test_a_sender_that_has_finished_is_not_waited_for():
    harness = Harness()
    feeder(harness, "A")
    feeder(harness, "B")
    joined(harness, windows(), config={"idle": 0})
    async with harness:
        harness.send(at(1, 25), "A.*In")
        harness.send(at(3), "B.*In")
        await harness.settle()
        part(harness, "B.*In").end()
        await harness.advance(5)
        assert part(harness, "Joined.Time").watermark_ms() == 25_000
        assert counted(harness) == [(10, 2)]


@virtual_time
async def test_a_sender_that_is_silent_is_not_waited_for_after_a_while():
    harness = Harness()
    feeder(harness, "A")
    feeder(harness, "B")
    joined(harness, windows(), config={"idle": 10})
    async with harness:
        harness.send(at(3), "B.*In")
        await harness.settle()
        for second in range(12):
            harness.send(at(second), "A.*In")
            await harness.advance(1)
            assert part(harness, "Joined.Time").watermark_ms() <= 11_000
        assert counted(harness) == [(10, 11)]


@virtual_time
async def test_what_is_on_the_way_is_not_overtaken_by_what_the_sender_has_told():
    class Slow(bspump.AsyncProcessor):
        async def process(self, context, event, /):
            await self.App.Clock.sleep(5)
            return event

    harness = Harness()
    feeder(harness, "A")
    harness.chain(partial(InternalSource, id="Queue"), Slow, of_sender, windows(), id="Joined")
    async with harness:
        harness.send([*at(1), *at(30, drop=True)], "A.*In")
        await harness.advance(3)
        assert part(harness, "Joined.Time").watermark_ms() == BEGIN_MS
        await harness.advance(5)
        assert counted(harness) == [(10, 1)]
        assert part(harness, "Joined.Windows").explain()["Late"] == 0


@virtual_time
async def test_what_waits_in_one_of_two_queues_is_not_overtaken_by_the_other():
    class Both(RouterProcessor):
        def process(self, context, event, /):
            self.route(context, event, f"Joined.*{event['to']}")
            return event

    harness = Harness()
    harness.chain(timed, partial(Both, id="Both"), id="A")
    pipeline = harness.chain(
        partial(InternalSource, id="One"),
        partial(InternalSource, id="Two"),
        of_sender,
        windows(),
        id="Joined",
    )
    async with harness:
        harness.send([*at(1, to="One"), *at(1, to="Two")], "A.*In")
        await harness.settle()
        pipeline.throttle("test")
        harness.send([*at(2, to="One"), *at(30, to="Two")], "A.*In")
        await harness.advance(2)
        pipeline.throttle("test", False)
        await harness.advance(2)
        assert counted(harness) == [(10, 3)]
        assert part(harness, "Joined.Windows").explain()["Late"] == 0


@virtual_time
async def test_windows_of_windows_go_through_pipelines():
    harness = Harness()
    feeder(harness, "A", windows("Small"))
    feeder(harness, "B")
    joined(harness, windows("Large", "60s"))
    async with harness:
        harness.send(at(1, 11, 59, 70), "A.*In")
        harness.send(at(30, 75), "B.*In")
        await harness.advance(1)
        assert counted(harness) == [(60, 4)]
        assert part(harness, "Joined.Large").explain()["Late"] == 0


@virtual_time
async def test_only_the_last_part_that_gives_time_before_a_router_is_waited_for():
    harness = Harness()
    feeder(harness, "A", windows("Small"))
    joined(harness)
    async with harness:
        harness.send(at(1, 11), "A.*In")
        await harness.idle()
        partitions = part(harness, "Joined.Time").rest_get()["Partitions"]
        assert [each["Partition"] for each in partitions] == ["A.Small"]


@virtual_time
async def test_a_tee_takes_the_time_along():
    harness = Harness()
    harness.chain(timed, partial(TeeProcessor, id="Tee"), kept, id="A")

    def tapping(app, pipeline):
        return TeeSource(app, pipeline, id="Queue").bind("A.Tee")

    harness.chain(partial(tapping), of_sender, kept, windows(), id="Joined")
    async with harness:
        harness.send([*at(1), *at(30, drop=True)], "A.*In")
        await harness.advance(1)
        assert counted(harness) == [(10, 1)]
        partitions = part(harness, "Joined.Time").rest_get()["Partitions"]
        assert [each["Partition"] for each in partitions] == ["A.Time"]


@virtual_time
async def test_a_router_that_decides_by_content_takes_the_time_along():
    class ByContent(RouterProcessor):
        def process(self, context, event, /):
            self.route(context, event, f"{event['to']}.*Queue")

    harness = Harness()
    harness.chain(timed, partial(ByContent, id="Router"), id="A")
    joined(harness, windows())
    harness.chain(partial(InternalSource, id="Queue"), of_sender, id="Other")
    async with harness:
        harness.send([*at(1, 2, to="Joined"), *at(31, to="Other")], "A.*In")
        await harness.advance(1)
        assert counted(harness) == [(10, 2)]
        assert part(harness, "Other.Time").watermark_ms() == 31_000


class Passing(TimedProcessor):
    """Lets events through as they are."""

    def generate(self, context, event, depth, /):
        self._watermark_ms = max(self._watermark_ms, context[WATERMARK])
        return [event]

    def advance(self, watermark_ms, now_ms):
        self._watermark_ms = max(self._watermark_ms, watermark_ms)


@virtual_time
async def test_what_a_part_lets_through_is_of_the_time_of_that_part():
    harness = Harness()
    feeder(harness, "A", partial(Passing, id="Passing"))
    joined(harness)
    async with harness:
        harness.send(at(1, 11), "A.*In")
        await harness.idle()
        partitions = part(harness, "Joined.Time").rest_get()["Partitions"]
        assert [(p["Partition"], p["Latest"]) for p in partitions] == [("A.Passing", 11_000)]


@virtual_time
async def test_time_goes_through_a_pipeline_between():
    harness = Harness()
    harness.chain(timed, router("Between.*Queue"), id="A")
    harness.chain(partial(InternalSource, id="Queue"), of_sender, kept, router(), id="Between")
    joined(harness, windows())
    async with harness:
        harness.send([*at(1), *at(30, drop=True)], "A.*In")
        await harness.advance(1)
        assert counted(harness) == [(10, 1)]


@virtual_time
async def test_a_pipeline_that_comes_later_is_waited_for():
    harness = Harness()
    feeder(harness, "A")
    joined(harness, windows())
    async with harness:
        harness.send(at(1), "A.*In")
        await harness.advance(1)
        feeder(harness, "B")
        await harness.advance(1)
        harness.send(at(30), "A.*In")
        await harness.advance(1)
        assert part(harness, "Joined.Time").watermark_ms() == 1000
        harness.send(at(5, 11), "B.*In")
        await harness.advance(1)
        assert counted(harness) == [(10, 2)]


@virtual_time
async def test_a_pipeline_that_is_deleted_is_not_waited_for():
    harness = Harness()
    feeder(harness, "A")
    feeder(harness, "B")
    joined(harness, windows(), config={"idle": 0})
    async with harness:
        harness.send(at(1, 30), "A.*In")
        harness.send(at(5), "B.*In")
        await harness.advance(1)
        await part(harness, "B").stop()
        harness.app.PumpService.Pipelines.pop("B")
        for linked in part(harness, "Joined").Sources:
            for each in list(linked._routers):
                if each.Pipeline.Id == "B":
                    linked.detach(each)
        await harness.advance(1)
        assert part(harness, "Joined.Time").watermark_ms() == 30_000


@virtual_time
async def test_at_the_end_of_all_inputs_everything_has_been_said():
    harness = Harness()
    for id, events in {"A": at(1, 25), "B": at(2, 12)}.items():
        harness.chain(partial(MemorySource, events=events, id="In"), timed, router(), id=id)
    joined(harness, windows())
    async with harness:
        await harness.finish()
        assert sorted(counted(harness)) == [(10, 2), (20, 1), (30, 1)]
