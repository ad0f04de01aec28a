"""The sink: what is written, what is refused, and what happens when the server fails."""

from __future__ import annotations

import pytest

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    RejectedError,
    TransientError,
)
from bspump.abc.sink import Batch
from bspump.postgresql import (
    PostgreSQLSink,
)
from bspump.testing import Harness, eventually
from bspump.testing.contracts.base import bare, maker

pytestmark = pytest.mark.integration

WITHIN_S = 20.0


def batch(events):
    return Batch(events, [{} for _ in events])


def rows(count, first=0):
    return [{"id": n, "name": f"name {n}"} for n in range(first, first + count)]


def held(database):
    return [n for (n,) in database.execute("SELECT id FROM items ORDER BY id")]


@pytest.fixture
def sink(database):
    database.execute("CREATE TABLE items (id integer PRIMARY KEY, name text)")

    def make(**config):
        given = {"table": "items", "retry.first": 0.01, "retry.longest": 0.1, **config}
        return maker(database.make(PostgreSQLSink, **given))

    return make


@pytest.mark.slow
async def test_a_hundred_thousand_rows_arrive(database, sink):
    async with Harness() as harness:
        harness.chain(sink())
        harness.send(rows(100_000))
        await harness.finish()
        assert database.execute("SELECT count(*), sum(id) FROM items") == [(100_000, 4999950000)]


@pytest.mark.slow
@pytest.mark.parametrize("times", [3])
async def test_a_killed_server_loses_no_row(database, sink, postgres, times):
    async with Harness() as harness:
        harness.chain(sink(key="id", **{"batch.max_events": 200}))
        for n in range(times):
            harness.send(rows(10_000, n * 10_000))
            await eventually(lambda n=n: len(held(database)) > n * 10_000, WITHIN_S)
            postgres.kill()
            postgres.start()
        await harness.finish()
        assert held(database) == list(range(10_000 * times))
        assert harness.errors == []


@pytest.mark.slow
async def test_a_paused_server_is_waited_for(database, sink, postgres):
    async with Harness() as harness:
        harness.chain(sink(key="id", write_timeout=0.5))
        harness.send(rows(10))
        await harness.settle()
        postgres.pause()
        harness.send(rows(10, 10))
        try:
            await harness.app.Clock.sleep(1.0)
        finally:
            postgres.resume()
        await harness.finish()
        assert held(database) == list(range(20))


async def test_refused_rows_are_set_aside_one_by_one(database, sink):
    events = rows(100)
    events[10] = {"id": 10, "name": "a\x00b"}
    events[20] = {"id": "twenty", "name": "x"}
    events[30] = {"id": 30, "title": "x"}
    events[40] = {"id": 41, "name": "the same id as the next"}
    events[50] = "no dict"
    events[60] = {"id": 60, "name": object()}
    events[70] = {"id": 70, "name": "\ud800"}
    async with Harness() as harness:
        harness.chain(sink(), config={"on_error": "skip"})
        harness.send(events)
        await harness.finish()
        failed = {id(failure.event) for failure in harness.errors}
        bad = [n for n, event in enumerate(events) if id(event) in failed]
        # Of two rows with the same key the later is refused.
        assert bad == [10, 20, 30, 41, 50, 60, 70]
        assert len(held(database)) == 93


async def test_fields_are_written_as_their_columns_need_them(database, sink):
    database.execute(
        "CREATE TABLE kinds (id serial, a json, b jsonb, tags text[], raw bytea, n numeric,"
        " at timestamptz DEFAULT 'epoch')"
    )
    event = {
        "a": [1, {"x": 2**70}],
        "b": True,
        "tags": ["x", None, 'y"'],
        "raw": b"\x00\xff",
        "n": 1.5,
    }
    async with Harness() as harness:
        harness.chain(sink(table="public.kinds"))
        harness.send([event, {"b": {"day": harness.app.time()}, "at": "2024-02-29 12:00Z"}])
        await harness.finish()
    first, second = database.execute("SELECT a, b, tags, raw, n, at, id FROM kinds ORDER BY id")
    assert first[:5] == ([1, {"x": 2**70}], True, ["x", None, 'y"'], b"\x00\xff", 1.5)
    assert first[5].timestamp() == 0
    assert second[5].isoformat().startswith("2024-02-29")
    assert [first[6], second[6]] == [1, 2]


async def test_chosen_columns_leave_the_other_fields_out(database, sink):
    async with Harness() as harness:
        harness.chain(sink(columns="id, name"))
        harness.send([{"id": 1, "name": "a", "more": "b"}, {"id": 2}])
        await harness.finish()
    assert database.execute("SELECT * FROM items ORDER BY id") == [(1, "a"), (2, None)]


async def test_of_rows_with_the_same_key_the_later_wins(database, sink):
    async with Harness() as harness:
        harness.chain(sink(key="id"))
        harness.send([{"id": 1, "name": "a"}, {"id": 2}, {"id": 1, "name": "b"}, {"id": 1}])
        await harness.finish()
    assert database.execute("SELECT * FROM items ORDER BY id") == [(1, "b"), (2, None)]


async def test_a_query_may_name_its_fields(database, sink):
    query = "INSERT INTO items VALUES (%(id)s, upper(%(name)s))"
    async with Harness() as harness:
        harness.chain(sink(table="", query=query), config={"on_error": "skip"})
        harness.send([{"id": 1, "name": "a"}, {"id": 2}])
        await harness.finish()
        assert [failure.event for failure in harness.errors] == [{"id": 2}]
    assert database.execute("SELECT * FROM items") == [(1, "A")]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"table": "nowhere"}, "'nowhere' is not there"),
        ({"columns": "id, title"}, "has no column 'title'"),
        ({"key": "title"}, "has no column 'title'"),
        ({"query": "SELECT 1"}, "expected one of them"),
        ({"table": ""}, "expected one of them"),
    ],
)
async def test_what_can_never_be_written_is_told_when_it_connects(sink, config, message):
    async with bare(sink(**config)) as made:
        with pytest.raises(ConfigError, match=message):
            await made.connect()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELEC", ConfigError),
        ("INSERT INTO nowhere VALUES (%s)", ConfigError),
        ("SELECT 1 / (%s::int - 1)", RejectedError),
        ("SELECT pg_terminate_backend(pg_backend_pid()), %s::int", NotConnectedError),
        ("DO $$ BEGIN RAISE deadlock_detected; END $$; --", TransientError),
        ("DO $$ BEGIN RAISE serialization_failure; END $$; --", TransientError),
        ("DO $$ BEGIN RAISE too_many_connections; END $$; --", TransientError),
        ("DO $$ BEGIN RAISE EXCEPTION 'not this one'; END $$; --", RejectedError),
    ],
)
async def test_an_error_tells_the_engine_what_to_do(sink, statement, expected):
    data = "id" if "%s" in statement else ""
    async with bare(sink(table="", query=statement, data=data)) as made:
        await made.connect()
        with pytest.raises(expected):
            await made.write(batch([{"id": 1}]))
        await made.close()


async def test_a_lock_that_is_not_had_in_time_is_waited_for(database, sink):
    async with Harness() as harness:
        database.connection(harness.app, parameters={"options": "-c lock_timeout=50ms"})
        harness.chain(sink(key="id"))
        with database.connect() as connection:
            connection.execute("LOCK TABLE items")
            harness.send(rows(3))
            await eventually(
                lambda: [r for r in harness.logs if r.getMessage() == "write failed"], WITHIN_S
            )
        await harness.finish()
        assert held(database) == [0, 1, 2]
