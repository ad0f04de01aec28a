"""The second pipeline: totals per airport and hour of what passes the first, into a table."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import bspump
import bspump.common

DELAYED_MIN = 15


class Hours(bspump.Pipeline):
    """Adds up the flights of each airport and hour, and keeps the sums in a table."""

    ConfigDefaults = {"on_error": "exit"}  # Nobody is there who could repair it and go on.

    def __init__(self, app: Any, database: Path) -> None:
        super().__init__(app)
        self.build(
            bspump.common.TeeSource(app, self).bind("Flights.TeeProcessor"),
            HourlyTotals(app, self),
            HoursTable(app, self, config={"path": str(database)}),
        )


class HourlyTotals(bspump.Generator):
    """Make one event per airport and hour of the flights that were to depart then.

    Flights come in the order of time: an hour is complete when the next one begins, and at the
    end of the input. An hour that a stop cuts short is not written.
    """

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self._hour: datetime | None = None
        self._totals: dict[str, dict[str, Any]] = {}
        pipeline.PubSub.subscribe("bspump.pipeline.finished!", self._on_finished)

    def generate(self, context: dict[str, Any], event: dict[str, Any], depth: int, /) -> Any:
        hour = event["time"].replace(minute=0)
        complete = self._complete() if hour != self._hour else []
        self._hour = hour
        total = self._totals.get(event["origin"]) or self._begin(event, hour)
        total["flights"] += 1
        delay = event["dep_delay"]
        if delay is None:
            total["cancelled"] += 1
        else:
            total["delayed"] += delay >= DELAYED_MIN
            total["delay_min"] += delay
        return complete

    def _begin(self, event: dict[str, Any], hour: datetime) -> dict[str, Any]:
        # Observations are made on the hour: all flights of an hour see the same.
        weather = event["weather"] or {}
        total = self._totals[event["origin"]] = {
            "airport": event["origin"],
            "hour": f"{hour:%Y-%m-%d %H:%M}",
            **dict.fromkeys(("flights", "cancelled", "delayed", "delay_min"), 0),
            "observed": f"{weather['time']:%Y-%m-%d %H:%M}" if weather else None,
            "wind_mph": weather.get("wind_speed"),
            "visibility_miles": weather.get("visib"),
        }
        return total

    def _complete(self) -> list[dict[str, Any]]:
        complete, self._totals = list(self._totals.values()), {}
        return complete

    def _on_finished(self, message: str, **_: Any) -> None:
        for total in self._complete():
            self.Pipeline.inject({}, total, (self.PipelineDepth or 0) + 1)


class HoursTable(bspump.BatchSink[Any]):
    """Writes totals into SQLite; one for an airport and hour replaces what was there of it.

    A batch is a transaction: it may be repeated, and after a crash all of it is there or none.
    """

    ConfigDefaults = {"path": "hours.db"}
    Capabilities = bspump.Can.IDEMPOTENT

    CREATE = """
        CREATE TABLE IF NOT EXISTS hours (
            airport TEXT, hour TEXT, flights INTEGER, cancelled INTEGER, delayed INTEGER,
            delay_min INTEGER, observed TEXT, wind_mph REAL, visibility_miles REAL,
            PRIMARY KEY (airport, hour)
        )"""
    INSERT = """
        INSERT OR REPLACE INTO hours VALUES (
            :airport, :hour, :flights, :cancelled, :delayed,
            :delay_min, :observed, :wind_mph, :visibility_miles
        )"""

    async def connect(self) -> None:
        await asyncio.to_thread(self._execute, self.CREATE, [{}])

    async def write(self, batch: bspump.Batch, /) -> None:
        await asyncio.to_thread(self._execute, self.INSERT, batch.events)

    def _execute(self, statement: str, rows: Any) -> None:
        try:
            # A connection for each batch: a write that is cancelled keeps nothing open.
            with closing(sqlite3.connect(self.Config["path"])) as database, database:
                database.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise  # It would fail again: shown, and the program ends.
            raise bspump.TransientError(f"{self.Config['path']}: {error}") from error
