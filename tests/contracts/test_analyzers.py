"""Analyzers, and what makes rows of matrices, keep the contracts."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.analyzer import LatchAnalyzer, SessionAnalyzer, TimeDriftAnalyzer, TimeWindowAnalyzer
from bspump.anomaly.manager import AnomalyAnalyzer
from bspump.testing.contracts import ProcessorContract, ProcessorTarget

EVENTS = [{"user_id": n % 3, "@timestamp": 1_700_000_000 + n} for n in range(20)]


class Users(TimeWindowAnalyzer):
    def evaluate(self, context, event):
        self.TimeWindow.advance(event["@timestamp"])
        column = self.TimeWindow.get_column(event["@timestamp"])
        row = self.TimeWindow.add_row(event["user_id"])
        self.TimeWindow.Array[row, column] += 1


class Names(SessionAnalyzer):
    def evaluate(self, context, event):
        self.Sessions.store_event(self.Sessions.add_row(event["user_id"]), event)


class TestTimeWindowAnalyzer(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(Users, start_time=0),
            events=EVENTS,
            expected=EVENTS,
            broken=[{}, "text"],
        )


class TestSessionAnalyzer(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(Names, dtype=[("@timestamp", "f8")]),
            events=EVENTS,
            expected=EVENTS,
            broken=[{}, {"user_id": 1, "@timestamp": "soon"}],
        )


class TestLatchAnalyzer(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(LatchAnalyzer, query={"user_id": 1}), events=EVENTS, expected=EVENTS
        )


class TestTimeDriftAnalyzer(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(make=TimeDriftAnalyzer, events=EVENTS, expected=EVENTS)


class TestAnomalyAnalyzer(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=AnomalyAnalyzer,
            events=EVENTS,
            expected=[
                {
                    "@timestamp": event["@timestamp"],
                    "key": [event["user_id"]],
                    "key_dimensions": ["user_id"],
                    "type": "default",
                    "symptom": event,
                }
                for event in EVENTS
            ],
            broken=["text"],
        )
