"""The sources, the sinks and the lookup keep their contracts at a real server."""

from __future__ import annotations

import json

import pytest

from bspump.postgresql import (
    PostgreSQLIncrementalSource,
    PostgreSQLLookup,
    PostgreSQLNotifySource,
    PostgreSQLReplicationSource,
    PostgreSQLSink,
    PostgreSQLSource,
)
from bspump.testing import eventually
from bspump.testing.contracts import (
    EpochSinkContract,
    LookupContract,
    LookupTarget,
    SinkContract,
    SinkTarget,
    SourceContract,
    SourceTarget,
)
from bspump.testing.contracts.base import bare, made_in
from bspump.testing.contracts.source import _chunks, _read, _stored
from bspump.testing.harness import Harness
from bspump.trigger import OpportunisticTrigger

pytestmark = pytest.mark.integration

TABLE = "CREATE TABLE events (number integer, text text NOT NULL CHECK (text <> 'poison'))"
POISON = {"number": -1, "text": "poison"}


def inserter(database):
    """Return what writes events to a table, all in one transaction."""

    def write(events):
        with database.connect() as connection:
            connection.cursor().executemany(
                "INSERT INTO events (number, text) VALUES (%(number)s, %(text)s)", events
            )

    return write


def stored(database):
    def stored():
        rows = database.execute("SELECT number, text FROM events ORDER BY ctid")
        return [{"number": number, "text": text} for number, text in rows]

    return stored


class TestAppendingSink(SinkContract):
    @pytest.fixture
    def target(self, database):
        database.execute(TABLE)
        return SinkTarget(
            make=database.make(PostgreSQLSink, table="events", **{"retry.first": 0.01}),
            stored=stored(database),
            poison=POISON,
            disconnect=lambda _: database.cut(),
        )


class TestSinkWithEpochs(EpochSinkContract):
    @pytest.fixture
    def target(self, database):
        database.execute(TABLE)
        config = {"table": "events", "exactly_once": "yes", "retry.first": 0.01}
        return SinkTarget(
            make=database.make(PostgreSQLSink, **config),
            stored=stored(database),
            poison=POISON,
            disconnect=lambda _: database.cut(),
        )


class TestUpsertingSink(SinkContract):
    @pytest.fixture
    def target(self, database):
        database.execute(TABLE)
        database.execute("CREATE UNIQUE INDEX ON events (number)")
        config = {"table": "events", "key": "number", "retry.first": 0.01}
        return SinkTarget(
            make=database.make(PostgreSQLSink, **config),
            stored=stored(database),
            poison=POISON,
            disconnect=lambda _: database.cut(),
            is_ordered=False,
        )


class TestQueryingSink(SinkContract):
    @pytest.fixture
    def target(self, database):
        database.execute(TABLE)
        config = {
            "query": "INSERT INTO events (number, text) VALUES (%s, %s)",
            "data": "number, text",
            "retry.first": 0.01,
        }
        return SinkTarget(
            make=database.make(PostgreSQLSink, **config),
            stored=stored(database),
            poison=POISON,
            disconnect=lambda _: database.cut(),
        )


class OnceSource(PostgreSQLSource):
    """Deletes what it returns, so that each row comes out once; triggers itself."""

    def __init__(self, app, pipeline, connection, id=None, config=None):
        super().__init__(app, pipeline, connection, id, config)
        self.on(OpportunisticTrigger(app, chilldown_period=0.02))


class TestQueryingSource(SourceContract):
    @pytest.fixture
    def target(self, database):
        database.execute("CREATE TABLE events (number integer, text text)")
        # Only what a cycle returns is gone afterwards, as its transaction is committed then.
        database.execute(
            "CREATE FUNCTION taken() RETURNS SETOF events LANGUAGE sql AS"
            " 'WITH gone AS (DELETE FROM events RETURNING *) SELECT * FROM gone ORDER BY number'"
        )
        return SourceTarget(
            make=database.make(OnceSource, query="SELECT * FROM taken()"),
            write=inserter(database),
            disconnect=lambda _: database.cut(),
        )


