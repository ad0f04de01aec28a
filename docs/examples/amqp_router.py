"""Sorts orders from one queue of RabbitMQ into queues by country; broken ones go to `orders-bad`.

python amqp_router.py --set '[connection:Rabbit] url=amqp://guest:guest@localhost/'
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.amqp

CONFIG = {
    "codec": "json",
    "queue": "orders",
    "topology.declare": True,
    "topology.type": "quorum",
    # What is no JSON is moved there by the broker.
    "topology.dead_letter_exchange": "amq.direct",
    "topology.dead_letter_routing_key": "orders-bad",
}


class Address(bspump.Processor):
    """Choose the queue of an order."""

    def process(self, context: dict[str, Any], event: dict[str, Any], /) -> dict[str, Any]:
        context["amqp.routing_key"] = f"orders-{event['country'].lower()}"
        return event


class Router(bspump.Pipeline):
    """From one queue to several."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.amqp.AMQPSource(app, self, "Rabbit", config=CONFIG),
            Address(app, self),
            # The default exchange takes a message to the queue that its routing key names.
            bspump.amqp.AMQPSink(app, self, "Rabbit", config={"exchange": ""}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_connection(bspump.amqp.AMQPConnection(application, "Rabbit"))
    application.PumpService.add_pipeline(Router(application))
    sys.exit(application.run())
