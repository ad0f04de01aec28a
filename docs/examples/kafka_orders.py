"""Copies large orders from one topic to another, as Avro with a schema registry.

python kafka_orders.py --set '[kafka] bootstrap_servers=localhost:9092' \
    --set '[connection:Registry] url=http://localhost:8081'
"""

from __future__ import annotations

import json
import sys
from typing import Any

import bspump
import bspump.kafka

# What we write. Orders are read whatever version of their schema they were written with.
LARGE_ORDER = {
    "type": "record",
    "name": "LargeOrder",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {
            "name": "total",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
        },
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
SOURCE = {
    "topic": "orders",
    "group.id": "large-orders",
    "codec": "avro",
    "schema.registry": "Registry",
}
SINK = {
    "topic": "large-orders",
    "codec": "avro",
    "schema.registry": "Registry",
    "schema.text": json.dumps(LARGE_ORDER),
    # Without it the schema must be registered under `large-orders-value`.
    "schema.register": True,
}


def large(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any] | None:
    """Pass on what the new topic has of an order of 1000 or more."""
    if event["total"] < 1000:
        return None
    return {name: event[name] for name in ("id", "total", "at")}


class LargeOrders(bspump.Pipeline):
    """From one topic to another."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.kafka.KafkaSource(app, self, "Kafka", config=SOURCE),
            large,
            bspump.kafka.KafkaSink(app, self, "Kafka", config=SINK),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    service = application.PumpService
    service.add_connection(bspump.kafka.KafkaConnection(application, "Kafka"))
    service.add_connection(bspump.kafka.SchemaRegistryConnection(application, "Registry"))
    service.add_pipeline(LargeOrders(application))
    sys.exit(application.run())
