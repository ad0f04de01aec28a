"""Sessions of users in a matrix, which a second pipeline writes as a table every second."""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.analyzer
import bspump.common
import bspump.file
import bspump.matrix
import bspump.trigger


class Visits(bspump.analyzer.SessionAnalyzer):
    """Keeps what is known of each session until its user leaves."""

    def __init__(self, app: Any, pipeline: Any) -> None:
        fields = [("user", "U30"), ("last_page", "U100"), ("pages", "i8")]
        super().__init__(app, pipeline, dtype=fields)

    def evaluate(self, context: dict[str, Any], event: dict[str, Any]) -> None:
        if event["page"] == "/logout":
            self.Sessions.close_row(event["session"])
            return
        row = self.Sessions.add_row(event["session"])
        self.Sessions.store_event(row, event, keys=["user"])
        self.Sessions.Array["last_page"][row] = event["page"]
        self.Sessions.Array["pages"][row] += 1


class Requests(bspump.Pipeline):
    """Follows the log of requests."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.TailSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            Visits(app, self),
            bspump.common.NullSink(app, self),
        )


class Table(bspump.Pipeline):
    """Writes all sessions that are open; the matrix was registered by its analyzer."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        trigger = bspump.trigger.PeriodicTrigger(app, "1s")
        self.build(
            bspump.matrix.MatrixSource(app, self, "VisitsMatrix").on(trigger),
            bspump.matrix.SessionMatrixExportCSVGenerator(app, self),
            bspump.file.FileSink(
                app, self, config={"path": "sessions.ndjson", "codec": "json", "append": True}
            ),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Requests(application))
    application.PumpService.add_pipeline(Table(application))
    sys.exit(application.run())
