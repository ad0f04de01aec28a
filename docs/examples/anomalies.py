"""Watches how many requests each shop gets in a minute, and tells when that is not usual.

Each line of `minutes.ndjson` is one minute of one shop: `{"shop": …, "at": …, "requests": …}`.
What is usual depends on the hour of the day and of the week, in the time zone of the shops.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file
from bspump.anomaly import AnomalyDetector, SeasonalBaseline


def usual_by_hour() -> SeasonalBaseline:
    """Return the model of a new shop."""
    return SeasonalBaseline(zone="Europe/Prague", band=5, least_deviation=2)


class Shops(bspump.Pipeline):
    """From counts to alerts."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "minutes.ndjson", "codec": "json"}),
            AnomalyDetector(
                app,
                self,
                usual_by_hour,
                config={
                    "value": "requests",
                    "key": "shop",
                    "time": "at",
                    "learn": "normal",
                    "incident.min_events": 3,
                    "incident.cool_down": "15m",
                },
            ),
            to_sentence,
            bspump.common.PrintSink(app, self),
        )


def to_sentence(context: dict[str, Any], alert: dict[str, Any]) -> str:
    """Return what somebody should read."""
    minutes = alert["duration_ms"] // 60_000
    return f"{alert['state']}: {alert['key']}, {minutes} minutes: {alert['explanation']}"


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Shops(application))
    sys.exit(application.run())
