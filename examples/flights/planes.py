"""What planes do: the flights of a day in one row, and delays that cause others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bspump
import bspump.common
from bspump.pattern import Pattern, PatternMatcher
from bspump.window import Count, Max, SenderTime, Session, Sum, WindowAggregator
from hours import shown
from tables import Table

PAUSE = "8h"
LATE_MIN = 30


class Rotations(bspump.Pipeline):
    """Puts together what a plane flies without a pause of eight hours: its day's rotation.

    The flights known are those from New York, so what it flew to come back is not among them.
    """

    ConfigDefaults = {"on_error": "exit"}  # Nobody is there who could repair it and go on.

    def __init__(self, app: Any, database: Path) -> None:
        super().__init__(app)
        self.build(
            bspump.common.TeeSource(app, self).bind("Flights.TeeProcessor"),
            SenderTime(app, self, config={"lateness": "36h"}),
            flown,
            WindowAggregator(
                app,
                self,
                window=Session(PAUSE),
                key="tailnum",
                aggregate={
                    "legs": "count",
                    "late_legs": Count(late),
                    "delay_min": Sum("dep_delay"),
                    "worst_delay_min": Max("dep_delay"),
                    "miles": Sum("distance"),
                },
                config={"late": "reject"},
            ),
            rotation,
            Table(
                app,
                self,
                "rotations",
                {
                    "plane": "TEXT",
                    "first_departure": "TEXT",
                    "legs": "INTEGER",
                    "late_legs": "INTEGER",
                    "delay_min": "INTEGER",
                    "worst_delay_min": "INTEGER",
                    "miles": "INTEGER",
                },
                key=("plane", "first_departure"),
                config={"path": str(database)},
            ),
        )


class KnockOns(bspump.Pipeline):
    """Finds planes that arrived late and then, on their next flight from New York, left late."""

    ConfigDefaults = {"on_error": "exit"}

    def __init__(self, app: Any, database: Path) -> None:
        super().__init__(app)
        self.build(
            bspump.common.TeeSource(app, self).bind("Flights.TeeProcessor"),
            SenderTime(app, self, config={"lateness": "36h"}),
            flown,
            PatternMatcher(
                app,
                self,
                pattern=Pattern.begin("arrived", where=arrived_late)
                .next("left", where=left_late)
                .within("12h"),
                key="tailnum",
                config={"late": "reject"},
            ),
            knock_on,
            Table(
                app,
                self,
                "knock_ons",
                {
                    "plane": "TEXT",
                    "carrier": "TEXT",
                    "arrived_flight": "INTEGER",
                    "arrived_from": "TEXT",
                    "arrived_late_min": "INTEGER",
                    "left_flight": "INTEGER",
                    "left_at": "TEXT",
                    "left_late_min": "INTEGER",
                },
                key=("plane", "left_at", "left_flight"),
                config={"path": str(database)},
            ),
        )


def arrived_late(event: dict[str, Any]) -> bool:
    """Tell whether a flight arrived late; of one that was diverted it is not known."""
    return (event["arr_delay"] or 0) >= LATE_MIN


def left_late(event: dict[str, Any]) -> bool:
    """Tell whether a flight left late."""
    delay_min: int = event["dep_delay"]
    return delay_min >= LATE_MIN


def knock_on(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Make a row of the table of what was found."""
    (arrived,), (left,) = event["matched"]["arrived"], event["matched"]["left"]
    return {
        "plane": event["key"],
        "carrier": left["carrier"],
        "arrived_flight": arrived["flight"],
        "arrived_from": arrived["dest"],
        "arrived_late_min": arrived["arr_delay"],
        "left_flight": left["flight"],
        "left_at": shown(left["at_ms"]),
        "left_late_min": left["dep_delay"],
    }


def flown(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any] | None:
    """Let flights through that left, with a plane that is known."""
    return event if event["tailnum"] and event["dep_delay"] is not None else None


def late(context: dict[str, Any], event: dict[str, Any]) -> bool | None:
    """Return None, which is not counted, for a flight that left in time."""
    return left_late(event) or None


def rotation(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Make a row of the table of what a window says."""
    return {**event, "plane": event["key"], "first_departure": shown(event["start_ms"])}
