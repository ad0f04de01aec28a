"""Joins keep the contract of processors."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.join import AsOfJoin, IntervalJoin, TemporalJoin
from bspump.testing.contracts import ProcessorContract, ProcessorTarget

EVENTS = [
    {"side": "L", "key": "a", "at": 1000},
    {"side": "R", "key": "a", "at": 1000},
    {"side": "R", "key": "b", "at": 2000},
    {"side": "L", "key": "b", "at": 4000},
    {"side": "L", "key": "a", "at": 3000},
    {"side": "R", "key": "a", "at": 9000},
]
BROKEN = [{"at": 1}, 7]
SIDES = {"left": {"side": "L"}, "right": {"side": "R"}, "key": "key"}


class _Timed:
    """Reads the time by itself: the contract gives it events and nothing before it."""

    def generate(self, context, event, depth):
        self.latest_ms = max(getattr(self, "latest_ms", 0), event["at"])
        context.update({EVENT_TIME: event["at"], WATERMARK: self.latest_ms - 2000})
        return super().generate(context, event, depth)


def target(part, *pairs, **arguments):
    make = partial(type(part.__name__, (_Timed, part), {}), **SIDES, **arguments)
    expected = [
        {"left": None if i is None else EVENTS[i], "right": None if j is None else EVENTS[j]}
        for i, j in pairs
    ]
    return ProcessorTarget(make=make, events=EVENTS, expected=expected, broken=BROKEN)


class TestIntervalJoin(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(IntervalJoin, (0, 1), (3, 2), (4, 1), within="2s")


class TestOuterIntervalJoin(ProcessorContract):
    @pytest.fixture
    def target(self):
        alone = (None, 2), (4, None), (3, None)
        return target(IntervalJoin, (0, 1), *alone, within="1s", kind="outer")


class TestAsOfJoin(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(AsOfJoin, (0, 1), (4, 1), (3, 2))


class TestTemporalJoin(ProcessorContract):
    @pytest.fixture
    def target(self):
        deleted = {"deleted": lambda context, event: event["key"] == "b"}
        return target(TemporalJoin, (0, 1), (4, 1), (3, None), **deleted)
