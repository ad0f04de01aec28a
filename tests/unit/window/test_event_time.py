"""EventTime in a pipeline: who has which time, and how far time has come."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import pytest

import bspump
from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.abc.event_time import BEGIN_MS, CLOCK, EVENT_TIME, WATERMARK
from bspump.abc.source import Source
from bspump.testing import Harness, MemorySource, virtual_time
from bspump.window import EventTime

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def seen(into):
    """Return a part that notes the times of events."""

    def note(context, event):
        into.append((context[EVENT_TIME], context[WATERMARK]))
        return event

    return note


def at(*times):
    return [{"at": each} for each in times]


def timed(config=None, time="at", **kwargs):
    return partial(EventTime, time=time, id="Time", config=config, **kwargs)


def times_of(harness, pipeline_id="Test"):
    return harness.app.PumpService.locate(f"{pipeline_id}.Time")


async def passed(config, events, contexts=None, **kwargs):
    """Return the times of events that went through a pipeline, and its errors."""
    notes = []
    harness = Harness(start_s=NOW_MS / 1000)
    harness.chain(timed(config, **kwargs), seen(notes), config={"on_error": "skip"})
    async with harness:
        harness.send(events, contexts=contexts)
        await harness.settle()
        return notes, [failure.error for failure in harness.errors]


@virtual_time
async def test_each_event_carries_its_time_and_the_watermark_that_it_has_brought():
    notes, errors = await passed({"lateness": "10s"}, at(20_000, 15_000, 40_000, 39_999))
    assert notes == [(20_000, 10_000), (15_000, 10_000), (40_000, 30_000), (39_999, 30_000)]
    assert not errors


@virtual_time
async def test_the_context_names_who_gave_the_time():
    contexts = []
    harness = Harness()
    harness.chain(timed(), lambda context, event: contexts.append(dict(context)))
    async with harness:
        harness.send(at(5))
        await harness.settle()
    assert contexts == [{EVENT_TIME: 5, WATERMARK: 5, CLOCK: "Test.Time"}]


@virtual_time
async def test_a_function_says_the_time_of_an_event():
    notes, _ = await passed({"format": "s"}, at(1, 2), time=lambda _context, e: e["at"] * 1.5)
    assert notes == [(1500, 1500), (3000, 3000)]


@virtual_time
async def test_the_field_may_be_an_attribute():
    class Reading(msgspec.Struct):
        at: int

    notes, errors = await passed(None, [Reading(5), object(), Reading(7)])
    assert notes == [(5, 5), (7, 7)]
    assert [type(error) for error in errors] == [ProcessingError]


@virtual_time
async def test_what_a_function_raises_is_the_error_of_the_event_as_it_is():
    def wrong(_context, event):
        return event["nothing"]

    notes, errors = await passed(None, at(1), time=wrong)
    assert notes == []
    assert [type(error) for error in errors] == [KeyError]


@virtual_time
async def test_the_time_of_the_kafka_message_is_taken_whatever_the_format():
    stamps = [{"_kafka_timestamp": each} for each in (7000, 9000, None)]
    notes, errors = await passed({"of": "kafka", "format": "iso"}, at(1, 2, 3), stamps, time=None)
    assert notes == [(7000, 7000), (9000, 9000)]
    assert [type(error) for error in errors] == [ProcessingError]


@virtual_time
async def test_an_event_without_a_time_is_an_error_and_spares_its_neighbours():
    events = [{"at": 1}, {}, {"at": "x"}, "text", {"at": True}, {"at": 2}]
    notes, errors = await passed(None, events)
    assert notes == [(1, 1), (2, 2)]
    assert [type(error) for error in errors] == [ProcessingError] * 4
    assert "Test.Time" in str(errors[0])
    assert "'at'" in str(errors[0])


@virtual_time
async def test_a_time_too_far_ahead_is_rejected_and_moves_nothing():
    far = NOW_MS + HOUR_MS
    notes, errors = await passed(None, at(NOW_MS, far, far + 10, NOW_MS + 1, 1 << 70))
    assert notes == [(NOW_MS, NOW_MS), (far, far), (NOW_MS + 1, far)]
    assert [type(error) for error in errors] == [RejectedError, ProcessingError]
    assert "max_skew is 3600 s" in str(errors[0])


@virtual_time
async def test_rejected_ones_are_counted():
    harness = Harness(start_s=NOW_MS / 1000)
    harness.chain(timed(), config={"on_error": "skip"})
    async with harness:
        harness.send(at(NOW_MS, NOW_MS + 2 * HOUR_MS, NOW_MS + 3 * HOUR_MS))
        await harness.settle()
        assert times_of(harness)._counter.values["skewed"] == 2
        assert len(harness.errors) == 2


@virtual_time
async def test_the_limit_ahead_moves_with_the_clock():
    notes = []
    harness = Harness(start_s=NOW_MS / 1000)
    harness.chain(timed({"max_skew": "1s"}), seen(notes), config={"on_error": "skip"})
    async with harness:
        for _ in range(2):
            harness.send(at(NOW_MS + 2000))
            await harness.settle()
            await harness.advance(1)
        assert len(harness.errors) == 1
    assert notes == [(NOW_MS + 2000, NOW_MS + 2000)]


class Setback(bspump.BSPumpApplication):
    """An application whose wall clock can be set."""

    By = 0.0

    def time(self) -> float:
        return super().time() + self.By


@virtual_time
async def test_a_clock_that_is_set_back_sets_the_limit_back_too():
    harness = Harness(start_s=NOW_MS / 1000, app_class=Setback)
    harness.app.By = 24 * 3600.0
    harness.chain(timed(), config={"on_error": "skip"})
    async with harness:
        harness.send(at(NOW_MS))
        await harness.settle()
        harness.app.By = 0.0
        await harness.advance(1)
        harness.send(at(NOW_MS + 23 * HOUR_MS))
        await harness.settle()
        assert [type(failure.error) for failure in harness.errors] == [RejectedError]


@virtual_time
async def test_arrival_is_the_wall_clock_and_never_goes_back():
    notes = []
    harness = Harness(start_s=NOW_MS / 1000, app_class=Setback)
    harness.chain(timed({"of": "arrival"}, time=None), seen(notes))
    async with harness:
        for by_s in (0.0, 10.0, 5.0, 8 * 3600.0, 0.0, 8 * 3600.0 + 1):
            harness.app.By = by_s
            harness.send(at(1))
            await harness.idle()
    assert [at_ms - NOW_MS for at_ms, _ in notes] == [
        0,
        10_000,
        10_000,
        *[28_800_000] * 2,
        28_801_000,
    ]
    assert all(at_ms >= watermark_ms for at_ms, watermark_ms in notes)


@virtual_time
async def test_without_a_limit_any_year_of_the_calendar_will_do():
    last = 253_402_300_799_999
    notes, errors = await passed({"max_skew": 0}, at(-62_135_596_800_000, last))
    assert [at_ms for at_ms, _ in notes] == [-62_135_596_800_000, last]
    assert not errors


@pytest.mark.parametrize("beyond", [-62_135_596_800_001, 253_402_300_800_000, 10**30, -(10**30)])
@virtual_time
async def test_a_time_that_no_calendar_has_is_an_error(beyond):
    for skew in ("1h", 0):
        notes, errors = await passed({"max_skew": skew}, at(beyond, 5))
        assert [at_ms for at_ms, _ in notes] == [5]
        assert [type(error) for error in errors] == [ProcessingError]
        assert "between the years 1 and 9999" in str(errors[0])


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "it is not said where the time is"),
        ({"field": "at", "format": "minutes"}, "expected one of"),
        ({"field": "at", "zone": "Nowhere/Else"}, "Nowhere/Else"),
    ],
)
@virtual_time
async def test_what_it_cannot_work_with_is_said_at_once(config, text):
    harness = Harness()
    with pytest.raises(ConfigError, match=text):
        harness.chain(timed(config, time=None))


# Partitions


def kafka(*places):
    return [{"_kafka_topic": topic, "_kafka_partition": number} for topic, number in places]


@virtual_time
async def test_each_partition_of_kafka_has_a_clock_of_its_own():
    places = kafka(("a", 0), ("a", 1), ("a", 0), ("b", 1), ("a", 1), ("b", 1))
    notes, _ = await passed(None, at(10, 5, 30, 6, 20, 25), places)
    assert notes == [(10, 10), (5, 10), (30, 10), (6, 10), (20, 10), (25, 20)]


class Partitioned(MemorySource):
    """A source that knows which partitions it reads."""

    Assigned = None

    def partitions(self):
        return self.Assigned


@virtual_time
async def test_partitions_that_the_source_reads_are_waited_for_and_others_are_not():
    notes = []
    harness = Harness()
    harness.chain(
        partial(Partitioned, id="In", is_endless=True), timed({"max_skew": 0}), seen(notes)
    )
    source = harness.app.PumpService.locate("Test.*In")
    source.Assigned = [("a", 0), ("a", 1)]
    async with harness:

        async def send(at_ms, number):
            harness.send(at(at_ms), contexts=kafka(("a", number)))
            await harness.settle()
            return notes[-1][1]

        assert await send(10, 0) == BEGIN_MS
        assert await send(5, 1) == 5
        # One is given to somebody else, and another one comes.
        source.Assigned = [("a", 0), ("a", 2)]
        await harness.advance(1)
        assert times_of(harness).watermark_ms() == 5
        assert await send(20, 0) == 5
        assert await send(12, 2) == 12
        source.Assigned = [("a", 0)]
        await harness.advance(1)
        assert times_of(harness).watermark_ms() == 20


@virtual_time
async def test_a_partition_is_what_is_said_of_it():
    class OfDevice(EventTime):
        def partition(self, context, event, /):
            return event["device"]

    notes = []
    harness = Harness()
    harness.chain(partial(OfDevice, time="at", id="Time"), seen(notes))
    async with harness:
        harness.send(
            [{"device": d, "at": t} for d, t in [("x", 10), ("y", 3), ("y", 20), ("x", 15)]]
        )
        await harness.settle()
        partitions = times_of(harness).rest_get()["Partitions"]
    assert [watermark for _, watermark in notes] == [10, 10, 10, 15]
    assert [each["Partition"] for each in partitions] == ["x", "y"]


class Visitors(Source):
    """Every event is brought by a task of its own, as those of a server are."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.visits = asyncio.Queue()

    async def main(self):
        while True:
            event = await self.visits.get()
            self.Pipeline.ensure_future(self.Pipeline.process(event))


