"""Changes of a table to a file: every event exactly once, whatever kills the program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arriving import Files
from feeding import Feeder, assert_each_once, event
from killing import AT_CHECKPOINTS, KILLS, Killing


@pytest.fixture
def fed(table: Any) -> Iterator[Any]:
    """Return the database with a table whose changes a slot keeps from now on."""
    table.execute("CREATE TABLE fed (number bigint PRIMARY KEY, key text, pad text)")
    table.execute(f"CREATE PUBLICATION {table.name} FOR TABLE fed")
    table.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [table.name])
    yield table
    table.execute(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
        " WHERE slot_name = %s AND active",
        [table.name],
    )
    table.execute("SELECT pg_drop_replication_slot(%s)", [table.name])


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.fault("PostgreSQLReplicationSource", "program killed")
def test_changes_to_file_is_exactly_once(fed: Any, tmp_path: Path) -> None:
    out = Files(tmp_path / "out")
    source = {
        "kind": "changes",
        "connection": fed.connection,
        "slot_name": fed.name,
        "chunk_events": 7,  # so that positions lie within transactions, too
    }
    sink = {"kind": "file", "path": str(tmp_path / "out" / "{index:05}.json")}
    killing = Killing(source, sink, tmp_path)

    def send(first: int, count: int) -> None:
        """Insert rows in one transaction; they are safe when it is committed."""
        rows = [event(number) for number in range(first, first + count)]
        fed.execute(
            "INSERT INTO fed SELECT * FROM json_populate_recordset(NULL::fed, %s)",
            [json.dumps(rows)],
        )

    with Feeder(send, every_s=0.02) as feeder:
        killing.run(kills=KILLS - AT_CHECKPOINTS)
        killing.run_to_checkpoints(kills=AT_CHECKPOINTS)

    killing.finish(lambda: out.count() >= feeder.sent)
    assert killing.kills == KILLS
    assert_each_once(out.events(), feeder.sent)
