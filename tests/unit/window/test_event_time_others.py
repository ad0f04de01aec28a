"""EventTime in a pipeline where nobody knows which source some of the events come from."""

from __future__ import annotations

from functools import partial

import bspump
from bspump.abc.event_time import BEGIN_MS
from bspump.common import DirectSource, IteratorSource, RouterSink
from bspump.testing import Harness, MemorySource, virtual_time
from bspump.window import EventTime


def at(*times):
    return [{"at": each} for each in times]


@virtual_time
async def test_events_of_an_unknown_source_have_a_clock_of_their_own():
    harness = Harness()
    harness.chain(
        partial(MemorySource, id="A"),
        partial(DirectSource, id="Direct"),
        partial(EventTime, time="at", id="Time", config={"idle": 0}),
        id="Test",
    )
    harness.chain(partial(RouterSink, config={"target": "Test.*Direct"}), id="Feeder")
    time = harness.app.PumpService.locate("Test.Time")
    async with harness:
        harness.send(at(10), "A")
        await harness.settle()
        assert time.watermark_ms() == BEGIN_MS
        harness.send(at(5), "Feeder.*In")
        await harness.settle()
        assert time.watermark_ms() == 5
        assert [each["Partition"] for each in time.rest_get()["Partitions"]] == ["*", "A"]
        harness.app.PumpService.locate("Feeder.*In").end()
        await harness.advance(5)
        assert time.watermark_ms() == 10


@virtual_time
async def test_a_source_that_has_ended_is_waited_for_while_its_events_are_on_their_way():
    class Slow(bspump.AsyncProcessor):
        async def process(self, context, event, /):
            await self.App.Clock.sleep(event["sleep"])
            return event

    harness = Harness()
    harness.chain(
        partial(MemorySource, id="A"),
        partial(IteratorSource, iterator=iter([{"at": 4, "sleep": 5}]), id="B"),
        partial(Slow, config={"ordered": False}),
        partial(EventTime, time="at", id="Time", config={"idle": 0}),
        id="Test",
    )
    time = harness.app.PumpService.locate("Test.Time")
    async with harness:
        harness.send([{"at": 10, "sleep": 1}], "A")
        await harness.advance(3)
        assert harness.app.PumpService.locate("Test.*B").is_finished()
        assert time.watermark_ms() == BEGIN_MS
        await harness.advance(2.1)
        assert len(harness.out()) == 2
        await harness.advance(1)
        assert time.watermark_ms() == 10