class TestIncrementalSource(SourceContract):
    @pytest.fixture
    def target(self, database):
        database.execute("CREATE TABLE events (number integer, text text)")
        config = {"table": "events", "columns": "number", "chunk_events": 100}
        return SourceTarget(
            make=database.make(
                PostgreSQLIncrementalSource, **config, **{"idle": 0.02, "retry.first": 0.01}
            ),
            write=inserter(database),
            disconnect=lambda _: database.cut(),
        )


class TestNotifySource(SourceContract):
    @pytest.fixture
    def target(self, database):
        sources = []
        make = database.make(
            PostgreSQLNotifySource,
            **{"channels": "events", "codec": "json", "retry.first": 0.01},
        )

        def noted(app, pipeline):
            sources.append(make(app, pipeline))
            return sources[-1]

        async def write(events):
            # It is lossy: what is sent while it does not listen is nobody's.
            await eventually(lambda: sources[-1]._connection is not None)
            with database.connect() as connection:
                connection.cursor().executemany(
                    "SELECT pg_notify('events', %s)", [[json.dumps(event)] for event in events]
                )

        def disconnect(source):
            database.cut()
            if sources[-1].Pipeline.is_ready():
                # The pipeline runs, and will listen again when it has noticed.
                source._connection = None

        return SourceTarget(make=noted, write=write, disconnect=disconnect, is_live=True)


class TestReplicationSource(SourceContract):
    @pytest.fixture
    def target(self, database):
        database.execute("CREATE TABLE events (number integer, text text)")
        database.execute("CREATE PUBLICATION slot FOR TABLE events")
        slot = f"slot_{database.name}"
        database.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])

        class RowsSource(PostgreSQLReplicationSource):
            """Emits the new rows alone: the kit knows what it has written."""

            async def read(self, position):
                chunk = await super().read(position)
                rows = [event["new"] for event in chunk.events]
                return type(chunk)(rows, chunk.position)

        config = {"slot_name": slot, "publication": "slot", "chunk_events": 100}
        return SourceTarget(
            make=database.make(RowsSource, **config, **{"retry.first": 0.01}),
            write=inserter(database),
            disconnect=lambda _: database.cut(),
        )

    # A slot has one reader, and what it has confirmed is gone: these two are as strict as that.

    async def test_another_source_reads_on_from_each_position(self, target):
        events = target.events(250)
        async with Harness() as harness:
            source = made_in(harness, target.make)
            await source.connect()
            target.write(events)
            chunks = await _chunks(source, None, 250)
            await source.close()
            done = 0
            for chunk in chunks:
                done += len(chunk.events)
                other = made_in(harness, target.make)
                await other.connect()
                assert await _read(other, _stored(chunk.position), 250 - done) == events[done:]
                await other.close()

    async def test_acknowledging_again_or_late_skips_nothing(self, target):
        events = target.events(250)
        async with bare(target.make) as source:
            await source.connect()
            for event in events:
                target.write([event])
            chunks = await _chunks(source, None, 250)
            done = len(chunks[0].events)
            for chunk in [chunks[0], *chunks[:1], *chunks[:1]]:
                await source.acknowledge(chunk.position)
            assert await _read(source, chunks[0].position, 250 - done) == events[done:]
            await source.close()


class TestLookup(LookupContract):
    @pytest.fixture
    def target(self, database):
        database.execute("CREATE TABLE countries (code text, name text)")
        database.execute("INSERT INTO countries VALUES ('cz', 'Czechia'), ('de', 'Germany')")
        config = {"from": "countries", "key": "code"}
        return LookupTarget(
            make=lambda app: PostgreSQLLookup(app, database.connection(app), config=config),
            content={
                "cz": {"code": "cz", "name": "Czechia"},
                "de": {"code": "de", "name": "Germany"},
            },
        )
