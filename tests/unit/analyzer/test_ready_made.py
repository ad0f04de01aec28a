"""Analyzers that are used as they are: latch, time drift, threshold; and what they remember."""

from __future__ import annotations

import math
from functools import partial

import pytest

from bspump.abc.errors import ConfigError
from bspump.abc.state import PartState
from bspump.analyzer import (
    LatchAnalyzer,
    ThresholdAnalyzer,
    TimeDriftAnalyzer,
    TimeWindowAnalyzer,
)
from bspump.state import MemoryStateStore
from bspump.testing import Harness, virtual_time


@pytest.mark.parametrize(
    ("query", "inclusive", "expected"),
    [
        (True, False, [1, 2, 3, 4]),
        (False, False, []),
        (False, True, [1, 2, 3, 4]),
        ({"n": {"$gt": 2}}, False, [3, 4]),
        ({"n": {"$gt": 2}}, True, [1, 2]),
    ],
)
@virtual_time
async def test_events_that_match_are_latched(query, inclusive, expected):
    async with Harness() as harness:
        pipeline = harness.chain(partial(LatchAnalyzer, query=query, inclusive=inclusive))
        harness.send([{"n": n} for n in (1, 2, 3, 4)])
        await harness.settle()
        latch = pipeline.locate_processor("LatchAnalyzer").Latch
        assert [event["n"] for event in latch] == expected


@pytest.mark.parametrize(("size", "expected"), [("3", [7, 8, 9]), ("0", list(range(10)))])
@virtual_time
async def test_the_last_events_are_latched(size, expected):
    async with Harness() as harness:
        pipeline = harness.chain(partial(LatchAnalyzer, config={"latch_max_size": size}))
        harness.send(range(10))
        await harness.settle()
        assert list(pipeline.locate_processor("LatchAnalyzer").Latch) == expected
        assert harness.out() == list(range(10))


@pytest.mark.parametrize("query", [{"n": {"$near": 2}}, 7, None])
async def test_what_is_no_query_is_refused(query):
    with pytest.raises(ConfigError):
        Harness().chain(partial(LatchAnalyzer, query=query))


@virtual_time
async def test_the_drift_of_events_is_published():
    async with Harness() as harness:
        pipeline = harness.chain(partial(TimeDriftAnalyzer, config={"analyze_period": 60}))
        analyzer = pipeline.locate_processor("TimeDriftAnalyzer")
        now = harness.app.time()
        harness.send([{"@timestamp": now - behind} for behind in (1, 2, 6, -5)])
        harness.send([{"@timestamp": "now"}, {"@timestamp": math.nan}, {}, "text"])
        await harness.settle()
        assert len(analyzer.History) == 3
        await harness.advance(60)
        values = {name: round(value, 1) for name, value in analyzer.Gauge.values.items()}
        assert values == {"avg": 3.0, "median": 2.0, "stddev": 2.2, "min": 1.0, "max": 6.0}
        assert analyzer.DifferenceCounter.values == {"positive": 3, "negative": 1}
        assert not analyzer.History
        await harness.advance(60)
        assert analyzer.Gauge.values["max"] == pytest.approx(6.0, abs=0.1)
        assert len(harness.out()) == 8


@virtual_time
async def test_drift_is_measured_of_some_events_and_the_last_are_kept():
    config = {"sparse_count": "10", "history_size": 3, "timestamp_attr": "at"}
    async with Harness() as harness:
        pipeline = harness.chain(partial(TimeDriftAnalyzer, config=config))
        now = harness.app.time()
        harness.send([{"at": now - i} for i in range(1, 101)])
        await harness.settle()
        history = pipeline.locate_processor("TimeDriftAnalyzer").History
        assert [round(behind) for behind in history] == [80, 90, 100]


class Alarms(ThresholdAnalyzer):
    ConfigDefaults = {
        "event_attribute": "host",
        "event_value": "load",
        "upper_bound": 90,
        "lower_bound": 5,
        "anomaly_occurrence": 2,
        "analyze_period": "1m",
    }

    def __init__(self, app, pipeline, id=None, config=None):
        super().__init__(app, pipeline, id, config)
        self.Alarms = []

    def alarm(self, x, y, count, i):
        cells = [(int(row), int(column)) for row, column in zip(x, y, strict=True)]
        assert [row for row, _ in cells].count(i) == count
        self.Alarms.append((self.TimeWindow.get_row_name(i), count))


