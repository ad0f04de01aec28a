"""Days of an airport, and incidents: when unusually many flights were cancelled or late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import bspump
import bspump.common
from bspump.anomaly import AnomalyDetector, RobustZScore
from bspump.window import Calendar, Count, Max, Mean, Min, SenderTime, WindowAggregator
from tables import Table

ZONE = ZoneInfo("America/New_York")
STRANGE = 8.0
"""So many robust standard deviations above the median of an airport's last days."""


class Days(bspump.Pipeline):
    """Adds up the days of each airport, from midnight to midnight there."""

    ConfigDefaults = {"on_error": "exit"}  # Nobody is there who could repair it and go on.

    def __init__(self, app: Any, database: Path) -> None:
        super().__init__(app)
        self.build(
            bspump.common.TeeSource(app, self).bind("Flights.TeeProcessor"),
            # All have landed by then: no day needs to be corrected.
            SenderTime(app, self, config={"lateness": "36h"}),
            WindowAggregator(
                app,
                self,
                window=Calendar("day", zone=ZONE.key),
                key="origin",
                aggregate={
                    "flights": "count",
                    "flown": Count("dep_delay"),
                    "mean_delay_min": Mean("dep_delay"),
                    "visibility_miles": Min(seen("visib")),
                    "precipitation_in": Max(seen("precip")),
                    "wind_mph": Max(seen("wind_speed")),
                    "gust_mph": Max(seen("wind_gust")),
                },
                config={"late": "reject"},
            ),
            day,
            bspump.common.TeeProcessor(app, self),
            Table(
                app,
                self,
                "days",
                {
                    "airport": "TEXT",
                    "day": "TEXT",
                    "flights": "INTEGER",
                    "cancelled": "INTEGER",
                    "cancelled_percent": "REAL",
                    "mean_delay_min": "REAL",
                    "visibility_miles": "REAL",
                    "precipitation_in": "REAL",
                    "wind_mph": "REAL",
                    "gust_mph": "REAL",
                },
                key=("airport", "day"),
                config={"path": str(database)},
            ),
        )


class Incidents(bspump.Pipeline):
    """Learns what is usual for the days of each airport, and keeps what is not.

    Days on which several airports have the same trouble are one incident.
    """

    ConfigDefaults = {"on_error": "exit"}

    def __init__(self, app: Any, database: Path) -> None:
        super().__init__(app)
        self.build(
            bspump.common.TeeSource(app, self).bind("Days.TeeProcessor"),
            SenderTime(app, self),
            detector(app, self, "Cancellations", "cancelled_percent", least_deviation=1.0),
            detector(app, self, "Delays", "mean_delay_min", least_deviation=5.0),
            incident,
            Table(
                app,
                self,
                "incidents",
                {
                    "incident": "TEXT",
                    "measure": "TEXT",
                    "first_day": "TEXT",
                    "last_day": "TEXT",
                    "airports": "TEXT",
                    "worst": "REAL",
                    "score": "REAL",
                    "explanation": "TEXT",
                },
                key=("incident",),
                config={"path": str(database)},
            ),
        )


def seen(field: str) -> Callable[[dict[str, Any], dict[str, Any]], Any]:
    """Return a function that reads a field of the weather that a flight has seen."""
    return lambda context, event: (event["weather"] or {}).get(field)


def day(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Make a row of the table of what a window says."""
    cancelled = event["flights"] - event["flown"]
    return {
        **event,
        "airport": event["key"],
        "city": "New York",
        "day": day_of(event["start_ms"]),
        "cancelled": cancelled,
        "cancelled_percent": 100 * cancelled / event["flights"],
    }


def detector(
    app: Any, pipeline: Any, id: str, value: str, least_deviation: float
) -> AnomalyDetector:
    """Let days through, and report incidents of one measure besides."""
    return AnomalyDetector(
        app,
        pipeline,
        lambda: RobustZScore(least_deviation=least_deviation),
        id=id,
        config={
            "value": value,
            "key": "airport",
            "group": "city",
            "emit": "all",
            "field": f"{id}.score",
            "threshold.enter": STRANGE,
            "incident.cool_down": "36h",
        },
    )


def incident(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any] | None:
    """Make a row of the table of an alert; days go no further."""
    if "incident" not in event:
        return None
    return {
        "incident": event["incident"],
        "measure": event["incident"].split(".")[1].split(":")[0],
        "first_day": day_of(event["since_ms"]),
        "last_day": day_of(event["last_ms"]),
        "airports": " ".join(sorted(event["keys"])),
        "worst": event["value"],
        "score": event["score"],
        "explanation": event["explanation"],
    }


def day_of(at_ms: int) -> str:
    """Return the date there."""
    return f"{datetime.fromtimestamp(at_ms / 1000, ZONE):%Y-%m-%d}"
