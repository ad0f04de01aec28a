"""Tells of each order what it cost, by the price at its time, and whether it was paid in time.

Each line of `shop.ndjson` is a price, an order or a payment. They may be out of order by a minute.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file
from bspump.join import IntervalJoin, TemporalJoin
from bspump.window import EventTime


class Shop(bspump.Pipeline):
    """From prices, orders and payments to sentences."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "shop.ndjson", "codec": "json"}),
            EventTime(app, self, "at", config={"lateness": "1m", "format": "iso"}),
            TemporalJoin(
                app,
                self,
                left={"kind": "order"},
                right={"kind": "price"},
                key="article",
                combine=with_price,
                config={"others": "pass"},  # Payments go on to the next join.
            ),
            IntervalJoin(
                app,
                self,
                left={"kind": "order"},
                right={"kind": "payment"},
                key="order",
                within=("0s", "15m"),
                kind="left",
                combine=to_sentence,
            ),
            bspump.common.PrintSink(app, self),
        )


def with_price(order: dict[str, Any], price: dict[str, Any] | None) -> dict[str, Any]:
    """Return the order with what it costs."""
    return {**order, "cents": order["pieces"] * price["cents"] if price else 0}


def to_sentence(order: dict[str, Any], payment: dict[str, Any] | None) -> str:
    """Return what somebody should read."""
    paid = f"paid by {payment['by']}" if payment else "not paid within 15 minutes"
    return f"order {order['order']}: {order['article']} for {order['cents'] / 100:.2f}, {paid}"


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Shop(application))
    sys.exit(application.run())
