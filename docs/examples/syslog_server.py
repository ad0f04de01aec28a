"""Receives syslog by UDP and TCP, and keeps what is a warning or worse.

It listens on port 1514 of this machine. For all machines::

    python syslog_server.py --set '[pipeline:Warnings:SyslogSource] address=*:1514'
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.file
import bspump.filter
import bspump.syslog

WARNING = 4  # The less the worse (RFC 5424).


class Worse(bspump.filter.ContentFilter):
    """Drops what is only good to know."""

    def on_miss(self, context: dict[str, Any], event: dict[str, Any]) -> None:
        return None


class Warnings(bspump.Pipeline):
    """From messages to lines of JSON."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.syslog.SyslogSource(app, self),
            Worse(app, self, query={"severity": {"$lte": WARNING}}),
            bspump.file.FileSink(
                app, self, config={"path": "warnings.ndjson", "codec": "json", "append": True}
            ),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Warnings(application))
    sys.exit(application.run())
