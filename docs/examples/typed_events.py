"""Reads typed events, reckons, and writes typed events: the fastest way for JSON.

A line that is not an Order (a field is missing, or is of another type) is logged and left out.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

import bspump
import bspump.file


class Order(msgspec.Struct):
    """What a line holds; fields that are not named here are passed over."""

    id: int
    price: float
    quantity: int = 1


class Bill(msgspec.Struct):
    """What is written."""

    order: int
    total: float


def to_bill(context: dict[str, Any], event: Order) -> Bill:
    """Return the bill for an order."""
    return Bill(event.id, round(event.price * event.quantity, 2))


class Billing(bspump.Pipeline):
    """From orders to bills."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(
                app, self, config={"path": "orders.ndjson.gz", "codec": "json"}, schema=Order
            ),
            to_bill,
            bspump.file.FileSink(app, self, config={"path": "bills.ndjson.gz", "codec": "json"}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Billing(application))
    sys.exit(application.run())
