"""Sales by shop and day, in the time zone of the shops, with figures of the day every six hours.

Each line of `sales.ndjson` is one sale: `{"at": "2024-03-30T09:15:00Z", "shop": …, "price": …}`.
Figures go to `days.ndjson`; a line replaces the one before it of the same shop and day.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.file
from bspump.window import (
    Aggregation,
    Calendar,
    EventTime,
    Every,
    Max,
    Quantiles,
    TopK,
    WindowAggregator,
)


class Share(Aggregation):
    """How large a share of the values is at least as high as a limit; an aggregation of our own."""

    def __init__(self, of: str, limit: float) -> None:
        super().__init__(of)
        self._limit = limit

    def create(self) -> tuple[int, int]:
        return 0, 0

    def add(self, accumulated: tuple[int, int], value: float) -> tuple[int, int]:
        return accumulated[0] + (value >= self._limit), accumulated[1] + 1

    def merge(self, accumulated: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        return accumulated[0] + other[0], accumulated[1] + other[1]

    def result(self, accumulated: tuple[int, int]) -> float | None:
        return round(accumulated[0] / accumulated[1], 3) if accumulated[1] else None


class Days(bspump.Pipeline):
    """From sales to figures of days."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "sales.ndjson", "codec": "json"}),
            EventTime(app, self, "at", config={"format": "iso", "lateness": "10m"}),
            WindowAggregator(
                app,
                self,
                window=Calendar("day", zone="Europe/Prague"),
                early=Every("6h"),
                says="accumulate",
                key="shop",
                aggregate={
                    "sales": "count",
                    "turnover": "sum of price",
                    "highest": Max("price"),
                    "median": Quantiles("price", at=[0.5]),
                    "best": TopK("article", k=2),
                    "large": Share("price", limit=100),
                },
                config={"allowed_lateness": "1d"},
            ),
            bspump.file.FileSink(app, self, config={"path": "days.ndjson", "codec": "json"}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Days(application))
    sys.exit(application.run())
