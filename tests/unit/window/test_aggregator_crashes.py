"""A crash anywhere changes nothing of what windows say."""

from __future__ import annotations

import random
from functools import partial

import pytest

from bspump.testing import (
    Harness,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)
from bspump.window import (
    ApproxDistinct,
    Collect,
    Counted,
    EventTime,
    Every,
    Global,
    Hopping,
    Mean,
    Session,
    TopK,
    Tumbling,
    Variance,
    WindowAggregator,
)

ALLOWED = {"config": {"allowed_lateness": "2s"}}

CHOICES = {
    "tumbling": {"window": Tumbling("5s"), **ALLOWED},
    "early": {"window": Tumbling("5s"), "early": Every("2s"), "says": "retract", **ALLOWED},
    "hopping": {"window": Hopping("5s", every="2s"), **ALLOWED},
    "session": {"window": Session("2s"), **ALLOWED},
    "counted": {"window": Counted(3)},
    "global": {"window": Global(), "early": Every("3s"), "says": "discard"},
}

AGGREGATE = {
    "n": "count",
    "mean": Mean("x"),
    "variance": Variance("x"),
    "ids": Collect("id"),
    "top": TopK("x", k=2),
    "about": ApproxDistinct("x"),
}


def stream():
    rng = random.Random(5)
    return [
        {"at": n / 4 - rng.choice([0, 0, 1, 4]), "key": rng.choice("abc"), "x": n % 7, "id": n}
        for n in range(160)
    ]


def parts(name):
    config = {"lateness": 1, "format": "s", "max_skew": 0}
    choices = {"key": "key", "aggregate": AGGREGATE, **CHOICES[name]}
    return partial(EventTime, time="at", config=config), partial(WindowAggregator, **choices)


@pytest.mark.parametrize("name", CHOICES)
@virtual_time
async def test_a_crash_anywhere_changes_nothing_of_what_comes_out(name):
    given = stream()
    async with Harness() as harness:
        harness.chain(*parts(name))
        harness.send(given)
        await harness.finish()
        expected = harness.out()
    assert len(expected) > 10

    def source(app, pipeline):
        made = MemorySource(app, pipeline, given, chunk_size=9)
        slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
        return made

    def build(harness, table):
        sink = partial(MemoryTwoPhaseSink, table=table)
        harness.chain(partial(source), *parts(name), sink)

    def check(table):
        assert table.Events == expected

    assert await crash_everywhere(MemoryTable, build, check, every=79) > 79
