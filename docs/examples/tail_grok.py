"""Follows the access log of a web server and prints the requests that it failed to answer."""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file


class FailedRequests(bspump.Pipeline):
    """From lines to fields, and of these only the errors of the server."""

    ConfigDefaults = {"on_error": "skip"}  # A line of another form is logged and passed over.

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.TailSource(app, self, config={"path": "access.log"}),
            bspump.common.GrokParser(app, self, "^%{COMBINEDAPACHELOG}"),
            only_failed,
            bspump.common.PrintSink(app, self),
        )


def only_failed(context: dict[str, Any], event: dict[str, Any]) -> str | None:
    """Return a line about a request, `None` if it was answered."""
    if int(event["response"]) < 500:
        return None
    return f"{event['timestamp']} {event['response']} {event['verb']} {event['request']}"


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(FailedRequests(application))
    sys.exit(application.run())
