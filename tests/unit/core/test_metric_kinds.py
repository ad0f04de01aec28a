"""The kinds of metrics: what they count, what an interval is, and what is shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.core.metric_kinds import Counter, DutyCycle, EPSCounter, Gauge, Histogram
from bspump.testing.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(clock):
    """Return a function that makes a metric of a class."""

    def make(cls, init_values=None, *, reset=True, **more):
        return cls("x.y", {"pipeline": "A"}, init_values or {}, reset=reset, clock=clock, **more)

    return make


@pytest.fixture
def flush(clock):
    """Return a coroutine that lets time pass and then ends an interval."""

    async def flush(metric, seconds=60.0):
        await clock.advance(seconds)
        metric.flush(clock.monotonic())

    return flush


async def test_a_counter_has_totals_and_the_last_interval(make, flush):
    counter = make(Counter, {"event.in": 0})
    counter.add("event.in", 3)
    counter.add("event.out")
    await flush(counter)
    counter.add("event.in", 2)
    assert counter.interval == {"event.in": 3, "event.out": 1}
    await flush(counter)
    assert counter.interval == {"event.in": 2, "event.out": 0}
    assert counter.values == {"event.in": 5, "event.out": 1}
    assert counter.rest_get() == {
        "name": "x.y",
        "type": "Counter",
        "tags": {"pipeline": "A"},
        "values": {"event.in": 5, "event.out": 1},
        "interval": {"event.in": 2, "event.out": 0},
    }


async def test_without_reset_the_interval_of_a_counter_goes_on(make, flush):
    counter = make(Counter, reset=False)
    counter.add("n", 3)
    await flush(counter)
    counter.add("n", 2)
    await flush(counter)
    assert counter.interval == {"n": 5}


def test_a_counter_is_exact_and_knows_whether_it_only_went_up(make):
    counter = make(Counter)
    counter.add("n", 2**70)
    counter.add("n")
    assert counter.values["n"] == 2**70 + 1
    assert counter.is_monotonic
    counter.sub("n")
    assert counter.values["n"] == 2**70
    assert not counter.is_monotonic


def test_initial_values_are_not_shared(make):
    values = {"n": 0}
    make(Counter, values).add("n")
    assert values == {"n": 0}


async def test_rates_are_those_of_the_last_interval(make, flush, clock):
    rate = make(EPSCounter, {"eps.in": 0})
    assert rate.rates() == {"eps.in": 0.0}
    rate.add("eps.in", 120)
    await clock.advance(60)
    assert rate.rates() == {"eps.in": 2.0}
    await flush(rate, 60)
    rate.add("eps.in", 999)
    rate.add("eps.drop", 1)
    await clock.advance(30)
    assert rate.rates() == {"eps.in": 1.0, "eps.drop": 0.0}
    await flush(rate, 0)
    assert rate.rates()["eps.in"] == pytest.approx(33.3)
    assert rate.values["eps.in"] == 1119
    assert rate.rest_get()["values"] == rate.rates()


async def test_rates_compare_to_the_last_flush_with_and_without_reset(make, flush):
    rate = make(EPSCounter, reset=False)
    for _ in range(2):
        rate.add("n", 60)
        await flush(rate)
    assert rate.rates() == {"n": 1.0}


async def test_a_gauge_keeps_what_was_set_last(make, flush):
    gauge = make(Gauge, {"size": 1}, reset=True)
    gauge.set("size", 5)
    await flush(gauge)
    assert gauge.rest_get()["values"] == {"size": 5}


async def test_a_duty_cycle_is_the_share_of_time(make, flush, clock):
    cycle = make(DutyCycle, {"ready": False, "other": None})
    assert cycle.shares() == {"ready": 0.0}
    await clock.advance(30)
    cycle.set("ready", True)
    cycle.set("ready", True)
    await clock.advance(10)
    assert cycle.shares() == {"ready": 0.25}
    await flush(cycle, 20)
    assert cycle.shares() == {"ready": 1.0}
    assert cycle.rest_get()["interval"] == {"ready": 0.5}
    await flush(cycle, 60)
    assert cycle.rest_get()["interval"] == {"ready": 1.0}


async def test_a_duty_cycle_of_a_new_value_begins_when_it_is_set(make, clock):
    cycle = make(DutyCycle)
    await clock.advance(100)
    cycle.set("busy", True)
    await clock.advance(1)
    cycle.set("busy", False)
    await clock.advance(3)
    assert cycle.shares() == {"busy": 0.25}


async def test_without_reset_a_duty_cycle_is_that_of_its_whole_life(make, flush):
    cycle = make(DutyCycle, {"on": True}, reset=False)
    await flush(cycle)
    cycle.set("on", False)
    await flush(cycle)
    assert cycle.shares() == {"on": 0.5}


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1000)), min_size=1))
async def test_a_share_is_never_less_than_nothing_nor_more_than_all(steps):
    clock = ManualClock()
    cycle = DutyCycle("x", {}, {"on": None}, reset=True, clock=clock)
    for number, (on, seconds) in enumerate(steps):
        cycle.set("on", on)
        await clock.advance(seconds)
        assert 0.0 <= cycle.shares()["on"] <= 1.0
        if number % 3 == 2:
            cycle.flush(clock.monotonic())
            assert cycle.shares()["on"] == float(on)


def test_a_bucket_holds_what_is_at_most_its_bound(make):
    histogram = make(Histogram, {"s": None}, buckets=(1.0, 0.1, 1.0, math.inf))
    for value in (0.1, 0.5, 1.0, 7.0):
        histogram.set("s", value)
    assert histogram.rest_get()["buckets"] == [0.1, 1.0]
    assert histogram.values["s"] == {"counts": [1, 2, 1], "sum": pytest.approx(8.6)}


async def test_a_histogram_counts_since_the_beginning(make, flush):
    histogram = make(Histogram, buckets=(1.0,))
    histogram.set("s", 0.5)
    await flush(histogram)
    histogram.set("s", 0.5)
    assert histogram.values["s"]["counts"] == [2, 0]


def test_what_is_no_number_does_not_spoil_a_histogram(make):
    histogram = make(Histogram, {"s": None})
    histogram.set("s", math.nan)
    assert sum(histogram.values["s"]["counts"]) == 0
    assert histogram.values["s"]["sum"] == 0


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False)), st.lists(st.floats(allow_nan=False))
)
def test_every_value_is_in_one_bucket(values, buckets):
    histogram = Histogram("x", {}, {"s": None}, reset=False, clock=ManualClock(), buckets=buckets)
    for value in values:
        histogram.set("s", value)
    counts = histogram.values["s"]["counts"]
    assert sum(counts) == len(values)
    for bound, count in zip(histogram.buckets, counts, strict=False):
        assert count <= sum(value <= bound for value in values)
