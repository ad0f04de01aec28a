"""Kafka: source and sink against a bare loop over the same client, at a real broker.

The bare loop consumes in batches, or produces with confirmation of each message. Runs take turns,
and each pair makes one ratio. A sink that writes exactly once, in a transaction for each
checkpoint, is there for comparison.
"""

from __future__ import annotations

import asyncio
import functools
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any

import confluent_kafka
from _measure import heading

from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource
from bspump.testing.harness import Harness
from bspump.testing.servers import KafkaServer

EVENTS = 200_000
VALUE = b"x" * 100
PAIRS = 3
LIMIT_S = 120.0
"""After this long a run has failed."""


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


async def engine_sink(servers: str, topic: str, *, exactly_once: bool = False) -> float:
    """Run a pipeline with the sink; return how many events are written in a second."""
    with tempfile.TemporaryDirectory() as var_dir:
        args = ["--set", f"[general] var_dir={var_dir}"] if exactly_once else []
        async with asyncio.timeout(LIMIT_S), Harness(args) as harness:
            harness.chain(
                _maker(harness, servers, KafkaSink, {"topic": topic, "exactly_once": exactly_once})
            )
            await harness.app.Clock.sleep(0.2)
            start = time.perf_counter()
            harness.send([VALUE] * EVENTS)
            await harness.finish()
            if exactly_once:
                await harness.pipelines[0].checkpoint()
            return EVENTS / (time.perf_counter() - start)


async def engine_source(servers: str, topic: str) -> float:
    """Run a pipeline with the source; return how many events come in a second."""
    async with asyncio.timeout(LIMIT_S), Harness() as harness:
        config = {"topic": topic, "group.id": uuid.uuid4().hex}
        pipeline = harness.chain(_maker(harness, servers, KafkaSource, config))
        out = next(pipeline.iter_processors()).Events
        start = 0.0
        while len(out) < EVENTS:
            assert not pipeline.has_error()
            await harness.app.Clock.sleep(0.002)
            if out and not start:
                start = time.perf_counter()
        return EVENTS / (time.perf_counter() - start)


def _maker(harness: Harness, servers: str, kind: Any, config: dict[str, Any]) -> Any:
    connection = KafkaConnection(harness.app, "K", {"bootstrap_servers": servers})
    harness.app.PumpService.add_connection(connection)
    return functools.partial(lambda app, pipeline: kind(app, pipeline, "K", config=config))


def compare(name: str, bare: Callable[[], float], engine: Callable[[], float], limit: str) -> None:
    """Run both in turns and print the medians, and the median of the ratios."""
    pairs = [(bare(), engine()) for _ in range(PAIRS)]
    bare_rate, rate = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(each / base for base, each in pairs)
    print(f"{name:24}{bare_rate:12,.0f}/s{rate:12,.0f}/s{ratio:8.0%}   {limit}", flush=True)


def main() -> None:
    """Measure and print."""
    heading(f"Kafka, {EVENTS:,} messages of {len(VALUE)} bytes, median of {PAIRS} pairs")
    with KafkaServer() as server:
        servers = server.bootstrap_servers
        bare_sink(servers, "full")  # It makes the topic, and the broker warm.

        def bare() -> float:
            return bare_sink(servers, uuid.uuid4().hex)

        def sink(*, exactly_once: bool = False) -> float:
            topic = uuid.uuid4().hex
            return asyncio.run(engine_sink(servers, topic, exactly_once=exactly_once))

        print(f"{'':24}{'bare':>14}{'pipeline':>14}")
        compare("sink", bare, sink, "at least 60 %")
        compare("sink, exactly once", bare, functools.partial(sink, exactly_once=True), "")
        compare(
            "source",
            lambda: bare_source(servers, "full"),
            lambda: asyncio.run(engine_source(servers, "full")),
            "at least 60 %",
        )


if __name__ == "__main__":
    main()
