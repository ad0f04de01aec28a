"""Running one operator in the real engine, behind a clock."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.testing import Harness
from bspump.window import EventTime

T0 = 1_700_000_000_000


class Events:
    """Makes events at seconds, and runs them through parts."""

    @staticmethod
    def at(at_s, **fields):
        return {"at": T0 + round(at_s * 1000), **fields}

    @staticmethod
    def clock(lateness=0):
        return partial(EventTime, time="at", config={"lateness": lateness, "max_skew": 0})

    async def out(self, part, events, *, lateness=0, singly=False):
        """Return what comes out until the end of the input; fields other than the time."""
        async with Harness() as harness:
            pipeline = harness.chain(self.clock(lateness), part)
            if singly:
                for event in events:
                    await pipeline.process(event)
            else:
                harness.send(events)
            await harness.finish()
            return harness.out()


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def counted():
    """Return what a part has counted."""

    def counted(part):
        return {name: value for name, value in part._counter.values.items() if value}

    return counted
