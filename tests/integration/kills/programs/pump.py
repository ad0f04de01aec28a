"""From a source to a sink, counting per key on the way: what is killed again and again.

The command line is one object of JSON: `source` and `sink` with their `kind` and options, and the
directory `var` of checkpoints; events whose numbers are in `deadly` abort the process. It prints a
line when it listens to signals, and then one whenever a checkpoint comes to the sink.
"""

import json
import os
import sys

import bspump
import bspump.common
from bspump.abc.state import PartState, Snapshot


class CountPerKey(bspump.Processor):
    """Adds to each event how many of its key there were: wrong if one is lost or comes twice."""

    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, id)
        self.Counts = {}
        self._changed = set()

    def process(self, context, event):
        key = event["key"]
        count = self.Counts[key] = self.Counts.get(key, 0) + 1
        self._changed.add(key)
        return {"number": event["number"], "key": key, "count": count}

    def snapshot(self):
        if not self._changed:
            return None
        changed = {key: self.Counts[key] for key in self._changed}
        self._changed.clear()
        return Snapshot(changed=changed)

    def restore(self, state: PartState):
        self.Counts = dict(state.keyed)


class Deadly(bspump.Processor):
    """Aborts the process, as a bug in a library of C does."""

    def __init__(self, app, pipeline, numbers):
        super().__init__(app, pipeline)
        self._numbers = frozenset(numbers)

    def process(self, context, event):
        if event["number"] in self._numbers:
            os.abort()
        return event


class Pump(bspump.Pipeline):
    def __init__(self, app, source, sink, deadly):
        super().__init__(app, "Pump", {"on_error": "dead_letter"} if deadly else None)
        make_source = SOURCES[source.pop("kind")]
        make_sink = SINKS[sink.pop("kind")]
        # Much is to be written that no checkpoint covers yet.
        sink = {"batch.max_events": 100, "batch.max_age": 0.02, **sink}
        end = make_sink(app, self, sink)
        announce_checkpoints(end)
        parts = [*make_source(app, self, source), *([Deadly(app, self, deadly)] if deadly else [])]
        self.build(*parts, CountPerKey(app, self), end)


def announce_start(*_):
    """Print that it listens to signals."""
    os.write(1, b"ready\n")


def announce_checkpoints(sink):
    """Print a line whenever a checkpoint comes to the sink, before anything of it is kept."""
    name = "prepare" if hasattr(sink, "prepare") else "commit"
    method = getattr(sink, name)

    async def announced(*arguments):
        os.write(1, b"checkpoint\n")
        return await method(*arguments)

    setattr(sink, name, announced)


def connection(app, kind, options):
    options = options.pop("connection")
    service = app.PumpService
    if kind.__name__ not in service.Connections:
        service.add_connection(kind(app, kind.__name__, options))
    return kind.__name__


def file_source(app, pipeline, options):
    from bspump.file import TailSource

    return [
        TailSource(app, pipeline, config={"idle": 0.01, **options}),
        bspump.common.BytesJsonParser(app, pipeline),
    ]


def kafka_source(app, pipeline, options):
    from bspump.kafka import KafkaConnection, KafkaSource

    at = connection(app, KafkaConnection, options)
    return [KafkaSource(app, pipeline, at, config={"codec": "json", **options})]


def changes_source(app, pipeline, options):
    from bspump.postgresql import PostgreSQLConnection, PostgreSQLReplicationSource

    def row(context, event):
        return event["new"] if event["operation"] == "insert" else None

    at = connection(app, PostgreSQLConnection, options)
    return [PostgreSQLReplicationSource(app, pipeline, at, config=options), row]


def rabbit_source(app, pipeline, options):
    from bspump.amqp import AMQPConnection, AMQPSource

    at = connection(app, AMQPConnection, options)
    return [AMQPSource(app, pipeline, at, config={"codec": "json", **options})]


def tcp_source(app, pipeline, options):
    from bspump.buffer import DiskBufferSource
    from bspump.ipc import SourceProtocolABC, StreamServerSource

    class Confirming(SourceProtocolABC):
        """Lines that are sent back when they are in the buffer."""

        async def handle(self, source, stream, context):
            rest = b""
            while data := await stream.recv():
                *lines, rest = (rest + data).split(b"\n")
                await self.pipeline.process_many(lines)
                stream.send(b"".join(line + b"\n" for line in lines))

    listening = {"address": options.pop("address")}

    def server(app, pipeline):
        return StreamServerSource(app, pipeline, config=listening, protocol_class=Confirming)

    return [
        DiskBufferSource(app, pipeline, server, config=options),
        bspump.common.BytesJsonParser(app, pipeline),
    ]


def file_sink(app, pipeline, options):
    from bspump.file import FileSink

    return FileSink(app, pipeline, config={"codec": "json", "rotate.max_events": 700, **options})


def kafka_sink(app, pipeline, options):
    from bspump.kafka import KafkaConnection, KafkaSink

    at = connection(app, KafkaConnection, options)
    return KafkaSink(app, pipeline, at, config={"exactly_once": True, **options})


def postgres_sink(app, pipeline, options):
    from bspump.postgresql import PostgreSQLConnection, PostgreSQLSink

    at = connection(app, PostgreSQLConnection, options)
    return PostgreSQLSink(app, pipeline, at, config={"exactly_once": True, **options})


SOURCES = {
    "changes": changes_source,
    "file": file_source,
    "kafka": kafka_source,
    "rabbit": rabbit_source,
    "tcp": tcp_source,
}
SINKS = {"file": file_sink, "kafka": kafka_sink, "postgres": postgres_sink}


def main(text):
    given = json.loads(text)
    app = bspump.BSPumpApplication(
        args=[
            *("--set", f"[general] var_dir={given['var']}"),
            *("--set", f"[checkpoint] interval={given.get('interval', 0.1)}"),
        ]
    )
    app.PubSub.subscribe("Application.init!", announce_start)
    app.PumpService.add_pipeline(Pump(app, given["source"], given["sink"], given.get("deadly")))
    return app.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
