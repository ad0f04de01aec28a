"""The sources of queries and notifications: what they read, and that they outlive the server."""

from __future__ import annotations

import pytest

from bspump.postgresql import (
    PostgreSQLIncrementalSource,
    PostgreSQLNotifySource,
    PostgreSQLSource,
)
from bspump.testing import Harness, eventually
from bspump.testing.contracts.base import bare, maker
from bspump.trigger import OpportunisticTrigger

pytestmark = pytest.mark.integration

WITHIN_S = 20.0


class Repeated(PostgreSQLSource):
    """Triggers itself."""

    def __init__(self, app, pipeline, connection, id=None, config=None):
        super().__init__(app, pipeline, connection, id, config)
        self.on(OpportunisticTrigger(app, chilldown_period=0.02))


@pytest.mark.slow
async def test_a_query_outlives_its_server(database, postgres):
    database.execute("CREATE TABLE items AS SELECT generate_series(1, 5000) AS id")
    make = maker(database.make(Repeated, query="SELECT id FROM items ORDER BY id;"))
    async with Harness() as harness:
        harness.chain(make)
        await eventually(lambda: len(harness.out()) >= 5000, WITHIN_S)
        postgres.kill()
        seen = len(harness.out())
        postgres.start()
        await eventually(lambda: len(harness.out()) >= seen + 10_000, WITHIN_S)
        rows = harness.out()
        assert rows[0] == {"id": 1}
        assert rows[0] is not rows[1]
        assert harness.errors == []


async def test_a_query_that_fails_stops_the_pipeline(database):
    async with Harness() as harness:
        pipeline = harness.chain(maker(database.make(Repeated, query="SELECT 1 / 0")))
        await eventually(pipeline.has_error, WITHIN_S)
        assert "division by zero" in str(harness.errors[0].error)


async def read_all(source, position=None):
    found = []
    while True:
        chunk = await source.read(position)
        if not chunk.events:
            return found, position
        found += chunk.events
        position = chunk.position


async def test_rows_with_equal_values_come_together(database):
    database.execute("CREATE TABLE items AS SELECT n / 10 AS grade, n FROM generate_series(0,99) n")
    database.execute("INSERT INTO items VALUES (NULL, -1)")
    config = {"table": "items", "columns": "grade", "chunk_events": 7}
    async with bare(maker(database.make(PostgreSQLIncrementalSource, **config))) as source:
        await source.connect()
        found, position = await read_all(source)
        assert sorted(row["n"] for row in found) == list(range(100))
        assert position == ["9"]
        assert found[0].keys() == {"grade", "n"}
        await source.close()


async def test_two_columns_break_ties(database):
    database.execute(
        "CREATE TABLE items AS SELECT 'epoch'::timestamptz + n / 10 * interval '1.000001 s' AS at,"
        " n AS id FROM generate_series(0, 99) n"
    )
    config = {
        "query": "SELECT *, '100%' AS share FROM items WHERE id % 2 = 0;",
        "columns": "at, id",
        "chunk_events": 7,
    }
    async with bare(maker(database.make(PostgreSQLIncrementalSource, **config))) as source:
        await source.connect()
        found, position = await read_all(source)
        assert [row["id"] for row in found] == list(range(0, 100, 2))
        assert found[0]["share"] == "100%"
        database.execute("INSERT INTO items SELECT max(at), 100 FROM items")
        more, _ = await read_all(source, position)
        assert [row["id"] for row in more] == [100]
        await source.close()


async def test_reading_begins_after_the_start_that_is_given(database):
    database.execute("CREATE TABLE items AS SELECT generate_series(1, 10) AS id")
    config = {"table": "items", "columns": "id", "start": "7"}
    async with bare(maker(database.make(PostgreSQLIncrementalSource, **config))) as source:
        await source.connect()
        assert (await read_all(source))[0] == [{"id": 8}, {"id": 9}, {"id": 10}]
        await source.close()


@pytest.mark.slow
async def test_with_a_lag_an_overlapping_transaction_is_not_missed(database):
    database.execute("CREATE TABLE items (id serial)")
    config = {"table": "items", "columns": "id", "lag": 0.5, "idle": 0.02}
    async with Harness() as harness:
        harness.chain(maker(database.make(PostgreSQLIncrementalSource, **config)))
        with database.connect() as slow:
            slow.execute("INSERT INTO items DEFAULT VALUES")
            database.execute("INSERT INTO items DEFAULT VALUES")
            await harness.app.Clock.sleep(0.2)
            assert harness.out() == []
        await eventually(lambda: len(harness.out()) == 2, WITHIN_S)
        assert harness.out() == [{"id": 1}, {"id": 2}]


async def test_a_query_that_takes_too_long_is_asked_again(database):
    database.execute("CREATE TABLE items AS SELECT generate_series(1, 3) AS id")
    config = {"table": "items", "columns": "id", "timeout": 0.2, "retry.first": 0.01}
    async with Harness() as harness:
        with database.connect() as connection:
            connection.execute("LOCK TABLE items")
            harness.chain(maker(database.make(PostgreSQLIncrementalSource, **config)))
            await eventually(
                lambda: [r for r in harness.logs if r.getMessage() == "cannot read"], WITHIN_S
            )
        await eventually(lambda: len(harness.out()) == 3, WITHIN_S)


async def test_a_listener_comes_back_and_says_that_it_has_missed_something(database):
    config = {"channels": "Odd channel, other", "retry.first": 0.01}
    async with Harness() as harness:
        pipeline = harness.chain(maker(database.make(PostgreSQLNotifySource, **config)))
        source = pipeline.Sources[0]
        await eventually(lambda: source._connection is not None)
        database.execute("SELECT pg_notify('Odd channel', 'a'), pg_notify('other', 'b')")
        await eventually(lambda: len(harness.out()) == 2, WITHIN_S)
        database.cut()
        await eventually(
            lambda: [r for r in harness.logs if "are lost" in r.getMessage()], WITHIN_S
        )
        database.execute("NOTIFY other, 'c'")
        await eventually(lambda: harness.out() == ["a", "b", "c"], WITHIN_S)
