"""A crash anywhere changes nothing of what comes out, and neither does the size of a batch."""

from __future__ import annotations

import random
from functools import partial

import pytest

from bspump.join import AsOfJoin, IntervalJoin, TemporalJoin
from bspump.testing import (
    Harness,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)

PARTS = {
    "inner": (IntervalJoin, {"within": ("-2s", "1s")}),
    "outer": (IntervalJoin, {"within": ("-2s", "1s"), "kind": "outer"}),
    "as of": (AsOfJoin, {"max_age": "2s"}),
    "temporal": (
        TemporalJoin,
        {"deleted": lambda context, event: event["id"] % 4 == 0, "config": {"retention": "1s"}},
    ),
}


def stream(joins, count=120):
    rng, at_s, found = random.Random(5), 0.0, []
    for number in range(count):
        at_s += rng.choice([0, 0.25, 0.5, 1])
        make = rng.choice([joins.left, joins.right])
        found.append(make(at_s - rng.choice([0, 0.5, 1]), rng.choice("abc"), id=number))
    return found


async def outcome(parts, given, singly=False):
    async with Harness() as harness:
        pipeline = harness.chain(*parts)
        if singly:
            for event in given:
                await pipeline.process(event.copy())
        else:
            harness.send([event.copy() for event in given])
        await harness.finish()
        return harness.out()


@pytest.mark.parametrize("name", PARTS)
@virtual_time
async def test_one_by_one_gives_the_same_as_all_at_once(joins, name):
    kind, arguments = PARTS[name]
    given, parts = stream(joins), [joins.clock(lateness=1), joins.make(kind, **arguments)]
    expected = await outcome(parts, given)
    assert len(expected) > 10
    assert await outcome(parts, given, singly=True) == expected


@pytest.mark.parametrize("name", PARTS)
@virtual_time
async def test_a_crash_anywhere_changes_nothing_of_what_comes_out(joins, name):
    kind, arguments = PARTS[name]
    given, parts = stream(joins), [joins.clock(lateness=1), joins.make(kind, **arguments)]
    expected = await outcome(parts, given)

    def source(app, pipeline):
        made = MemorySource(app, pipeline, [event.copy() for event in given], chunk_size=9)
        slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
        return made

    def build(harness, table):
        harness.chain(partial(source), *parts, partial(MemoryTwoPhaseSink, table=table))

    def check(table):
        assert table.Events == expected

    assert await crash_everywhere(MemoryTable, build, check, every=41) > 41
