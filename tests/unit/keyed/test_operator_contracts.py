"""Keyed operators keep the contract of processors."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.keyed import (
    ChangeDetector,
    Deduplicator,
    NthSampler,
    RateLimiter,
    ReservoirSampler,
    Sessionizer,
    ShareSampler,
    TimeSorter,
    WaitingEnricher,
)
from bspump.testing.contracts import ProcessorContract, ProcessorTarget

EVENTS = [
    {"key": "a", "at": 1000, "kind": "x", "value": 1},
    {"key": "b", "at": 1000, "kind": "y", "value": 1},
    {"key": "a", "at": 3000, "kind": "y", "value": 1},
    {"key": "b", "at": 5000, "kind": "x", "value": 7},
    {"key": "a", "at": 2000, "kind": "y", "value": 1},
    {"key": "a", "at": 9000, "kind": "x", "value": 3},
]
BROKEN = [{"at": 1}, 7]


class _Timed:
    """Reads the time by itself: the contract gives it events and nothing before it."""

    def generate(self, context, event, depth):
        self.latest_ms = max(getattr(self, "latest_ms", 0), event["at"])
        context.update({EVENT_TIME: event["at"], WATERMARK: self.latest_ms - 2000})
        return super().generate(context, event, depth)


def timed(part, **arguments):
    return partial(type(part.__name__, (_Timed, part), {}), **arguments)


def target(make, *numbers, **arguments):
    expected = [EVENTS[number] for number in numbers]
    return ProcessorTarget(
        make=make, events=EVENTS, **{"expected": expected, "broken": BROKEN, **arguments}
    )


class TestDeduplicator(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(timed(Deduplicator, key="key", config={"within": "3s"}), 0, 1, 3, 5)


class TestChangeDetector(ProcessorContract):
    @pytest.fixture
    def target(self):
        make = partial(ChangeDetector, fields="value", key="key", config={"into": ""})
        return target(make, 0, 1, 3, 5)


class TestRateLimiter(ProcessorContract):
    @pytest.fixture
    def target(self):
        config = {"rate": 1, "per": "2s"}
        return target(timed(RateLimiter, key="key", config=config), 0, 1, 2, 3, 5)


class TestRateLimiterThatDelays(ProcessorContract):
    @pytest.fixture
    def target(self):
        config = {"rate": 1, "per": "3s", "over": "delay"}
        return target(timed(RateLimiter, key="key", config=config), 0, 1, 3, 2, 4)


class TestNthSampler(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(partial(NthSampler, key="key", config={"every": 2}), 0, 1, 4)


class TestShareSampler(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(partial(ShareSampler, key="key", config={"share": 1}), *range(6))


class TestReservoirSampler(ProcessorContract):
    @pytest.fixture
    def target(self):
        config = {"size": 5, "per": "4s"}
        return target(timed(ReservoirSampler, key="key", config=config), 0, 2, 4, 1)


class TestTimeSorter(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(timed(TimeSorter), 0, 1, 2, 3, broken=[{}, 7])


class TestSessionizer(ProcessorContract):
    @pytest.fixture
    def target(self):
        make = timed(Sessionizer, key="key", closes=lambda c, e: e["kind"] == "x")
        return target(make, expected=None)


class TestWaitingEnricher(ProcessorContract):
    @pytest.fixture
    def target(self):
        config = {"timeout": "3s"}
        make = timed(
            WaitingEnricher, key="key", companion=lambda c, e: e["kind"] == "x", config=config
        )
        return target(make, expected=None)
