"""A crash at any moment changes nothing of what windows say, or of what is late."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import pytest

import bspump
from bspump.common import InternalSource, RouterSink
from bspump.testing import (
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    virtual_time,
)
from bspump.window import EventTime, SenderTime, Tumbling, WindowAggregator

SECONDS = [1, 2, 9, 12, 3, 11, 14, 25, 13, 31, 4, 38, 40, 52, 47, 61]
"""With a lateness of 5 s and windows of 10 s, 3 comes in time for its window; 13 and 4 do not."""


@dataclass
class World:
    """What outlives a crash."""

    events: list = field(default_factory=lambda: [{"at": second * 1000} for second in SECONDS])
    said: MemoryTable = field(default_factory=MemoryTable)
    late: MemoryTable = field(default_factory=MemoryTable)


class Yielding(bspump.AsyncProcessor):
    """Lets everything else happen between two events."""

    async def process(self, context, event, /):
        await self.App.Clock.sleep(0.3 if event["at"] % 2000 else 0.1)
        return event


def timed(lateness="5s"):
    config = {"max_skew": 0, "idle": 0, "lateness": lateness}
    return partial(EventTime, time="at", id="Time", config=config)


def windows(late):
    return partial(
        WindowAggregator,
        window=Tumbling("10s"),
        aggregate={"n": "count"},
        id="Windows",
        config={"late": late},
    )


def in_one(harness, world):
    harness.chain(
        partial(MemorySource, events=world.events, id="In", chunk_size=3),
        timed(),
        Yielding,
        windows("Late.*Queue"),
        partial(MemoryTwoPhaseSink, table=world.said, id="Said"),
        id="One",
    )
    aside(harness, world)


def linked(harness, world):
    harness.chain(
        partial(MemorySource, events=world.events, id="In", chunk_size=3),
        timed(),
        Yielding,
        partial(RouterSink, id="Router", config={"target": "Two.*Queue"}),
        id="One",
    )
    harness.chain(
        partial(InternalSource, id="Queue"),
        partial(SenderTime, id="Time", config={"idle": 0}),
        windows("Late.*Queue"),
        partial(MemoryTwoPhaseSink, table=world.said, id="Said"),
        id="Two",
    )
    aside(harness, world)


def aside(harness, world):
    harness.chain(
        partial(InternalSource, id="Queue"),
        partial(MemoryTwoPhaseSink, table=world.late, id="Late"),
        id="Late",
    )


def check(world):
    ends = [(each["end_ms"] // 1000, each["n"]) for each in world.said.Events]
    assert ends == [(10, 4), (20, 3), (30, 1), (40, 2), (50, 2), (60, 1), (70, 1)]
    assert world.late.Events == [{"at": 13_000}, {"at": 4000}]


@pytest.mark.parametrize("build", [in_one, linked])
@virtual_time
async def test_windows_say_the_same_wherever_the_program_crashes(build):
    assert await crash_everywhere(World, build, check, every=3, twice_after=7) > 20
