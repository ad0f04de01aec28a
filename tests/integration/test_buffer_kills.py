"""A TCP server with a disk buffer that is killed at any moment delivers all that it confirmed."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from bspump.testing.servers.ports import free_port

PROGRAM = """
import os, sys
import bspump
from bspump.abc.sink import Sink
from bspump.buffer import DiskBufferSource
from bspump.ipc import SourceProtocolABC, StreamServerSource

class Confirming(SourceProtocolABC):
    \"\"\"Lines that are sent back when they have been taken.\"\"\"

    async def handle(self, source, stream, context):
        rest = b""
        while data := await stream.recv():
            *lines, rest = (rest + data).split(b"\\n")
            await self.pipeline.process_many(lines)
            stream.send(b"".join(line + b"\\n" for line in lines))

class Lines(Sink):
    def __init__(self, app, pipeline, path):
        super().__init__(app, pipeline)
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def process(self, context, event):
        os.write(self.file, event + b"\\n")

class Lossy(bspump.Pipeline):
    def __init__(self, app, address, out):
        super().__init__(app)
        def server(app, pipeline):
            config = {"address": address}
            return StreamServerSource(app, pipeline, config=config, protocol_class=Confirming)
        config = {"buffer.segment_bytes": 20_000}
        self.build(DiskBufferSource(app, self, server, config=config), Lines(app, self, out))

app = bspump.BSPumpApplication(args=[
    "--set", f"[general] var_dir={sys.argv[1]}", "--set", "[checkpoint] interval=50ms"
])
app.PumpService.add_pipeline(Lossy(app, *sys.argv[2:]))
sys.exit(app.run())
"""


class Sender:
    """Sends numbered lines, and notes which were confirmed; goes on after a lost connection."""

    def __init__(self, port):
        self.port, self.next, self.confirmed = port, 0, []

    def send_for(self, seconds):
        """Send for a while, and longer until the server is there; stop when it is gone."""
        deadline_s = time.monotonic() + 15
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline_s, "the server does not come up"
                time.sleep(0.01)
        until_s = time.monotonic() + seconds
        with connection, connection.makefile("rb") as answers:
            while time.monotonic() < until_s:
                numbers = range(self.next, self.next + 20)
                self.next = numbers.stop
                connection.sendall(b"".join(b"line %d\n" % n for n in numbers))
                for n in numbers:
                    assert answers.readline() == b"line %d\n" % n
                    self.confirmed.append(n)


@pytest.mark.slow
def test_every_confirmed_line_arrives(tmp_path):
    out, port, chance = tmp_path / "out", free_port(), random.Random(11)
    arguments = [str(tmp_path / "var"), f"127.0.0.1 {port}", str(out)]
    sender = Sender(port)

    def start():
        return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])

    for _ in range(6):
        with start() as process:
            sender.send_for(chance.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
    with start() as process:
        sender.send_for(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    # What came last may have stayed in the buffer; nobody sends any more.
    last = b"line %d\n" % sender.confirmed[-1]
    deadline_s = time.monotonic() + 20
    with start() as process:
        sender.send_for(0)
        while not out.read_bytes().endswith(last):
            assert time.monotonic() < deadline_s, "the last line does not arrive"
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    arrived = [int(line.split()[1]) for line in out.read_bytes().splitlines()]
    assert len(sender.confirmed) > 500
    assert set(sender.confirmed) <= set(arrived)
    assert list(dict.fromkeys(arrived)) == sorted(set(arrived)), "out of order"
    # What was processed was removed, apart from the last files.
    assert len(list((tmp_path / "var").rglob("*.segment"))) <= 3


@pytest.mark.slow
def test_two_processes_do_not_share_a_buffer(tmp_path):
    program = PROGRAM.replace(
        'config = {"buffer.seg', 'config = {"directory": sys.argv[4], "buffer.seg'
    )
    program = program.replace("*sys.argv[2:]", "*sys.argv[2:4]")
    ports = [free_port(), free_port()]

    def start(number):
        return subprocess.Popen(
            [
                *(sys.executable, "-c", program, str(tmp_path / f"var{number}")),
                *(f"127.0.0.1 {ports[number]}", str(tmp_path / "out"), str(tmp_path / "buffer")),
            ],
            stderr=subprocess.PIPE,
        )

    with start(0) as first:
        Sender(ports[0]).send_for(0.05)
        with start(1) as second:
            lines = iter(second.stderr.readline, b"")
            said = next(line for line in lines if b"another process uses it" in line)
            assert str(tmp_path / "buffer").encode() in said
            second.send_signal(signal.SIGTERM)
            second.stderr.read()
        Sender(ports[0]).send_for(0.05)
        first.send_signal(signal.SIGTERM)
        first.stderr.read()
        assert first.wait(20) == 0
