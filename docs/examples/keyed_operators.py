"""Turns clicks into visits: each click once, in the order of their times, until a user leaves.

Each line of `clicks.ndjson` is one click: `{"id": …, "at": …, "user": …, "page": …}`. Browsers
send some of them twice, and some late.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file
from bspump.keyed import Deduplicator, Sessionizer, TimeSorter
from bspump.window import EventTime


class Visits(bspump.Pipeline):
    """From clicks to visits."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "clicks.ndjson", "codec": "json"}),
            EventTime(app, self, "at", config={"lateness": "10s"}),
            Deduplicator(app, self, key="id", config={"within": "1h"}),
            TimeSorter(app, self),
            Sessionizer(app, self, key="user", closes=is_logout, config={"gap": "30m"}),
            to_sentence,
            bspump.common.PrintSink(app, self),
        )


def is_logout(context: dict[str, Any], click: dict[str, Any]) -> bool:
    """Tell whether a click ends the visit."""
    return bool(click["page"] == "/logout")


def to_sentence(context: dict[str, Any], visit: dict[str, Any]) -> str:
    """Return what somebody should read."""
    pages = " ".join(click["page"] for click in visit["events"])
    seconds = (visit["end_ms"] - visit["start_ms"]) // 1000
    return f"{visit['key']}: {pages} ({seconds} s, ended by {visit['reason']})"


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Visits(application))
    sys.exit(application.run())
