"""What can be seen of event time: why windows are open, and how far behind they are."""

from __future__ import annotations

from functools import partial

import bspump
from bspump.testing import Harness, MemorySource, virtual_time
from bspump.window import EventTime, Tumbling, WindowAggregator

timed = partial(EventTime, time="at", id="Time", config={"max_skew": 0})
windows = partial(WindowAggregator, window=Tumbling("10s"), aggregate={"n": "count"}, id="Windows")


class Sleeper(bspump.AsyncProcessor):
    """Waits for as long as events say."""

    async def process(self, context, event, /):
        await self.App.Clock.sleep(event.get("sleep", 0))
        return event


def at(*seconds, **fields):
    return [{"at": second * 1000, **fields} for second in seconds]


@virtual_time
async def test_the_watermark_and_its_lag_can_be_measured_also_while_nothing_moves():
    harness = Harness(start_s=1000.0)
    pipeline = harness.chain(timed, windows)
    async with harness:
        harness.send(at(900))
        await harness.advance(1)
        gauge = harness.app.EventTimeService._clocks[pipeline]._gauge
        assert gauge.values["watermark"] == 900
        assert 100 <= gauge.values["lag"] <= 101
        pipeline.throttle("test")
        await harness.advance(50)
        assert 150 <= gauge.values["lag"] <= 151
        pipeline.throttle("test", False)


@virtual_time
async def test_it_says_why_a_window_is_still_open():
    harness = Harness(start_s=1000.0)
    pipeline = harness.chain(
        partial(MemorySource, id="A"), partial(MemorySource, id="B"), timed, windows
    )
    async with harness:
        harness.send(at(901), "A")
        harness.send(at(905), "B")
        harness.send(at(930), "A")
        await harness.advance(20)
        time, window = pipeline.rest_get()["EventTime"]
    assert time["HeldBackBy"]["Partition"] == "B"
    assert time["HeldBackBy"]["Latest"] == 905_000
    assert 19 <= time["HeldBackBy"]["SilentFor"] <= 20
    assert (time["Part"], time["Watermark"], time["Lag"]) == ("Time", 905_000, 115.0)
    assert (window["Part"], window["Watermark"], window["Open"]) == ("Windows", 905_000, 2)
    assert not window["IsHeldBack"]
    assert window["OnTheWay"] is None


@virtual_time
async def test_it_says_that_the_pipeline_is_held_back_and_what_is_on_the_way():
    harness = Harness(start_s=1000.0)
    pipeline = harness.chain(timed, Sleeper, windows)
    async with harness:
        harness.send([*at(901, sleep=20), *at(930)])
        await harness.advance(1)
        window = pipeline.rest_get()["EventTime"][1]
        assert window["OnTheWay"] == 901_000
        pipeline.throttle("test")
        assert pipeline.rest_get()["EventTime"][1]["IsHeldBack"]
        pipeline.throttle("test", False)
        await harness.advance(100)


@virtual_time
async def test_a_pipeline_that_has_to_do_with_no_time_shows_none():
    harness = Harness()
    pipeline = harness.chain(lambda context, event: event)
    async with harness:
        await harness.advance(1)
        assert "EventTime" not in pipeline.rest_get()