def loads(harness, host, *values):
    return [
        {"host": host, "load": load, "@timestamp": harness.app.time() - 60 * i}
        for i, load in enumerate(values)
    ]


@virtual_time
async def test_rows_that_are_too_often_out_of_bounds_are_an_alarm():
    async with Harness() as harness:
        analyzer = harness.chain(Alarms).locate_processor("Alarms")
        harness.send(loads(harness, "a", 91, "95.5", 50))
        harness.send(loads(harness, "b", 91, 50, 90, 5))
        harness.send(loads(harness, "c", 4, 95, 3))
        harness.send([{"host": "d"}, {"load": 99}, "text"])
        await harness.advance(61)
        assert analyzer.Alarms == [("a", 2), ("c", 3)]
        await harness.advance(60)
        assert analyzer.Alarms == [("a", 2), ("c", 3)] * 2
        await harness.advance(3600)
        assert len(analyzer.TimeWindow.Index) == 0


@virtual_time
async def test_what_is_out_of_bounds_is_not_hidden_by_what_is_not():
    async with Harness() as harness:
        config = {"anomaly_occurrence": 1}
        analyzer = harness.chain(partial(Alarms, config=config)).locate_processor("Alarms")
        for load in (50, 99, 60, 95, 70):
            harness.send(loads(harness, "a", load))
        await harness.advance(61)
        assert analyzer.TimeWindow.Array[0, -2:].tolist().count(95) == 1
        assert analyzer.Alarms == [("a", 1)]


@virtual_time
async def test_an_alarm_is_logged_by_default():
    config = {"event_attribute": "host", "event_value": "load", "upper_bound": "90"}
    async with Harness() as harness:
        harness.chain(partial(ThresholdAnalyzer, config=config))
        harness.send(loads(harness, "a", 99))
        await harness.advance(301)
        assert [r.getMessage() for r in harness.logs if r.levelname == "WARNING"]


async def test_a_threshold_needs_to_know_what_it_watches():
    with pytest.raises(ConfigError, match="event_attribute and event_value"):
        Harness().chain(ThresholdAnalyzer)


class Requests(TimeWindowAnalyzer):
    """Counts requests per host and minute."""

    def predicate(self, context, event):
        return "host" in event

    def evaluate(self, context, event):
        row = self.TimeWindow.add_row(event["host"])
        column = self.TimeWindow.get_column(event["@timestamp"])
        if column is not None:
            self.TimeWindow.Array[row, column] += 1


@pytest.mark.parametrize(
    ("make", "look"),
    [
        (LatchAnalyzer, lambda part: list(part.Latch)),
        (TimeDriftAnalyzer, lambda part: list(part.History)),
        (Requests, lambda part: part.TimeWindow.serialize()),
        (Alarms, lambda part: str(part.TimeWindow.serialize())),
    ],
)
@virtual_time
async def test_what_an_analyzer_knows_outlives_the_process(make, look):
    def event(harness, i):
        return {"host": f"host {i % 3}", "load": i, "@timestamp": harness.app.time() - i, "n": i}

    async def life(harness, begin, end):
        analyzer = harness.chain(make).locate_processor(make.__name__)
        async with harness:
            harness.send([{}] * begin)  # These were read before.
            harness.send([event(harness, i) for i in range(begin, end)])
            await harness.settle()
            await harness.pipelines[0].checkpoint()
            return look(analyzer)

    store = MemoryStateStore()
    await life(Harness(store=store), 0, 40)
    restarted = await life(Harness(store=store), 40, 90)
    assert restarted == await life(Harness(), 0, 90)


@virtual_time
async def test_a_latch_that_has_not_changed_is_not_kept_again():
    async with Harness() as harness:
        latch = harness.chain(LatchAnalyzer).locate_processor("LatchAnalyzer")
        harness.send([1, 2])
        await harness.settle()
        assert latch.snapshot().value == [1, 2]
        assert latch.snapshot() is None
        latch.restore(PartState(version=1, value=[3], keyed={}))
        assert list(latch.Latch) == [3]
        assert latch.snapshot() is None
