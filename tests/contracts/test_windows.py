"""Windows keep the contract of processors."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.testing.contracts import ProcessorContract, ProcessorTarget
from bspump.window import Collect, Counted, Hopping, Session, Tumbling, WindowAggregator

EVENTS = [
    {"at": at, "key": key} for at, key in zip([1, 4, 3, 12, 17, 9, 31], "abababa", strict=True)
]


class Told(WindowAggregator):
    """Reads the time by itself, and says little."""

    def generate(self, context, event, depth):
        at_ms = event["at"] * 1000
        self.latest_ms = max(getattr(self, "latest_ms", 0), at_ms)
        told = {**context, EVENT_TIME: at_ms, WATERMARK: self.latest_ms - 5000}
        return super().generate(told, event, depth)

    def report(self, firing, /):
        return firing.key, firing.end_ms // 1000, firing.results["at"]


def target(window, expected):
    make = partial(Told, window=window, key="key", aggregate={"at": Collect("at")})
    return ProcessorTarget(
        make=make, events=EVENTS, expected=expected, broken=[{"at": 1}, {"key": "a"}, 7]
    )


class TestTumbling(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(
            Tumbling("10s"),
            [("a", 10, [1, 3]), ("b", 10, [4]), ("b", 20, [12]), ("a", 20, [17])],
        )


class TestHopping(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(Hopping("10s", every="5s"), None)


class TestSession(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(
            Session("6s"),
            [("a", 9, [1, 3]), ("b", 10, [4]), ("b", 18, [9, 12]), ("a", 23, [17])],
        )


class TestCounted(ProcessorContract):
    @pytest.fixture
    def target(self):
        return target(Counted(2), [("a", 3, [1, 3]), ("b", 12, [4, 12]), ("a", 31, [17, 31])])
