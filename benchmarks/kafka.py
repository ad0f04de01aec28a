"""Kafka: source and sink against a bare loop over the same client, at a real broker.

The bare loop consumes in batches and looks at what the context of an event has, or produces with
confirmation of each message; its client has the settings that ours has. Nothing is decoded.
Runs take turns, and each pair makes one ratio. A sink that writes exactly once, in a transaction
for each checkpoint, is there for comparison.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any

import confluent_kafka
from _measure import heading

from bspump import BSPumpApplication, Pipeline
from bspump.abc.source import Chunk, PullSource
from bspump.common import NullSink
from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource
from bspump.testing.servers import KafkaServer

READ = 2_000_000
WRITTEN = 500_000
CHUNK = 1000
VALUE = b"x" * 100
PAIRS = 5
LIMIT_S = 120.0
"""After this long a run has failed."""


def bare_sink(servers: str, topic: str, count: int = WRITTEN) -> float:
    """Produce with confirmation; return messages per second."""
    start = time.perf_counter()
    failed: list[Any] = []

    def note(error: Any, _: Any) -> None:
        failed.append(error)

    producer = confluent_kafka.Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True, "client.id": "bspump",
         "delivery.report.only.error": True, **KafkaSink.ConfigDefaults}
    )  # fmt: skip
    for _ in range(count):
        while True:
            try:
                producer.produce(topic, VALUE, on_delivery=note)
            except BufferError:
                producer.poll(0.01)
            else:
                break
    # Nothing is left, and of nothing it is said that it has failed: all of it is confirmed.
    assert producer.flush(LIMIT_S) == 0
    assert not failed
    return count / (time.perf_counter() - start)


def bare_source(servers: str, topic: str) -> float:
    """Consume in batches; return messages per second from the first one on."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "client.id": "bspump",
         "auto.offset.reset": "earliest", "enable.auto.commit": False,
         "fetch.queue.backoff.ms": 10}
    )  # fmt: skip
    consumer.subscribe([topic])
    seen, start = 0, 0.0
    while seen < READ:
        for message in consumer.consume(CHUNK, 0.05):
            start = start or time.perf_counter()
            assert message.error() is None
            seen += len(message.value()) == len(VALUE)
            for look in (message.key, message.headers, message.topic, message.partition):
                look()
            message.offset()
            message.timestamp()
    spent = time.perf_counter() - start
    consumer.close()
    return READ / spent


class Given(PullSource[Any, int]):
    """Events from memory, as fast as they are taken."""

    async def read(self, position: int | None, /) -> Chunk[int]:
        done = (position or 0) + CHUNK
        return Chunk([VALUE] * CHUNK, done, is_last=done >= WRITTEN)


def engine_sink(servers: str, topic: str, *, exactly_once: bool = False) -> float:
    """Run a pipeline with the sink; return how many events are written in a second."""
    with tempfile.TemporaryDirectory() as var_dir:
        args = ["--set", f"[general] var_dir={var_dir}"] if exactly_once else []
        app, pipeline = _pipeline(args, servers)
        config = {"topic": topic, "exactly_once": exactly_once}
        pipeline.build(Given(app, pipeline), KafkaSink(app, pipeline, "K", config=config))
        app.PumpService.add_pipeline(pipeline)
        start = time.perf_counter()
        # It ends when all is written, and committed.
        assert app.run() == 0
        return WRITTEN / (time.perf_counter() - start)


def engine_source(servers: str, topic: str, *, looks: bool = False) -> float:
    """Run a pipeline with the source; return how many events come in a second.

    Args:
        servers: of the cluster.
        topic: is read from its beginning.
        looks: a function looks at the context of each event.
    """
    app, pipeline = _pipeline([], servers)
    config = {"topic": topic, "group.id": uuid.uuid4().hex, "buffer_size": CHUNK}
    source = KafkaSource(app, pipeline, "K", config=config)
    pipeline.build(source, *([_look] if looks else []), NullSink(app, pipeline))
    app.PumpService.add_pipeline(pipeline)
    rates: list[float] = []

    async def watch() -> None:
        first, start, until = 0, 0.0, time.perf_counter() + LIMIT_S
        while time.perf_counter() < until and not pipeline.has_error():
            done = sum((source.Position or {}).values())
            if done and not start:
                first, start = done, time.perf_counter()
            if done >= READ:
                rates.append((done - first) / (time.perf_counter() - start))
                break
            await app.Clock.sleep(0.002)
        app.stop()

    def begin(*_: Any, **__: Any) -> None:
        app.spawn(watch(), name="watch")

    app.PubSub.subscribe("Application.run!", begin)
    app.run()
    return rates[0]


def _look(context: Any, event: bytes) -> bytes:
    assert context["_kafka_offset"] >= 0
    return event


def _pipeline(args: list[str], servers: str) -> tuple[BSPumpApplication, Pipeline]:
    app = BSPumpApplication(args=args)
    app.PumpService.add_connection(KafkaConnection(app, "K", {"bootstrap_servers": servers}))
    return app, Pipeline(app, "Benchmark")


def compare(name: str, bare: Callable[[], float], engine: Callable[[], float], limit: str) -> None:
    """Run both in turns and print the medians, and the median of the ratios."""
    bare(), engine()
    pairs = [(bare(), engine()) for _ in range(PAIRS)]
    bare_rate, rate = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(each / base for base, each in pairs)
    print(f"{name:24}{bare_rate:12,.0f}/s{rate:12,.0f}/s{ratio:8.0%}   {limit}", flush=True)


def main() -> None:
    """Measure and print."""
    heading(
        f"Kafka, messages of {len(VALUE)} bytes: {READ:,} read, {WRITTEN:,} written,"
        f" median of {PAIRS} pairs"
    )
    with KafkaServer() as server:
        servers = server.bootstrap_servers
        bare_sink(servers, "full", READ)  # It makes the topic, and the broker warm.

        def new_topic() -> str:
            name = uuid.uuid4().hex
            bare_sink(servers, name, CHUNK)
            return name

        def bare() -> float:
            return bare_sink(servers, new_topic())

        def sink(*, exactly_once: bool = False) -> float:
            return engine_sink(servers, new_topic(), exactly_once=exactly_once)

        def source(*, looks: bool = False) -> float:
            return engine_source(servers, "full", looks=looks)

        read = functools.partial(bare_source, servers, "full")
        print(f"{'':24}{'bare':>14}{'pipeline':>14}")
        compare("source", read, source, "at least 60 %")
        compare("source, context used", read, functools.partial(source, looks=True), "")
        compare("sink", bare, sink, "at least 60 %")
        compare("sink, exactly once", bare, functools.partial(sink, exactly_once=True), "")


if __name__ == "__main__":
    main()
