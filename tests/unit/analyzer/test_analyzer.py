from __future__ import annotations

import math
from functools import partial

import pytest

from bspump.abc.errors import ConfigError, DuplicateNameError
from bspump.abc.state import PartState
from bspump.analyzer import (
    Analyzer,
    GeoAnalyzer,
    LatchAnalyzer,
    SessionAnalyzer,
    ThresholdAnalyzer,
    TimeDriftAnalyzer,
    TimeWindowAnalyzer,
)
from bspump.matrix import PersistentTimeWindowMatrix, TimeWindowMatrix
from bspump.state import MemoryStateStore
from bspump.testing import Harness, virtual_time


class Evens(Analyzer):
    """Notes even numbers, and how many there were at each analysis."""

    ConfigDefaults = {"analyze_period": 10}

    def __init__(self, app, pipeline, analyze_on_clock=True, id=None, config=None):
        super().__init__(app, pipeline, analyze_on_clock, id, config)
        self.Noted, self.Found = [], []

    def predicate(self, context, event):
        return event % 2 == 0

    def evaluate(self, context, event):
        self.Noted.append(event)

    def analyze(self):
        self.Found.append(len(self.Noted))


@virtual_time
async def test_events_pass_unchanged_and_are_noted():
    async with Harness() as harness:
        pipeline = harness.chain(Evens)
        harness.send(range(5))
        await harness.settle()
        assert harness.out() == list(range(5))
        assert pipeline.locate_processor("Evens").Noted == [0, 2, 4]


@virtual_time
async def test_it_is_analyzed_by_the_clock_and_the_time_is_counted():
    async with Harness() as harness:
        pipeline = harness.chain(Evens)
        analyzer = pipeline.locate_processor("Evens")
        harness.send([2])
        await harness.advance(9.9)
        assert analyzer.Found == []
        await harness.advance(25)
        assert analyzer.Found == [1, 1, 1]
        counter = pipeline.ProfilerCounter["analyzer_Evens"]
        assert counter.tags == {"pipeline": "Test", "analyzer": "Evens"}
        assert counter.values["run"] == 3
        await pipeline.stop()
        await harness.advance(60)
        assert analyzer.Found == [1, 1, 1]


@virtual_time
async def test_it_is_not_analyzed_by_the_clock_where_that_is_not_asked_for():
    async with Harness() as harness:
        pipeline = harness.chain(partial(Evens, analyze_on_clock=False))
        await harness.advance(100)
        assert pipeline.locate_processor("Evens").Found == []


class Slow(Evens):
    async def analyze(self):
        await self.App.Clock.sleep(4)
        self.Found.append(len(self.Noted))


@virtual_time
async def test_an_analysis_may_wait():
    async with Harness() as harness:
        pipeline = harness.chain(Slow)
        await harness.advance(34.5)
        assert len(pipeline.locate_processor("Slow").Found) == 3


class Broken(Evens):
    def analyze(self):
        super().analyze()
        raise ValueError("no analysis")


@virtual_time
async def test_a_failed_analysis_is_an_error_of_the_pipeline_and_the_next_one_comes():
    async with Harness() as harness:
        pipeline = harness.chain(Broken)
        await harness.advance(11)
        assert [str(failure.error) for failure in harness.errors] == ["no analysis"]
        assert pipeline.has_error()
        await harness.advance(20)
        analyzer = pipeline.locate_processor("Broken")
        assert len(analyzer.Found) == 1
        pipeline.set_error(None, None, None)
        await harness.advance(10)
        assert len(analyzer.Found) == 2
        pipeline.set_error(None, None, None)


class Requests(TimeWindowAnalyzer):
    """Counts requests per host and minute."""

    def __init__(self, app, pipeline, id=None, config=None, **arguments):
        super().__init__(app, pipeline, id=id, config=config, **arguments)

    def predicate(self, context, event):
        return "host" in event

    def evaluate(self, context, event):
        row = self.TimeWindow.add_row(event["host"])
        column = self.TimeWindow.get_column(event["@timestamp"])
        if column is not None:
            self.TimeWindow.Array[row, column] += 1


