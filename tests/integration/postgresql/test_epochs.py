"""Exactly once: what is in the table after crashes, lost connections and lost replies."""

from __future__ import annotations

import asyncio
import functools

import pytest
from steps import NEVER, STEPS, crash_after, write

from bspump.abc.errors import ConfigError, TransientError
from bspump.abc.sink import EpochId
from bspump.postgresql import PostgreSQLSink
from bspump.testing import eventually, lose_reply
from bspump.testing.contracts.base import bare
from bspump.testing.contracts.sink import batch_of
from bspump.testing.harness import Harness

pytestmark = pytest.mark.integration

QUICK = {"retry.first": 0.01}


def numbers(count, first=0):
    return [{"number": number} for number in range(first, first + count)]


@pytest.fixture
def make(database):
    """Return what makes a sink that writes to an empty table exactly once."""
    database.execute("CREATE TABLE items (number integer)")

    def make(**config):
        given = {"table": "items", "exactly_once": "yes", **QUICK, **config}
        return functools.partial(database.make(PostgreSQLSink, **given))

    return make


def stored(database):
    """Return the numbers in the table, in their order."""
    return [row[0] for row in database.execute("SELECT number FROM items ORDER BY ctid")]


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_after_any_step_costs_nothing(database, make, step):
    harness = await crash_after(step, make(), numbers(40), database.cut)
    assert stored(database) == list(range(40))
    assert harness.counts()["event.in"] == (0 if step in ("committed", "promoted") else 20)


async def test_a_transaction_that_is_lost_is_written_again(database, make):
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(make())
        await write(harness, numbers(10))
        database.cut()
        await write(harness, numbers(10, first=10))
        assert stored(database) == []
        await pipeline.checkpoint()
        assert stored(database) == list(range(20))


@pytest.mark.parametrize("count", [0, 10])
async def test_a_commit_whose_answer_is_lost_happens_once(database, make, count):
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(make())
        await write(harness, numbers(10))
        sink = next(iter(pipeline.iter_processors()))
        with lose_reply(sink, method="commit") as fault:
            await pipeline.checkpoint()
        assert fault.struck == 1
        await write(harness, numbers(count, first=10))
        await pipeline.checkpoint()
    assert stored(database) == list(range(10 + count))


async def test_who_asks_for_the_last_epoch_waits_for_a_transaction_that_is_lost(database, make):
    async with bare(make()) as lost:
        await lost.connect()
        await lost.write(batch_of(numbers(3)))
        async with bare(make()) as sink:
            sink.Pipeline = lost.Pipeline  # Of the same store.
            await sink.connect()
            asking = asyncio.ensure_future(sink.committed())
            await asyncio.wait([asking], timeout=0.2)
            assert not asking.done()
            epoch = EpochId(lost.Pipeline.lineage(), 5)
            await lost.commit(epoch, {})
            assert await asking == epoch
            await sink.close()
        await lost.close()
    assert stored(database) == [0, 1, 2]


async def test_a_transaction_that_stays_open_at_the_server_is_waited_for(database, make):
    async with bare(make()) as lost:
        await lost.connect()
        await lost.write(batch_of(numbers(3)))
        async with bare(make()) as sink:
            sink.Pipeline = lost.Pipeline
            await sink.connect()
            with pytest.raises(TransientError, match="lock"):
                await sink.committed()
            await lost.close()
            assert await sink.committed() is None
            await sink.close()


async def test_a_row_that_a_deferred_constraint_refuses_spares_the_others(database, make):
    database.execute("CREATE TABLE parents (id integer PRIMARY KEY)")
    database.execute("INSERT INTO parents SELECT generate_series(0, 19)")
    database.execute(
        "ALTER TABLE items ADD FOREIGN KEY (number) REFERENCES parents INITIALLY DEFERRED"
    )
    async with Harness(NEVER) as harness:
        config = {"batch.max_events": 8}
        pipeline = harness.chain(make(**config), config={"on_error": "skip"})
        await write(harness, [*numbers(10), {"number": 99}, *numbers(10, first=10)])
        await pipeline.checkpoint()
        assert [failure.event for failure in harness.errors] == [{"number": 99}]
    assert sorted(stored(database)) == list(range(20))


async def test_within_a_batch_constraints_stay_deferred(database, make):
    database.execute(
        "CREATE TABLE tree (id integer PRIMARY KEY,"
        " parent integer REFERENCES tree DEFERRABLE INITIALLY DEFERRED)"
    )
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(make(table="tree"))
        for first in (0, 2):
            await write(
                harness, [{"id": first, "parent": first + 1}, {"id": first + 1, "parent": None}]
            )
        await pipeline.checkpoint()
    assert len(database.execute("SELECT * FROM tree")) == 4


async def test_refused_rows_spare_their_neighbours_and_the_transaction(database, make):
    async with Harness(NEVER) as harness:
        pipeline = harness.chain(make(), config={"on_error": "skip"})
        await write(harness, [*numbers(3), {"number": "three"}, *numbers(3, first=3)])
        await write(harness, [{"number": 1, "what": 1}, *numbers(3, first=6)])
        await pipeline.checkpoint()
        assert len(harness.errors) == 2
    assert stored(database) == list(range(9))


async def test_a_large_transaction_asks_for_a_checkpoint(database, make):
    async with Harness(NEVER) as harness:
        config = {"transaction.max_events": 100, "batch.max_events": 10}
        harness.chain(make(**config))
        harness.send(numbers(1000))
        await eventually(lambda: len(stored(database)) >= 900, 10)


async def test_a_missing_right_says_what_is_to_be_run(database, make):
    database.execute("DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN")
    database.execute("GRANT USAGE ON SCHEMA public TO poor; GRANT ALL ON items TO poor")
    try:
        async with Harness(NEVER) as harness:
            database.connection(harness.app, user="poor")
            pipeline = harness.chain(make())
            await eventually(pipeline.has_error)
            error = harness.errors[-1].error
            assert isinstance(error, ConfigError)
            assert "CREATE TABLE" in str(error)
    finally:
        database.execute("DROP OWNED BY poor; DROP ROLE poor")
