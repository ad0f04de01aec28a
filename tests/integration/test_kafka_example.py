"""The example of the page about Kafka does what it says."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("fastavro")

import bspump  # noqa: E402
from bspump.abc.schemas import RegisteredSchema  # noqa: E402
from bspump.clients.schema_registry import SchemaRegistryConnection  # noqa: E402
from bspump.formats.configured import SchemaOptions, configured_codec  # noqa: E402
from bspump.testing import eventually  # noqa: E402

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "kafka_orders.py"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = """{"type": "record", "name": "shop.Order", "fields": [
  {"name": "id", "type": "string"},
  {"name": "total",
   "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
  {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "customer", "type": "string"}]}"""


def order(id_, total):
    return {"id": id_, "total": Decimal(total), "at": AT}


@pytest.fixture
async def codec(registry):
    """Return what a function returns: a codec for a topic."""
    app = bspump.BSPumpApplication(args=[])
    connection = SchemaRegistryConnection(app, "R", {"url": registry.url})
    await connection.register("orders-value", RegisteredSchema(0, "AVRO", ORDER))

    def make(topic):
        schema = SchemaOptions(registry="R", subject=f"{topic}-value")
        return configured_codec("avro", schema, {"R": connection}.__getitem__)

    yield make
    await connection.close()


async def test_large_orders_are_copied(kafka, registry, codec, tmp_path):
    orders = codec("orders")
    await orders.prepare_encoding()
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for id_, total in [("a", "999.99"), ("b", "1000.00")]:
        producer.produce("orders", orders.encode({**order(id_, total), "customer": "c"}))
    assert producer.flush(20) == 0
    settings = [
        f"[kafka] bootstrap_servers={kafka.bootstrap_servers}",
        f"[connection:Registry] url={registry.url}",
    ]
    options = [each for setting in settings for each in ("--set", setting)]
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(EXAMPLE), *options), cwd=tmp_path
    )
    group = {"group.id": "test", "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap_servers, **group})
    consumer.subscribe(["large-orders"])
    values = []

    def has_come():
        values.extend(m.value() for m in consumer.consume(10, 0.1) if m.error() is None)
        return values

    try:
        await eventually(has_come, 40)
    finally:
        consumer.close()
        program.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(program.wait(), 20)
    large = codec("large-orders")
    await large.prepare(values)
    assert code == 0
    assert list(map(large.decode, values)) == [order("b", "1000.00")]