@virtual_time
async def test_a_window_of_its_own_is_registered():
    async with Harness() as harness:
        pipeline = harness.chain(partial(Requests, resolution=10, columns=3, start_time=1000))
        analyzer = pipeline.locate_processor("Requests")
        assert harness.app.PumpService.locate_matrix("RequestsMatrix") is analyzer.TimeWindow
        harness.send([{"host": "a", "@timestamp": ts} for ts in (985, 986, 1005, 979, 2000)])
        harness.send([{"no": "host"}])
        await harness.settle()
        assert analyzer.TimeWindow.Array[0].tolist() == [2, 0, 1]
        with pytest.raises(DuplicateNameError):
            harness.chain(Requests, id="Second")


@virtual_time
async def test_a_window_may_be_shared():
    async with Harness() as harness:
        matrix = TimeWindowMatrix(harness.app, id="Shared", start_time=1000, resolution=10)
        harness.app.PumpService.add_matrix(matrix)
        first = harness.chain(partial(Requests, matrix_id="Shared"), id="First")
        second = harness.chain(partial(Requests, matrix_id=matrix), id="Second")
        for pipeline in (first, second):
            assert pipeline.locate_processor("Requests").TimeWindow is matrix
            harness.send([{"host": "a", "@timestamp": 1005}], f"{pipeline.Id}.*In")
        await harness.settle()
        assert matrix.Array[0, -1] == 2


@virtual_time
async def test_a_window_follows_the_clock_also_in_a_pipeline_that_came_later():
    async with Harness() as harness:
        pipeline = harness.chain(partial(Requests, resolution=10, columns=3, clock_driven=True))
        analyzer = pipeline.locate_processor("Requests")
        for _ in range(5):
            harness.send([{"host": "a", "@timestamp": harness.app.time()}])
            await harness.advance(10)
        assert analyzer.TimeWindow.Array.sum() in (2, 3)
        assert analyzer.TimeWindow.EarlyLateEventCounter.values["events.early"] == 0


async def test_a_window_may_keep_itself_in_files(tmp_path):
    setting = f"[matrix:RequestsMatrix] path={tmp_path}/requests"
    for life in (1, 2):
        harness = Harness(["--set", setting])
        pipeline = harness.chain(partial(Requests, persistent=True, start_time=1000))
        window = pipeline.locate_processor("Requests").TimeWindow
        assert isinstance(window, PersistentTimeWindowMatrix)
        async with harness:
            harness.send([{"host": "a", "@timestamp": 1000}])
            await harness.settle()
            assert window.Array[0, -1] == life


class Sessions(SessionAnalyzer):
    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, dtype=[("user", "U9"), ("clicks", "i8")], id=id)

    def evaluate(self, context, event):
        row = self.Sessions.add_row(event["session"])
        self.Sessions.store_event(row, event, keys=["user"])
        self.Sessions.Array["clicks"][row] += 1


@virtual_time
async def test_sessions_are_noted_by_name():
    async with Harness() as harness:
        pipeline = harness.chain(Sessions)
        harness.send([{"session": s, "user": f"user {s}"} for s in "abaab"])
        await harness.settle()
        sessions = pipeline.locate_processor("Sessions").Sessions
        assert sessions.decode_row(0) == {"id": "a", "user": "user a", "clicks": 3}
        assert sessions.decode_row(1) == {"id": "b", "user": "user b", "clicks": 2}


class Places(GeoAnalyzer):
    def predicate(self, context, event):
        return self.GeoMatrix.is_in_boundaries(*event)

    def evaluate(self, context, event):
        row, column = self.GeoMatrix.project_equirectangular(*event)
        self.GeoMatrix.Array[row, column] += 1


@virtual_time
async def test_places_are_noted_on_a_map_whose_borders_are_options():
    harness = Harness(["--set", "[pipeline:Test:Places] min_lat=45"])
    pipeline = harness.chain(partial(Places, bbox={"max_lat": 55}, resolution=50))
    async with harness:
        matrix = pipeline.locate_processor("Places").GeoMatrix
        assert (matrix.Bbox["min_lat"], matrix.Bbox["max_lat"]) == (45, 55)
        harness.send([(50.08, 14.43), (50.08, 14.43), (40, 14), (50, 90)])
        await harness.settle()
        assert matrix.Array.sum() == 2
        assert matrix.Array.max() == 2


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
