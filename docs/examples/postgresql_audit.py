"""Writes every change of the table `orders` into the table `audit`, whoever makes it.

The server needs `wal_level = logical`, and the role the right of replication.

python postgresql_audit.py --set '[connection:PG] host=db.example.com'
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.postgresql


class Audit(bspump.Pipeline):
    """From changes to rows; what is there already comes first."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.postgresql.PostgreSQLReplicationSource(
                app, self, "PG", config={"slot_name": "audit", "tables": "orders", "snapshot": True}
            ),
            to_row,
            # The same change, if it comes again, is the same row.
            bspump.postgresql.PostgreSQLSink(
                app, self, "PG", config={"table": "audit", "key": "lsn, sequence"}
            ),
        )


def to_row(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a change."""
    return {name: event[name] for name in ("lsn", "sequence", "operation", "key", "old", "new")}


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_connection(
        bspump.postgresql.PostgreSQLConnection(application, "PG")
    )
    application.PumpService.add_pipeline(Audit(application))
    sys.exit(application.run())
