"""Tells how long orders took to be paid, and which ones were not paid within half an hour.

Each line of `orders.ndjson` is something that happened to an order: `{"at": "2026-05-01T12:01:00Z",
"order": 17, "what": "placed"}`, later perhaps `"paid"`. What is not known yet, and how far the file
was read, is in `data` with every checkpoint.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file
from bspump.abc.event_time import EVENT_TIME
from bspump.window import EventTime, KeyedProcessor, Timer

PATIENCE_MS = 30 * 60 * 1000


class Payments(KeyedProcessor):
    """Remembers of each order when it was placed, until it is paid and a while longer."""

    def key(self, context: dict[str, Any], event: dict[str, Any]) -> int:
        return int(event["order"])

    def new_state(self) -> dict[str, Any]:
        return {"placed_ms": None, "is_reported": False}

    def process_keyed(
        self, state: dict[str, Any], context: dict[str, Any], event: dict[str, Any]
    ) -> str | None:
        at_ms = context[EVENT_TIME]
        if event["what"] == "placed":
            state["placed_ms"] = at_ms
            self.set_timer("patience", at_ms + PATIENCE_MS)
        if event["what"] != "paid" or state["placed_ms"] is None:
            return None
        self.forget()
        return f"order {event['order']}: paid after {(at_ms - state['placed_ms']) // 60_000} min"

    def on_timer(self, state: dict[str, Any], key: int, timer: Timer) -> str:
        state["is_reported"] = True
        return f"order {key}: not paid within {PATIENCE_MS // 60_000} min"


class Orders(bspump.Pipeline):
    """From what happened to sentences."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        source = {"path": "orders.ndjson", "codec": "json"}
        self.build(
            bspump.file.TailSource(app, self, config=source),
            EventTime(app, self, "at", config={"format": "iso", "lateness": "1m"}),
            Payments(app, self, config={"ttl": "1d"}),
            bspump.common.PrintSink(app, self),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication(["--set", "[general] var_dir=data", *sys.argv[1:]])
    application.PumpService.add_pipeline(Orders(application))
    sys.exit(application.run())
