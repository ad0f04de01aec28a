"""A database with a table for what arrives."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from bspump.testing.servers import PostgresServer


class Table:
    """A table of what arrives, in a database of its own."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.name = name
        self.connection = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": "postgres",
            "db": name,
        }
        self._server = server
        self.execute("CREATE TABLE arrived (id serial, number bigint, key text, count bigint)")

    def execute(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement; return its rows."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self._server.port, user="postgres", dbname=self.name
        ) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def sink(self) -> dict[str, Any]:
        """Return the options of a sink that writes to it."""
        return {"kind": "postgres", "connection": self.connection, "table": "arrived"}

    def count(self) -> int:
        """Return how many events have arrived."""
        return int(self.execute("SELECT count(*) FROM arrived")[0][0])

    def rows(self) -> list[dict[str, Any]]:
        """Return them, in the order in which they came."""
        rows = self.execute("SELECT number, key, count FROM arrived ORDER BY id")
        return [{"number": number, "key": key, "count": count} for number, key, count in rows]


@pytest.fixture
def table(postgres: PostgresServer) -> Table:
    """Return an empty table."""
    psycopg = pytest.importorskip("psycopg")
    name = f"kills_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(
        host="127.0.0.1", port=postgres.port, user="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return Table(postgres, name)
