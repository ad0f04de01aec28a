"""Joins of streams that are out of order find what SQL finds in all events at once."""

from __future__ import annotations

import random
from functools import partial

import pytest

from bspump.join import AsOfJoin, IntervalJoin, TemporalJoin
from bspump.testing import Harness, virtual_time
from bspump.window import EventTime

duckdb = pytest.importorskip("duckdb", reason="the extra `duckdb` is not installed")

COUNT, KEYS, LATENESS_MS = 2500, 12, 5000
SIDES = {"left": {"side": "L"}, "right": {"side": "R"}}


@pytest.fixture(scope="module")
def rows():
    """Return events in the order in which they come; times of one side and key differ."""
    rng = random.Random(3)
    times = rng.sample(range(COUNT * 40), COUNT)
    rows = [
        {"id": i, "side": rng.choice("LLLR"), "key": rng.choice([*range(KEYS), None]), "ms": at}
        for i, at in enumerate(sorted(times))
    ]
    return sorted(rows, key=lambda row: row["ms"] + rng.randrange(LATENESS_MS))


@pytest.fixture(scope="module")
def database(rows):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE e (id INTEGER, side VARCHAR, key INTEGER, ms BIGINT)")
        connection.executemany("INSERT INTO e VALUES ($id, $side, $key, $ms)", rows)
        connection.execute("CREATE VIEW l AS SELECT * FROM e WHERE side = 'L'")
        connection.execute("CREATE VIEW r AS SELECT * FROM e WHERE side = 'R'")
        yield connection


async def joined(kind, rows, /, **arguments):
    clock = partial(EventTime, time="ms", config={"lateness": LATENESS_MS / 1000})
    async with Harness() as harness:
        harness.chain(clock, partial(kind, **SIDES, **{"key": "key", **arguments}))
        harness.send(rows)
        await harness.finish()
        return sorted(map(ids, harness.out()), key=repr)


def ids(pair):
    return tuple(pair[side] and pair[side]["id"] for side in ("left", "right"))


@pytest.mark.parametrize(
    ("kind", "sql"), [("inner", ""), ("left", "LEFT"), ("right", "RIGHT"), ("outer", "FULL")]
)
@virtual_time
async def test_an_interval_join_is_that_of_sql(rows, database, kind, sql):
    expected = database.execute(
        f"SELECT l.id, r.id FROM l {sql} JOIN r"  # noqa: S608 - the words above
        " ON l.key = r.key AND r.ms - l.ms BETWEEN -1500 AND 4000"
    ).fetchall()
    assert len(expected) > 1000
    found = await joined(IntervalJoin, rows, within=("-1.5s", "4s"), kind=kind)
    assert found == sorted(expected, key=repr)


@pytest.mark.parametrize(("kind", "sql"), [("inner", ""), ("left", "LEFT")])
@pytest.mark.parametrize("part", [AsOfJoin, TemporalJoin])
@virtual_time
async def test_an_as_of_join_is_that_of_sql(rows, database, part, kind, sql):
    expected = database.execute(
        f"SELECT l.id, r.id FROM l ASOF {sql} JOIN r ON l.key = r.key AND l.ms >= r.ms"  # noqa: S608 - the words above
    ).fetchall()
    assert len(expected) > 1000
    assert await joined(part, rows, kind=kind) == sorted(expected, key=repr)


@virtual_time
async def test_an_as_of_join_with_an_age_is_that_of_sql(rows, database):
    expected = database.execute(
        "SELECT l.id, CASE WHEN l.ms - r.ms <= 900 THEN r.id END"
        " FROM l ASOF LEFT JOIN r ON l.key = r.key AND l.ms >= r.ms"
    ).fetchall()
    found = await joined(AsOfJoin, rows, max_age=0.9)
    assert found == sorted(expected, key=repr)
    assert 300 < sum(right is None for _, right in found) < 1500
