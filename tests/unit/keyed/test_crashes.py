"""A crash anywhere changes nothing of what comes out, and neither does the size of a batch."""

from __future__ import annotations

import random
from functools import partial

import pytest

from bspump.keyed import (
    ChangeDetector,
    Deduplicator,
    NthSampler,
    RateLimiter,
    ReservoirSampler,
    Sessionizer,
    TimeSorter,
    WaitingEnricher,
)
from bspump.testing import (
    Harness,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)
from bspump.window import Max


def is_x(context, event):
    return event["kind"] == "x"


PARTS = {
    "dedup": partial(Deduplicator, key="key", config={"within": "3s"}),
    "dedup_last": partial(Deduplicator, key="key", config={"within": "1s", "since": "last"}),
    "changes": partial(ChangeDetector, fields="value", key="key", config={"min_change.value": 2}),
    "limit": partial(RateLimiter, key="key", config={"rate": 1, "per": "2s", "burst": 2}),
    "delay": partial(RateLimiter, key="key", config={"rate": 1, "per": "1s", "over": "delay"}),
    "nth": partial(NthSampler, key="key", config={"every": 3}),
    "sample": partial(ReservoirSampler, key="key", config={"size": 2, "per": "5s"}),
    "sorter": partial(TimeSorter),
    "sessions": partial(Sessionizer, key="key", closes=is_x, config={"gap": "2s"}),
    "aggregates": partial(
        Sessionizer, key="key", aggregate={"top": Max("value")}, config={"gap": "2s"}
    ),
    "enricher": partial(WaitingEnricher, key="key", companion=is_x, config={"timeout": "2s"}),
}


def stream(events, count=120):
    rng, at_s, found = random.Random(5), 0.0, []
    for number in range(count):
        at_s += rng.choice([0, 0.25, 0.5, 1])
        fields = {"key": rng.choice("abc"), "kind": rng.choice("xyyy"), "value": rng.randrange(6)}
        found.append(events.at(at_s - rng.choice([0, 0.5, 1]), id=number, **fields))
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
async def test_one_by_one_gives_the_same_as_all_at_once(events, name):
    given, parts = stream(events), [events.clock(lateness=1), PARTS[name]]
    expected = await outcome(parts, given)
    assert len(expected) > 10
    assert await outcome(parts, given, singly=True) == expected


@pytest.mark.parametrize("name", PARTS)
@virtual_time
async def test_a_crash_anywhere_changes_nothing_of_what_comes_out(events, name):
    given = stream(events)
    expected = await outcome([events.clock(lateness=1), PARTS[name]], given)

    def source(app, pipeline):
        made = MemorySource(app, pipeline, [event.copy() for event in given], chunk_size=9)
        slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
        return made

    def build(harness, table):
        sink = partial(MemoryTwoPhaseSink, table=table)
        harness.chain(partial(source), events.clock(lateness=1), PARTS[name], sink)

    def check(table):
        assert table.Events == expected

    assert await crash_everywhere(MemoryTable, build, check, every=41) > 41


@virtual_time
async def test_what_waits_by_the_wall_clock_survives_a_crash(events):
    part = partial(RateLimiter, config={"rate": 1, "per": "5s", "over": "delay", "clock": "wall"})
    given = [{"id": n} for n in range(4)]

    def source(app, pipeline):
        return MemorySource(app, pipeline, given, is_endless=False)

    def build(harness, table):
        harness.chain(partial(source), part, partial(MemoryTwoPhaseSink, table=table))

    def check(table):
        assert table.Events == given

    assert await crash_everywhere(MemoryTable, build, check, every=3) > 3
