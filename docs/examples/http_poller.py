"""Asks a server for its state again and again, and prints what has changed.

python http_poller.py --set '[pipeline:State:HTTPClientSource] url=https://example.com/state'
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.http
import bspump.trigger


class Changes(bspump.Processor):
    """Pass on the fields that are not what they were before."""

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self._before: dict[str, Any] = {}

    def process(self, context: dict[str, Any], event: dict[str, Any], /) -> dict[str, Any] | None:
        before, self._before = self._before, event
        return {name: value for name, value in event.items() if before.get(name) != value} or None


class State(bspump.Pipeline):
    """From answers to changes."""

    ConfigDefaults = {"every": "10s"}

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.http.HTTPClientSource(app, self).on(
                bspump.trigger.PeriodicTrigger(app, self.Config["every"])
            ),
            bspump.common.BytesJsonParser(app, self),
            Changes(app, self),
            bspump.common.PrintSink(app, self),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(State(application))
    sys.exit(application.run())
