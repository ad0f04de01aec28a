"""What joins do between events, and when a program with other options goes on."""

from __future__ import annotations

import pytest
from joining import Store, benches, context_of

from bspump.join import AsOfJoin, IntervalJoin

SIDES = {"left": {"side": "L"}, "right": {"side": "R"}, "key": "key"}


@pytest.fixture(scope="module")
def bench():
    with benches() as bench:
        yield bench


def left(at, key="a"):
    return context_of(at, at - 100), {"side": "L", "key": key, "at": at}


def times(part):
    return [at_ms for _, at_ms, _ in part.found]


def test_what_is_due_waits_while_the_pipeline_is_held_back(bench, monkeypatch):
    part = bench.make(AsOfJoin, **SIDES)
    for at in (10, 20, 30):
        part.generate(*left(at), 1)
    monkeypatch.setattr(bench.pipeline, "is_ready", lambda: len(part.found) < 2)
    part.advance(40, 0)
    assert times(part) == [10, 20]
    # Behind it time is no further than what still waits.
    assert part.watermark_ms() <= 30
    monkeypatch.setattr(bench.pipeline, "is_ready", lambda: True)
    part.advance(40, 0)
    assert times(part) == [10, 20, 30]
    assert part.watermark_ms() == 40


def test_time_never_goes_back(bench):
    part = bench.make(AsOfJoin, **SIDES)
    part.advance(40, 0)
    part.advance(30, 0)
    assert part.watermark_ms() == 40


@pytest.mark.parametrize("within", ["5ms", "50ms"])
def test_a_program_with_another_interval_goes_on_with_what_was_kept(bench, within):
    part, store = bench.make(IntervalJoin, **SIDES, within="20ms", kind="left"), Store()
    part.generate(*left(10), 1)
    store.keep(part)
    part = store.bring_back(bench.make(IntervalJoin, **SIDES, within=within, kind="left"))
    part.advance(14, 0)
    assert times(part) == []
    part.advance(61, 0)
    assert times(part) == [15 if within == "5ms" else 60]


def test_nothing_has_changed_where_nothing_came(bench):
    part = bench.make(AsOfJoin, **SIDES)
    assert part.snapshot() is None
    part.generate(*left(10), 1)
    assert set(part.snapshot().changed) == {"a"}
    assert part.snapshot() is None
    part.generate(*left(11, "b"), 1)
    assert set(part.snapshot().changed) == {"b"}
