"""What becomes of events that come too late: dropped, rejected, sent aside, or corrected."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError, RejectedError
from bspump.common import InternalSource
from bspump.testing import Harness, MemorySource, virtual_time
from bspump.window import EventTime, Tumbling, WindowAggregator

timed = partial(EventTime, time="at", id="Time", config={"max_skew": 0})


def windows(**config):
    return partial(
        WindowAggregator,
        window=Tumbling("10s"),
        aggregate={"n": "count"},
        id="Windows",
        config=config,
    )


def at(*seconds):
    return [{"at": second * 1000} for second in seconds]


def said(harness):
    return [(each["end_ms"] // 1000, each["firing"], each["n"]) for each in harness.out("Test.Out")]


@virtual_time
async def test_late_events_are_dropped_and_counted():
    harness = Harness()
    harness.chain(timed, windows())
    async with harness:
        harness.send(at(1, 12, 2, 3, 13))
        await harness.settle()
        late = harness.app.PumpService.locate("Test.Windows")._late
        assert (late.count, late._counter.values["late"]) == (2, 2)
        assert said(harness) == [(10, "final", 1)]


@virtual_time
async def test_late_events_are_rejected_with_how_late_they_are():
    harness = Harness()
    harness.chain(timed, windows(late="reject"), config={"on_error": "skip"})
    async with harness:
        harness.send(at(1, 12, 2))
        await harness.settle()
        [failure] = harness.errors
    assert isinstance(failure.error, RejectedError)
    assert "too late by 10 s" in str(failure.error)
    assert failure.event == {"at": 2000}


@virtual_time
async def test_late_events_become_dead_letters():
    harness = Harness()
    harness.chain(
        timed,
        windows(late="reject"),
        config={"on_error": "dead_letter", "dead_letters_to": "Aside.*Queue"},
    )
    harness.chain(partial(InternalSource, id="Queue"), id="Aside")
    async with harness:
        harness.send(at(1, 12, 2))
        await harness.settle()
        [letter] = harness.out("Aside.Out")
        assert "too late" in str(letter)
        _ = harness.errors


@virtual_time
async def test_late_events_are_sent_aside_with_their_context():
    contexts = []
    harness = Harness()
    harness.chain(timed, windows(late="Aside.*Queue"))
    harness.chain(
        partial(InternalSource, id="Queue"),
        lambda context, event: contexts.append(context) or event,
        id="Aside",
    )
    async with harness:
        harness.send(at(1, 12, 2))
        await harness.settle()
        assert harness.out("Aside.Out") == at(2)
        assert said(harness) == [(10, "final", 1)]
    assert contexts[0]["ancestor"]["event_time_ms"] == 2000
    assert contexts[0]["ancestor"]["watermark_ms"] == 12_000


@pytest.mark.parametrize("events", [[], at(1, 2), at(1, 12, 2)])
@virtual_time
async def test_where_late_events_go_it_is_known_when_no_more_will_come(events):
    harness = Harness()
    harness.chain(partial(InternalSource, id="Queue"), id="Aside")
    harness.chain(partial(MemorySource, events=events), timed, windows(late="Aside.*Queue"))
    async with harness:
        assert [p.Id for p in harness.app.PumpService.locate("Aside.*Queue").feeders()] == ["Test"]
        await harness.finish()
        assert len(harness.out("Aside.Out")) == (len(events) == 3)


@virtual_time
async def test_where_late_events_go_can_hold_the_pipeline_back():
    harness = Harness()
    pipeline = harness.chain(
        partial(MemorySource, id="In", is_endless=True, chunk_size=1),
        timed,
        windows(late="Aside.*Queue"),
    )
    aside = harness.chain(
        partial(InternalSource, id="Queue", config={"queue_max_size": 10}), id="Aside"
    )
    async with harness:
        aside.throttle("test")
        harness.send(at(50, *[1] * 100))
        await harness.idle()
        assert pipeline.get_throttles()
        assert len(aside.Sources[0]._events) <= 10
        aside.throttle("test", False)
        await harness.settle()
        assert len(harness.out("Aside.Out")) == 100


@virtual_time
async def test_an_address_of_nothing_is_an_error_of_the_pipeline():
    harness = Harness()
    harness.chain(timed, windows(late="Nowhere.*Queue"))
    async with harness:
        harness.send(at(1))
        await harness.settle()
        [failure] = harness.errors
    assert "Nowhere.*Queue" in str(failure.error)


@virtual_time
async def test_an_unknown_policy_is_refused():
    harness = Harness()
    with pytest.raises(ConfigError, match="expected `drop`, `reject` or an address"):
        harness.chain(timed, windows(late="ignore"))


@virtual_time
async def test_a_fired_window_is_corrected_as_long_as_that_is_allowed():
    harness = Harness()
    harness.chain(timed, windows(allowed_lateness="5s"))
    async with harness:
        harness.send(at(1, 12, 2, 16, 3))
        await harness.settle()
        assert said(harness) == [(10, "final", 1), (10, "late", 2)]
        assert harness.app.PumpService.locate("Test.Windows").explain()["Late"] == 1
