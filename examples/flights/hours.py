"""The second pipeline: totals per airport and hour, corrected by flights that land late."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bspump
import bspump.common
from bspump.window import Count, First, SenderTime, Sum, Tumbling, WindowAggregator
from tables import Table

DELAYED_MIN = 15


class Hours(bspump.Pipeline):
    """Adds up the flights of each airport and hour of departure, and keeps the sums in a table.

    A flight is known when it has landed. An hour is written when time has come to its end, and
    once more with each flight that lands later than that.
    """

    ConfigDefaults = {"on_error": "exit"}  # Nobody is there who could repair it and go on.

    def __init__(self, app: Any, database: Path) -> None:
        super().__init__(app)
        self.build(
            bspump.common.TeeSource(app, self).bind("Flights.TeeProcessor"),
            SenderTime(app, self),
            WindowAggregator(
                app,
                self,
                window=Tumbling("1h"),
                key="origin",
                aggregate={
                    "flights": "count",
                    "flown": Count("dep_delay"),
                    "delayed": Count(delayed),
                    "delay_min": Sum("dep_delay"),
                    # Observations are made on the hour: all flights of an hour see the same.
                    "weather": First("weather"),
                },
                config={"allowed_lateness": "36h", "late": "reject"},
            ),
            hour,
            Table(
                app,
                self,
                "hours",
                {
                    "airport": "TEXT",
                    "hour": "TEXT",
                    "flights": "INTEGER",
                    "cancelled": "INTEGER",
                    "delayed": "INTEGER",
                    "delay_min": "INTEGER",
                    "observed": "TEXT",
                    "wind_mph": "REAL",
                    "visibility_miles": "REAL",
                    "corrections": "INTEGER",
                },
                key=("airport", "hour"),
                config={"path": str(database)},
            ),
        )


def delayed(context: dict[str, Any], event: dict[str, Any]) -> bool | None:
    """Return None, which is not counted, for a flight that left in time, or not at all."""
    return (event["dep_delay"] or 0) >= DELAYED_MIN or None


def hour(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Make a row of the table of what a window says."""
    weather = event["weather"] or {}
    return {
        "airport": event["key"],
        "hour": shown(event["start_ms"]),
        "flights": event["flights"],
        "cancelled": event["flights"] - event["flown"],
        "delayed": event["delayed"],
        "delay_min": event["delay_min"] or 0,
        "observed": shown(weather["at_ms"]) if weather else None,
        "wind_mph": weather.get("wind_speed"),
        "visibility_miles": weather.get("visib"),
        "corrections": event["pane"],
    }


def shown(at_ms: int) -> str:
    """Return a time as it is in tables, UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
