"""The time of the engine lets incidents end."""

from __future__ import annotations

from functools import partial

from bspump.anomaly import AnomalyDetector
from bspump.testing import Harness, virtual_time
from bspump.window import EventTime


@virtual_time
async def test_the_engine_tells_it_the_time_where_no_event_comes_to_it():
    def kept(context, event):
        return event if event["value"] is not None else None

    values = [*[10.0, 11.0, 9.0, 10.5, 9.5] * 8, 50.0, *[None] * 20]
    events = [{"key": "a", "at": at_s * 1000, "value": v} for at_s, v in enumerate(values)]
    harness = Harness()
    config = {"key": "key", "incident.cool_down": "10s"}
    clock = partial(EventTime, time="at", config={"max_skew": 0})
    harness.chain(clock, kept, partial(AnomalyDetector, config=config))
    async with harness:
        harness.send(events)
        await harness.advance(1)
        assert [alert["state"] for alert in harness.out()] == ["open", "closed"]
