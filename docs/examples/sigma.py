"""Holds events against the Sigma rules of a directory, and correlates the alerts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bspump
import bspump.file
from bspump.sigma import SigmaCorrelator, SigmaDetector
from bspump.window import EventTime

RULES = Path(__file__).parent / "sigma_rules"


class Detection(bspump.Pipeline):
    """Events in, alerts out."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        # The rules speak of processes as Windows and Sysmon do; these events are named otherwise.
        fields = {
            "fields.Image": "process.executable",
            "fields.ParentImage": "process.parent.executable",
            "fields.CommandLine": "process.command_line",
            "logsource.product": "linux",
            "logsource_fields.service": "service",
        }
        self.build(
            bspump.file.FileSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            EventTime(app, self, "at", config={"format": "iso", "lateness": "30s"}),
            SigmaDetector(app, self, rules=RULES, config=fields),
            SigmaCorrelator(app, self, rules=RULES),
            bspump.file.FileSink(app, self, config={"path": "alerts.ndjson", "codec": "json"}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Detection(application))
    sys.exit(application.run())
