"""Kafka: source and sink against a bare loop over the same client, at a real broker."""

from __future__ import annotations

import asyncio
import functools
import time
import uuid
from typing import Any

import confluent_kafka
from _measure import heading

from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource
from bspump.testing.harness import Harness
from bspump.testing.servers import KafkaServer

EVENTS = 200_000
VALUE = b"x" * 100


def bare_sink(servers: str, topic: str) -> float:
    """Produce with confirmation; return events per second."""
    start = time.perf_counter()
    done = 0

    def note(error: Any, _: Any) -> None:
        nonlocal done
        assert error is None
        done += 1

    producer = confluent_kafka.Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True,
         "queue.buffering.max.messages": 30_000}
    )  # fmt: skip
    for _ in range(EVENTS):
        while True:
            try:
                producer.produce(topic, VALUE, on_delivery=note)
            except BufferError:
                producer.poll(0.01)
            else:
                break
    producer.flush()
    assert done == EVENTS
    return EVENTS / (time.perf_counter() - start)


def bare_source(servers: str, topic: str) -> float:
    """Consume in batches; return events per second from the first one on."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex,
         "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )  # fmt: skip
    consumer.subscribe([topic])
    seen, start = 0, 0.0
    while seen < EVENTS:
        for message in consumer.consume(500, 0.05):
            start = start or time.perf_counter()
            assert message.error() is None
            seen += len(message.value()) == len(VALUE)
    spent = time.perf_counter() - start
    consumer.close()
    return EVENTS / spent


async def engine(kind: Any, servers: str, topic: str) -> float:
    """Run a pipeline with the source or the sink; return events per second."""
    async with Harness() as harness:
        service = harness.app.PumpService
        service.add_connection(KafkaConnection(harness.app, "K", {"bootstrap_servers": servers}))
        config = {"topic": topic, **({"group.id": uuid.uuid4().hex} if kind is KafkaSource else {})}
        pipeline = harness.chain(
            functools.partial(lambda app, pipeline: kind(app, pipeline, "K", config=config))
        )
        if kind is KafkaSink:
            await harness.app.Clock.sleep(0.2)
            start = time.perf_counter()
            harness.send([VALUE] * EVENTS)
            await harness.finish()
            return EVENTS / (time.perf_counter() - start)
        start = 0.0
        out = next(pipeline.iter_processors()).Events
        while len(out) < EVENTS:
            await harness.app.Clock.sleep(0.002)
            if out and not start:
                start = time.perf_counter()
        return EVENTS / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    heading(f"Kafka, {EVENTS:,} messages of {len(VALUE)} bytes")
    with KafkaServer() as server:
        servers = server.bootstrap_servers
        for name, bare, kind in (
            ("sink", bare_sink, KafkaSink),
            ("source", bare_source, KafkaSource),
        ):
            best = [0.0, 0.0]
            for _ in range(2):
                topic = uuid.uuid4().hex
                best[0] = max(best[0], bare(servers, "full" if kind is KafkaSource else topic))
                topic = "full" if name == "source" or not best[1] else uuid.uuid4().hex
                best[1] = max(best[1], asyncio.run(engine(kind, servers, topic)))
            print(
                f"{name}: bare {best[0]:,.0f}/s, engine {best[1]:,.0f}/s, {best[1] / best[0]:.0%}"
            )


if __name__ == "__main__":
    main()
