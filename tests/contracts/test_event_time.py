"""The contract of processors, for what gives events their time."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.testing.contracts import ProcessorContract, ProcessorTarget
from bspump.window import EventTime

EVENTS = [{"at": at_ms} for at_ms in (5, 3, 9, 9, 1)]


class TestEventTime(ProcessorContract):
    @pytest.fixture
    def target(self):
        make = partial(EventTime, time="at", config={"lateness": 1})
        broken = [{}, {"at": "?"}, {"at": 1 << 60}]
        return ProcessorTarget(make=make, events=EVENTS, expected=EVENTS, broken=broken)
