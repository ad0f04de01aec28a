"""Who fails to log in again and again: five times in the last ten minutes is an alarm."""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.analyzer
import bspump.common
import bspump.file


class FailedLogins(bspump.analyzer.TimeWindowAnalyzer, bspump.common.RouterMixIn):
    """Counts failed logins by user and minute; the window moves with the time of events."""

    ConfigDefaults = {"alarm_at": 5}

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline, dtype="i8", columns=10, resolution=60, start_time=0)
        self.AlarmAt = self.Config.getint("alarm_at")

    def predicate(self, context: dict[str, Any], event: dict[str, Any]) -> bool:
        return event["action"] == "login" and not event["ok"]

    def evaluate(self, context: dict[str, Any], event: dict[str, Any]) -> None:
        window = self.TimeWindow
        window.advance(event["@timestamp"])
        column = window.get_column(event["@timestamp"])
        if column is None:
            return  # Too late; the matrix has counted it.
        row = window.add_row(event["user"])
        window.Array[row, column] += 1
        if window.Array[row].sum() >= self.AlarmAt:
            alarm = {"user": event["user"], "at": event["@timestamp"]}
            self.route(context, alarm, "Alarms.*InternalSource")
            window.close_row(event["user"])  # Count anew, so that it is one alarm and not ten.


class Logins(bspump.Pipeline):
    """Passes all events on to the archive, and alarms to the other pipeline."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            FailedLogins(app, self),
            bspump.file.FileSink(app, self, config={"path": "out.ndjson", "codec": "json"}),
        )


class Alarms(bspump.Pipeline):
    """Writes alarms."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.common.InternalSource(app, self),
            bspump.file.FileSink(app, self, config={"path": "alarms.ndjson", "codec": "json"}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipelines(Logins(application), Alarms(application))
    sys.exit(application.run())
