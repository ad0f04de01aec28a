"""Joins find the same wherever their state is kept, also after the program was started again."""

from __future__ import annotations

import random

import pytest

from bspump.join import AsOfJoin, IntervalJoin
from bspump.testing import Harness

pytest.importorskip("rocksdict")


def stream(joins, count=400):
    rng, found = random.Random(7), []
    for number in range(count):
        make = rng.choice([joins.left, joins.right])
        found.append(make(number / 10 - rng.choice([0, 0.5, 1]), rng.choice("abcdef")))
    return found


async def outcome(joins, var_dir, part, store):
    """Return what comes out of two runs of a program, which is stopped in between."""
    kind, arguments = part
    found, events = [], stream(joins)
    for half in (events[:200], events):
        harness = Harness(["--set", f"[general] var_dir={var_dir}"])
        make = joins.make(kind, **arguments, config={"store": store})
        harness.chain(joins.clock(lateness=1), make)
        async with harness:
            harness.send(half)
            await harness.settle()
            found += harness.out()
    return found


@pytest.mark.parametrize(
    "part",
    [(IntervalJoin, {"within": ("-3s", "2s"), "kind": "outer"}), (AsOfJoin, {"max_age": "4s"})],
    ids=["interval", "as of"],
)
async def test_rocksdb_gives_the_same_as_memory(joins, tmp_path, part):
    expected = await outcome(joins, tmp_path / "memory", part, "memory")
    assert len(expected) > 100
    assert await outcome(joins, tmp_path / "rocksdb", part, "rocksdb") == expected
