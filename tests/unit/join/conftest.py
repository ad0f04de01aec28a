"""Running one join in the real engine, behind a clock."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.testing import Harness
from bspump.window import EventTime

T0 = 1_700_000_000_000


def timed(side, at_s, key="a", **fields):
    return {"side": side, "at": T0 + round(at_s * 1000), "key": key, **fields}


class Joins:
    """Makes events of both sides, and runs them through a join."""

    SIDES = {"left": {"side": "L"}, "right": {"side": "R"}, "key": "key"}

    @staticmethod
    def left(at_s, key="a", **fields):
        return timed("L", at_s, key, **fields)

    @staticmethod
    def right(at_s, key="a", **fields):
        return timed("R", at_s, key, **fields)

    @staticmethod
    def clock(lateness=0):
        return partial(EventTime, time="at", config={"lateness": lateness, "max_skew": 0})

    def make(self, kind, /, **arguments):
        return partial(kind, **{**self.SIDES, **arguments})

    async def out(self, kind, events, /, *, lateness=0, **arguments):
        """Return what comes out until the end of the input: pairs of seconds, `None` for none."""
        async with Harness() as harness:
            harness.chain(self.clock(lateness), self.make(kind, **arguments))
            harness.send(events)
            await harness.finish()
            return [self.seconds(pair) for pair in harness.out()]

    @staticmethod
    def seconds(pair):
        return tuple(pair[s] and (pair[s]["at"] - T0) / 1000 for s in ("left", "right"))


@pytest.fixture
def joins():
    return Joins()
