"""Mean temperatures of ten minutes by the clocks of the stations; what comes too late goes aside.

Each line of `readings.ndjson` is one reading: `{"at": "2024-05-01T12:01:00Z", "station": …,
"celsius": …}`. Stations send them late and out of order.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import bspump
import bspump.common
import bspump.file
from bspump.window import EventTime, Mean, Tumbling, WindowAggregator


class Means(bspump.Pipeline):
    """From readings to means."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        source = {"path": "readings.ndjson", "codec": "json"}
        self.build(
            bspump.file.FileSource(app, self, config=source),
            EventTime(app, self, "at", config={"format": "iso", "lateness": "2m"}),
            WindowAggregator(
                app,
                self,
                window=Tumbling("10m"),
                key="station",
                aggregate={"mean": Mean("celsius"), "readings": "count"},
                config={"late": "TooLate.*InternalSource"},
            ),
            to_sentence,
            bspump.common.PrintSink(app, self),
        )


class TooLate(bspump.Pipeline):
    """Keeps what came too late, with how late it was."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.common.InternalSource(app, self),
            with_delay,
            bspump.file.FileSink(app, self, config={"path": "late.ndjson", "codec": "json"}),
        )


def to_sentence(context: dict[str, Any], window: dict[str, Any]) -> str:
    """Return what somebody should read."""
    start = datetime.fromtimestamp(window["start_ms"] / 1000, UTC)
    readings = f"{window['readings']} reading{'s' if window['readings'] > 1 else ''}"
    return f"{start:%H:%M} {window['key']}: {window['mean']:.1f} °C of {readings}"


def with_delay(context: dict[str, Any], reading: dict[str, Any]) -> dict[str, Any]:
    """Add how far behind the watermark a reading was; the window has sent its context along."""
    times = context["ancestor"]
    return {**reading, "late_s": (times["watermark_ms"] - times["event_time_ms"]) / 1000}


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipelines(Means(application), TooLate(application))
    sys.exit(application.run())
