from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import DuplicateNameError
from bspump.analyzer import (
    Analyzer,
    GeoAnalyzer,
    SessionAnalyzer,
    TimeWindowAnalyzer,
)
from bspump.matrix import PersistentTimeWindowMatrix, TimeWindowMatrix
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
        assert analyzer.rest_get()["Matrix"]["Id"] == "RequestsMatrix"
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
