"""Lines of JSON over TCP: the line source against a bare asyncio loop with the same parser.

Both get the same bytes from a sender in a process of its own, parse every line and add up one of
its fields. What is measured is the CPU time of the receiving process alone.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from functools import partial
from typing import Any

import msgspec
from _measure import cpu_ns_awaited, heading, in_turns, row

import bspump
from bspump.common import BytesJsonParser
from bspump.ipc import StreamServerSource

EVENTS = 400_000
CHUNK_BYTES = 1 << 18
DIFFERENT = 1_000

Context = dict[str, Any]


class Request(msgspec.Struct, gc=False):
    """What a line says, where a schema is declared."""

    time: str
    host: str
    method: str
    path: str
    status: int
    size: int
    agent: str


def line(i: int) -> bytes:
    """Return a line of about 200 bytes."""
    event = {
        "time": f"2026-03-{i % 28 + 1:02}T12:{i % 60:02}:00.{i % 1000:03}Z",
        "host": f"web-{i % 50}.example.org",
        "method": "GET" if i % 3 else "POST",
        "path": f"/articles/{i * 7919 % 10_000}/comments",
        "status": 200 if i % 10 else 404,
        "size": i * 31 % 5_000,
        "agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
    }
    return msgspec.json.encode(event) + b"\n"


LINES = [line(i) for i in range(DIFFERENT)]
TOTAL = sum(msgspec.json.decode(text)["size"] for text in LINES) * (EVENTS // DIFFERENT)


class Expect:
    """Counts events, and tells when the last one has come."""

    def __init__(self) -> None:
        self.seen = self.total = 0
        self.done = asyncio.Event()

    def check(self) -> None:
        """See that all events came, and nothing else."""
        assert (self.seen, self.total) == (EVENTS, TOTAL), (self.seen, self.total)


class SumSink(bspump.Sink):
    """Adds up the sizes, of dicts or of typed events."""

    expect: Expect
    is_typed = False

    def process(self, context: Context, event: Any) -> None:
        expect = self.expect
        expect.seen += 1
        expect.total += event.size if self.is_typed else event["size"]
        if expect.seen == EVENTS:
            expect.done.set()


class Requests(bspump.Pipeline):
    """Lines of bytes, JSON, a sum."""

    def __init__(self, app: Any, schema: Any, expect: Expect) -> None:
        super().__init__(app)
        self.Source = StreamServerSource(
            app, self, config={"address": "127.0.0.1:0", "decode": "bytes"}
        )
        sink = SumSink(app, self)
        sink.expect, sink.is_typed = expect, schema is not None
        self.build(self.Source, BytesJsonParser(app, self, schema=schema), sink)


async def receive(port: int, expect: Expect) -> float:
    """Have the events sent to `port`; return what receiving them cost."""
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--send", str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert sender.stdin is not None
    assert sender.stdout is not None
    await sender.stdout.readline()

    async def work() -> None:
        sender.stdin.write(b"go\n")
        await expect.done.wait()

    spent = await cpu_ns_awaited(EVENTS, work)
    await sender.wait()
    expect.check()
    return spent


def send(port: int) -> None:
    """Connect, say so, and send everything as soon as a line comes on standard input."""
    data = b"".join(LINES)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        print("connected", flush=True)
        sys.stdin.readline()
        for _ in range(EVENTS // DIFFERENT):
            connection.sendall(data)


def bare(schema: Any = None) -> float:
    """A loop by hand: read a chunk, cut it into lines, parse them."""
    decode = msgspec.json.Decoder(Any if schema is None else schema).decode

    async def main() -> float:
        expect = Expect()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            rest = b""
            while chunk := await reader.read(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for event in map(decode, lines):
                    expect.seen += 1
                    expect.total += event["size"] if schema is None else event.size
            assert not rest
            writer.close()
            expect.done.set()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=CHUNK_BYTES)
        async with server:
            return await receive(server.sockets[0].getsockname()[1], expect)

    return asyncio.run(main())


def engine(schema: Any = None) -> float:
    """A pipeline of the line source, a parser and a sink."""

    async def main() -> float:
        app = bspump.BSPumpApplication(args=[])
        expect = Expect()
        pipeline = Requests(app, schema, expect)
        app.PumpService.add_pipeline(pipeline)
        async with app.running():
            while not pipeline.Source.Addresses:
                await app.Clock.sleep(0.001)
            port = int(pipeline.Source.Addresses[0].split()[-1].rpartition(":")[2])
            return await receive(port, expect)

    return asyncio.run(main())


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--send"]:
        send(int(sys.argv[2]))
        return
    heading(f"{EVENTS:,} lines of JSON over TCP, {len(b''.join(LINES)) // DIFFERENT} bytes each")
    for name, schema in (("dicts", None), ("typed", Request)):
        found = in_turns(
            {"bare": partial(bare, schema), "engine": partial(engine, schema)}, repetitions=5
        )
        row(f"{name}, bare asyncio loop", found["bare"], found["bare"])
        row(f"{name}, StreamServerSource", found["engine"], found["bare"], 1 / 0.7)


if __name__ == "__main__":
    main()