def slowly(event_of):
    """Return an asynchronous processor that waits as events say."""

    class Slow(bspump.AsyncProcessor):
        async def process(self, context, event, /):
            await self.App.Clock.sleep(event_of(event))
            return event

    return Slow


@pytest.mark.parametrize("is_direct", [True, False])
@virtual_time
async def test_each_of_several_sources_has_a_clock_also_behind_asynchronous_parts(is_direct):
    notes = []
    harness = Harness()
    parts = [] if is_direct else [slowly(lambda event: 1.0 if event["from"] == "B" else 2.0)]
    harness.chain(
        partial(MemorySource, id="A"),
        partial(Visitors, id="B"),
        *parts,
        timed(),
        lambda context, event: notes.append((event["at"], context[WATERMARK])) or event,
    )
    visitors = harness.app.PumpService.locate("Test.*B")
    async with harness:
        harness.send([{"at": 10, "from": "A"}], "A")
        await harness.advance(5)
        visitors.visits.put_nowait({"at": 4, "from": "B"})
        await harness.advance(5)
        harness.send([{"at": 20, "from": "A"}], "A")
        visitors.visits.put_nowait({"at": 15, "from": "B"})
        await harness.advance(5)
        partitions = times_of(harness).rest_get()["Partitions"]
    assert notes[:2] == [(10, BEGIN_MS), (4, 4)]
    assert notes[-1][1] == 15
    assert [each["Partition"] for each in partitions] == ["B", "A"]


