"""Cards that are tried out with small amounts before a big one; orders that are never paid."""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file
from bspump.pattern import Pattern, PatternMatcher
from bspump.window import EventTime

CLOCK = {"format": "iso", "lateness": "1m"}

TRIED_OUT = (
    Pattern.begin("small", where=lambda e: e["type"] == "payment" and e["amount"] < 10)
    .times(2, 5)
    .greedy()
    .then(
        "big",
        where=lambda e, m: e["type"] == "payment" and e["amount"] > 50 * m.last("small")["amount"],
    )
    .within("10m")
    .skip_past_last()
)

UNPAID = (
    Pattern.begin("order", where=lambda e: e["type"] == "order")
    .without("payment", where=lambda e: e["type"] == "payment")
    .within("1h")
)


class Payments(bspump.Pipeline):
    """Looks for cards that are tried out, and hands a copy of each event to the other pipeline."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        tee = bspump.common.TeeProcessor(app, self)
        tee.bind("Orders.*InternalSource")
        self.build(
            bspump.file.FileSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            tee,
            EventTime(app, self, "at", config=CLOCK),
            PatternMatcher(app, self, pattern=TRIED_OUT, key="card", id="TriedOut"),
            bspump.file.FileSink(app, self, config={"path": "cards.ndjson", "codec": "json"}),
        )


class Orders(bspump.Pipeline):
    """Looks for orders that are not paid."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.common.InternalSource(app, self),
            EventTime(app, self, "at", config=CLOCK),
            PatternMatcher(app, self, pattern=UNPAID, key="card", id="Unpaid"),
            bspump.file.FileSink(app, self, config={"path": "unpaid.ndjson", "codec": "json"}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Orders(application))
    application.PumpService.add_pipeline(Payments(application))
    sys.exit(application.run())
