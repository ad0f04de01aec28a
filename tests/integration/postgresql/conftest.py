"""A database of its own for each test, at the server of the session."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from bspump.postgresql import PostgreSQLConnection  # noqa: E402
from bspump.testing.servers import PostgresServer  # noqa: E402

_numbers = itertools.count()


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
        """Return how far a slot has been confirmed, -1 if there is none."""
        rows = self.execute(
            "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = %s",
            [slot],
        )
        return int(rows[0][0]) if rows else -1


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    name = f"bspump_{next(_numbers)}"
    maintenance = Database(postgres, "postgres")
    with maintenance.connect(autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield Database(postgres, name)
    postgres.start()  # A test may have killed or paused it.
    with maintenance.connect(autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
            " WHERE database = %s AND active",
            [name],
        )
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE database = %s AND NOT temporary",
            [name],
        )
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
