"""The initial snapshot: with the changes that follow it makes a whole."""

from __future__ import annotations

import threading

import pytest

from bspump.postgresql import PostgreSQLReplicationSource
from bspump.testing import Harness, eventually
from bspump.testing.contracts.base import made_in, maker

pytestmark = pytest.mark.integration

WITHIN_S = 20.0


async def come(harness, count):
    """Return the events, as soon as there are so many."""
    await eventually(lambda: len(harness.out()) >= count, WITHIN_S)
    return harness.out()


def ids(events):
    return [event["new"]["id"] for event in events]


async def test_the_snapshot_and_the_changes_make_a_whole(database, make, slot):
    """Rows are inserted all the time; each comes once, in the snapshot or as a change."""
    database.execute("INSERT INTO items SELECT n, 'a', NULL FROM generate_series(1, 5000) n")
    stop = threading.Event()
    written = []

    def insert():
        with database.connect(autocommit=True) as connection:
            n = 5000
            while not stop.is_set():
                n += 1
                connection.execute("INSERT INTO items VALUES (%s, 'b', NULL)", [n])
                written.append(n)

    thread = threading.Thread(target=insert)
    async with Harness() as harness:
        thread.start()
        harness.chain(make(snapshot=True, chunk_events=100))
        try:
            await eventually(lambda: database.confirmed(slot) >= 0, WITHIN_S)
        finally:
            stop.set()
            thread.join()
        events = await come(harness, 5000 + len(written))
    assert sorted(ids(events)) == list(range(1, 5001 + len(written)))
    kinds = [event["operation"] for event in events]
    assert kinds == sorted(kinds, reverse=True)
    assert {"snapshot", "insert"} == set(kinds)
    assert all(event["key"] == {"id": event["new"]["id"]} for event in events)


async def test_a_snapshot_without_rows_is_followed_by_changes(database, make, slot):
    async with Harness() as harness:
        harness.chain(make(snapshot=True))
        await eventually(lambda: database.confirmed(slot) >= 0, WITHIN_S)
        database.execute("INSERT INTO items VALUES (1, 'a', NULL)")
        assert ids(await come(harness, 1)) == [1]


async def test_an_interrupted_snapshot_begins_again_and_leaves_nothing(database, make, slot):
    database.execute("INSERT INTO items SELECT n, 'a', NULL FROM generate_series(1, 1000) n")
    async with Harness() as harness:
        source = made_in(harness, make(snapshot=True, chunk_events=100))
        await source.connect()
        position = None
        for _ in range(5):
            position = (await source.read(position)).position
        await source.acknowledge(position)
        await source.close()
        left = database.execute(
            "SELECT count(*) FROM pg_replication_slots WHERE database = %s", [database.name]
        )
        await eventually(
            lambda: (
                database.execute(
                    "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
                )
                == [(0,)]
            )
        )
        assert left in ([(0,)], [(1,)])
        database.execute("INSERT INTO items VALUES (1001, 'b', NULL)")
        source.Position = position
        await source.connect()
        found = []
        while len(found) < 1001:
            chunk = await source.read(position)
            position = chunk.position
            found += chunk.events
        assert ids(found) == list(range(1, 1002))
        assert database.confirmed(slot) == -1
        # Nothing is left to be read, but a late acknowledgement of the first is not one of this.
        await source.acknowledge({"lsn": 0, "events": 1001, "snapshot": 1})
        assert database.confirmed(slot) == -1
        position = (await source.read(position)).position
        await source.acknowledge(position)
        assert database.confirmed(slot) >= 0
        await source.close()


async def test_two_tables_are_read_in_the_snapshot(database, slot):
    database.execute("CREATE TABLE a (id integer)")
    database.execute('CREATE TABLE "B" (id integer, "odd ""name" text)')
    database.execute("INSERT INTO a VALUES (1), (2)")
    database.execute("INSERT INTO \"B\" VALUES (3, 'x')")
    config = {"slot_name": slot, "tables": "a, B", "snapshot": True}
    async with Harness() as harness:
        harness.chain(maker(database.make(PostgreSQLReplicationSource, **config)))
        events = await come(harness, 3)
    assert [(e["table"], e["new"], e["key"]) for e in events] == [
        ("B", {"id": 3, 'odd "name': "x"}, None),
        ("a", {"id": 1}, None),
        ("a", {"id": 2}, None),
    ]
