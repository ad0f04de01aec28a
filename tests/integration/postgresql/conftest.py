"""An empty database for each test, at the server of the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from bspump.postgresql import (  # noqa: E402
    PostgreSQLConnection,
    PostgreSQLReplicationSource,
)
from bspump.testing.contracts.base import maker  # noqa: E402
from bspump.testing.servers import PostgresServer  # noqa: E402


class Database:
    """A database, and what a test does to it from outside."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server, self.name = server, name
        self.config = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": "postgres",
            "db": name,
            "connect_timeout": 5,
            "reconnect_delay": 0.05,
        }

    def connect(self, **parameters: Any) -> Any:
        """Open a connection of the test's own."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.server.port,
            user="postgres",
            dbname=self.name,
            **parameters,
        )

    def execute(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement in a transaction; return its rows."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def cut(self) -> None:
        """End all connections of the program that is tested, and wait until they are gone."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'bspump'"
        )

    def connection(self, app: Any, **config: Any) -> PostgreSQLConnection:
        """Return the connection of an application, the same each time."""
        service = app.PumpService
        if "PG" not in service.Connections:
            service.add_connection(PostgreSQLConnection(app, "PG", {**self.config, **config}))
        return service.locate_connection("PG")

    def make(self, part: Any, **config: Any) -> Callable[[Any, Any], Any]:
        """Return what makes a part that uses this database."""
        return lambda app, pipeline: part(app, pipeline, self.connection(app), config=config)

    def confirmed(self, slot: str) -> int:
        """Return how far a slot has been confirmed, -1 if there is none, or it is being made."""
        rows = self.execute(
            "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = %s",
            [slot],
        )
        return int(rows[0][0]) if rows and rows[0][0] is not None else -1


NAME = "bspump_postgresql"
EMPTY = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
    WHERE database = current_database() AND NOT temporary;
    DROP SCHEMA public CASCADE;
    CREATE SCHEMA public;
    DO $$ DECLARE p record; BEGIN
        FOR p IN SELECT pubname FROM pg_publication LOOP
            EXECUTE format('DROP PUBLICATION %I', p.pubname);
        END LOOP;
    END $$
"""


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    """Return a database that is empty; it is made once, which takes longer than emptying it."""
    database = Database(postgres, NAME)
    with Database(postgres, "postgres").connect(autocommit=True) as connection:
        if not connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [NAME]
        ).fetchone():
            connection.execute(f"CREATE DATABASE {NAME}")
    yield database
    postgres.start()  # A test may have killed or paused it.
    with database.connect(autocommit=True) as connection:
        connection.execute(EMPTY)


@pytest.fixture
def slot(database):
    """Return the name of a slot that nobody has made yet."""
    return f"slot_{database.name}"


@pytest.fixture
def make(database, slot):
    """Return what makes a source of the changes of an empty table."""
    database.execute("CREATE TABLE items (id integer PRIMARY KEY, name text, doc text)")

    def make(**config):
        given = {"slot_name": slot, "tables": "items", "retry.first": 0.01, **config}
        return maker(database.make(PostgreSQLReplicationSource, **given))

    return make
