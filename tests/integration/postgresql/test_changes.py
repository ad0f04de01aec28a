"""Change data capture: what is committed comes out once, in its order, whatever happens."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigError, NotConnectedError, TransientError
from bspump.postgresql import PostgreSQLReplicationSource
from bspump.postgresql import stream as stream_module
from bspump.testing import Harness, eventually
from bspump.testing.contracts.base import bare, made_in, maker

pytestmark = pytest.mark.integration

WITHIN_S = 20.0


async def come(harness, count):
    """Return the events, as soon as there are so many."""
    await eventually(lambda: len(harness.out()) >= count, WITHIN_S)
    return harness.out()


async def started(harness):
    """Wait until the source reads or has begun with the snapshot; return it."""
    source = harness.pipelines[0].Sources[0]
    await eventually(lambda: source._feed or source._snapshot, WITHIN_S)
    return source


def ids(events):
    return [event["new"]["id"] for event in events]


async def test_inserts_updates_deletes_and_truncates_come_in_their_order(database, make):
    async with Harness() as harness:
        harness.chain(make())
        await started(harness)
        with database.connect() as connection:
            connection.execute("INSERT INTO items VALUES (1, 'a', NULL), (2, 'b', 'x')")
            connection.execute("UPDATE items SET name = 'A' WHERE id = 1")
        database.execute("UPDATE items SET id = 3 WHERE id = 2")
        database.execute("DELETE FROM items WHERE id = 1")
        database.execute("TRUNCATE items")
        events = await come(harness, 6)
    assert [(e["operation"], e["key"], e["old"], e["new"]) for e in events] == [
        ("insert", {"id": 1}, None, {"id": 1, "name": "a", "doc": None}),
        ("insert", {"id": 2}, None, {"id": 2, "name": "b", "doc": "x"}),
        ("update", {"id": 1}, None, {"id": 1, "name": "A", "doc": None}),
        ("update", {"id": 3}, {"id": 2}, {"id": 3, "name": "b", "doc": "x"}),
        ("delete", {"id": 1}, {"id": 1}, None),
        ("truncate", None, None, None),
    ]
    assert {(e["schema"], e["table"]) for e in events} == {("public", "items")}
    assert [e["sequence"] for e in events] == [1, 2, 3, 1, 1, 1]
    assert len({e["xid"] for e in events}) == 4
    lsns = [e["lsn"] for e in events]
    assert lsns == sorted(lsns)
    now_ms = harness.app.time() * 1000
    assert all(now_ms - 60_000 < e["committed_ms"] <= now_ms + 1000 for e in events)


async def test_values_have_the_types_of_their_columns(database, slot):
    database.execute(
        "CREATE TABLE kinds (id bigint PRIMARY KEY, yes boolean, amount numeric, data jsonb,"
        " raw bytea, at timestamptz, days date[], tags text[], mood text)"
    )
    database.execute(
        "INSERT INTO kinds VALUES (1, true, 1.50, '{\"a\": [1]}', '\\x00ff', 'infinity',"
        " '{2024-02-29}', '{a,NULL}', 'ok')"
    )
    with database.connect() as connection:
        expected = connection.execute("SELECT amount, data, raw, days, tags FROM kinds").fetchone()
    config = {"slot_name": slot, "tables": "kinds", "snapshot": True}
    async with Harness() as harness:
        harness.chain(maker(database.make(PostgreSQLReplicationSource, **config)))
        await eventually(lambda: database.confirmed(slot) >= 0, WITHIN_S)
        database.execute("UPDATE kinds SET mood = 'good'")
        first, second = await come(harness, 2)
    for row in (first["new"], second["new"]):
        assert (row["amount"], row["data"], row["raw"], row["days"], row["tags"]) == expected
        assert row["at"] == "infinity"
        assert row["yes"] is True


async def test_a_value_stored_apart_that_was_not_touched_is_named(database, make):
    large = "0123456789" * 2000
    database.execute("ALTER TABLE items ALTER COLUMN doc SET STORAGE EXTERNAL")
    async with Harness() as harness:
        harness.chain(make())
        await started(harness)
        database.execute("INSERT INTO items VALUES (1, 'a', %s)", [large])
        database.execute("UPDATE items SET name = 'b'")
        database.execute("ALTER TABLE items REPLICA IDENTITY FULL")
        database.execute("UPDATE items SET name = 'c'")
        inserted, updated, full = await come(harness, 3)
    assert inserted["new"]["doc"] == large
    assert updated["new"] == {"id": 1, "name": "b"}
    assert updated["unchanged"] == ["doc"]
    assert full["new"] == {"id": 1, "name": "c", "doc": large}
    assert full["old"] == {"id": 1, "name": "b", "doc": large}
    assert full["unchanged"] == []


async def test_a_large_transaction_comes_in_pieces(database, make):
    async with Harness() as harness:
        harness.chain(make(chunk_events=500))
        source = await started(harness)
        chunks = []
        read = source.read

        async def noted(position):
            chunk = await read(position)
            chunks.append(len(chunk.events))
            return chunk

        source.read = noted
        database.execute("INSERT INTO items SELECT n, 'a', NULL FROM generate_series(1, 30000) n")
        assert ids(await come(harness, 30_000)) == list(range(1, 30_001))
    assert max(chunks) == 500


async def test_a_changed_table_is_read_as_it_was_at_each_moment(database, make):
    async with Harness() as harness:
        harness.chain(make())
        await started(harness)
        database.execute("INSERT INTO items VALUES (1, 'a', NULL)")
        database.execute("ALTER TABLE items ADD COLUMN extra integer DEFAULT 7, DROP COLUMN doc")
        database.execute("INSERT INTO items VALUES (2, 'b')")
        first, second = await come(harness, 2)
    assert first["new"] == {"id": 1, "name": "a", "doc": None}
    assert second["new"] == {"id": 2, "name": "b", "extra": 7}


async def test_a_stop_and_a_start_neither_lose_nor_repeat_anything(database, make):
    found = []
    for n in range(3):
        async with Harness() as harness:
            harness.chain(make())
            await started(harness)
            first = n * 1000 + 1
            database.execute(
                "INSERT INTO items SELECT n, 'a', NULL FROM generate_series(%s::int, %s::int) n",
                [first, first + 999],
            )
            found += await come(harness, 1000)
    assert ids(found) == list(range(1, 3001))


async def test_what_was_not_acknowledged_comes_again_after_a_crash(database, make, slot):
    async with bare(make()) as source:
        await source.connect()
        for n in range(1, 6):
            database.execute("INSERT INTO items VALUES (%s, 'a', NULL)", [n])
        position, count = None, 0
        while count < 5 or position["events"]:
            chunk = await source.read(position)
            position, count = chunk.position, count + len(chunk.events)
            if count and chunk.events:
                await source.acknowledge(chunk.position)
        confirmed = position["lsn"]
        await eventually(lambda: database.confirmed(slot) == confirmed)
        database.execute("INSERT INTO items VALUES (6, 'a', NULL)")
        assert ids((await source.read(position)).events) == [6]
        # No acknowledgement, no farewell.
        await source._feed.stream.connection.close()
        await source.close()
    async with Harness() as harness:
        harness.chain(make())
        assert ids(await come(harness, 1)) == [6]


async def test_a_lost_acknowledgement_is_made_up_for(database, make, slot):
    async with bare(make()) as source:
        await source.connect()
        database.execute("INSERT INTO items VALUES (1, 'a', NULL)")
        chunk = await source.read(None)
        while not chunk.events:
            chunk = await source.read(chunk.position)
        database.cut()
        await source.acknowledge(chunk.position)
        await source.close()
        source.Position = chunk.position
        await source.connect()
        source._feed.stream.send_status()
        await eventually(lambda: database.confirmed(slot) >= chunk.position["lsn"])
        await source.close()


@pytest.mark.slow
@pytest.mark.fault("PostgreSQLReplicationSource", "killed")
async def test_a_killed_server_loses_nothing(database, make, postgres):
    async with Harness() as harness:
        harness.chain(make())
        await started(harness)
        for n in range(3):
            first = n * 2000 + 1
            database.execute(
                "INSERT INTO items SELECT n, 'a', NULL FROM generate_series(%s::int, %s::int) n",
                [first, first + 1999],
            )
            postgres.kill()
            postgres.start()
        await eventually(lambda: set(ids(harness.out())) == set(range(1, 6001)), WITHIN_S)
        found = ids(harness.out())
    # What comes again was under way when the server died, and the engine had kept its place.
    assert found == list(range(1, 6001))


@pytest.mark.slow
async def test_a_pipeline_that_is_held_back_keeps_its_connection(database, make, monkeypatch):
    monkeypatch.setattr(stream_module, "STATUS_EVERY_S", 0.2)
    async with Harness() as harness:
        database.connection(harness.app, parameters={"options": "-c wal_sender_timeout=1s"})
        pipeline = harness.chain(make())
        source = await started(harness)
        pipeline.throttle("held")
        database.execute(
            "INSERT INTO items SELECT n, 'a', repeat('x', 1000) FROM generate_series(1, 20000) n"
        )
        feed = source._feed
        await harness.app.Clock.sleep(2.5)
        pipeline.throttle("held", False)
        assert ids(await come(harness, 20_000)) == list(range(1, 20_001))
        assert source._feed is feed
        assert [r for r in harness.logs if r.levelname == "WARNING"] == []


async def test_a_silent_server_is_given_up(database, make, postgres):
    async with bare(make(timeout=0.1)) as source:
        await source.connect()
        postgres.pause()
        try:
            with pytest.raises(NotConnectedError, match="has been silent for"):
                await read_on(source)
        finally:
            postgres.resume()
        await source.close()


async def read_on(source):
    while True:
        await source.read(source._feed.position)


async def test_a_quiet_table_lets_the_server_forget_its_log(database, make, slot):
    database.execute("CREATE TABLE others (id integer)")
    async with Harness() as harness:
        harness.chain(make())
        await started(harness)
        database.execute("INSERT INTO others SELECT generate_series(1, 1000)")
        ((lsn,),) = database.execute("SELECT pg_current_wal_lsn() - '0/0'")
        await eventually(lambda: database.confirmed(slot) >= lsn, WITHIN_S)
    assert harness.out() == []


async def test_a_position_that_the_slot_has_left_behind_is_an_error(database, make):
    async with bare(make()) as source:
        await source.connect()
        start = source._feed.position
        database.execute("INSERT INTO items VALUES (1, 'a', NULL)")
        chunk = await source.read(None)
        while not chunk.events:
            chunk = await source.read(chunk.position)
        await source.acknowledge(chunk.position)
        await source.close()
        source.Position = {**start, "lsn": start["lsn"] - 8}
        with pytest.raises(ConfigError, match="has been confirmed up to"):
            await source.connect()
        source.Position = {**start, "lsn": start["lsn"] + (1 << 40)}
        with pytest.raises(ConfigError, match="the log of the server ends at"):
            await source.connect()


async def test_a_slot_that_was_dropped_is_an_error(database, make, slot):
    async with bare(make()) as source:
        await source.connect()
        position = source._feed.position
        await source.close()
        database.execute("SELECT pg_drop_replication_slot(%s)", [slot])
        source.Position = position
        with pytest.raises(ConfigError, match="there is no such slot any more"):
            await source.connect()


async def test_a_slot_has_one_reader_and_another_waits(database, make, monkeypatch):
    monkeypatch.setattr("bspump.postgresql.feed._FREE_WITHIN_S", 0.1)
    async with Harness() as harness:
        first, second = made_in(harness, make()), made_in(harness, make())
        await first.connect()
        with pytest.raises(TransientError, match="is read by somebody else"):
            await second.connect()
        await first.close()
        await second.connect()
        await second.close()


async def test_a_slot_of_another_kind_is_an_error(database, make, slot):
    database.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", [slot])
    async with bare(make()) as source:
        with pytest.raises(ConfigError, match="plug-in 'test_decoding'"):
            await source.connect()


async def test_a_publication_that_nobody_has_defined_is_an_error(database, make):
    async with bare(make(tables="")) as source:
        with pytest.raises(ConfigError, match="CREATE PUBLICATION"):
            await source.connect()