@virtual_time
async def test_a_source_that_has_ended_is_not_waited_for():
    harness = Harness()
    harness.chain(partial(MemorySource, id="A"), partial(MemorySource, id="B"), timed({"idle": 0}))
    async with harness:
        harness.send(at(10), "A")
        harness.send(at(4), "B")
        await harness.settle()
        assert times_of(harness).watermark_ms() == 4
        harness.app.PumpService.locate("Test.*B").end()
        await harness.advance(3)
        assert times_of(harness).watermark_ms() == 10


@virtual_time
async def test_a_source_that_is_silent_is_not_waited_for_after_a_while():
    harness = Harness()
    harness.chain(partial(MemorySource, id="A"), partial(MemorySource, id="B"), timed())
    async with harness:
        harness.send(at(10), "A")
        await harness.advance(50)
        assert times_of(harness).watermark_ms() == BEGIN_MS
        assert times_of(harness).rest_get()["HeldBackBy"]["Partition"] == "B"
        await harness.advance(5)
        harness.send(at(20), "A")
        await harness.advance(10)
        assert times_of(harness).watermark_ms() == 20
        harness.send(at(12), "B")
        harness.send(at(30), "A")
        await harness.advance(1)
        assert times_of(harness).watermark_ms() == 20
        assert times_of(harness).rest_get()["HeldBackBy"]["Partition"] == "B"


@virtual_time
async def test_a_source_of_a_pipeline_that_is_held_back_is_not_silent():
    harness = Harness()
    pipeline = harness.chain(partial(MemorySource, id="A"), partial(MemorySource, id="B"), timed())
    async with harness:
        harness.send(at(10), "A")
        await harness.settle()
        pipeline.throttle("test")
        await harness.advance(600)
        pipeline.throttle("test", False)
        await harness.advance(10)
        assert times_of(harness).watermark_ms() == BEGIN_MS
