"""A server of a few lines, which does all that real ones do: forks, daemons, shared memory."""

from __future__ import annotations

import sys

import pytest

from bspump.testing.servers import Server

PROGRAM = """
import ctypes, os, pathlib, signal, socketserver, sys

here = pathlib.Path.cwd()

def stop(*_):
    (here / "stopped").touch()
    os._exit(0)

if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, stop)

ctypes.CDLL(None).shmget(0, 64, 0o1600)
child = os.fork()
if child == 0:
    os.setsid()
    daemon = os.fork()
    if daemon:
        (here / "daemon").write_text(str(daemon))
        os._exit(0)
    while True:
        signal.pause()
os.waitpid(child, 0)

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(str(os.getpid()).encode() + b" " + line)

class TCPServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

print("it starts", sorted(os.environ), flush=True)
TCPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class EchoServer(Server):
    """Answers each line with its process id and the line."""

    name = "Echo"
    stop_within_s = 0.5
    arguments = ()

    @classmethod
    def lacks(cls):
        return None

    def environment(self):
        return {"OWN": "1"}

    def command(self):
        return [sys.executable, "-I", "-S", "-c", PROGRAM, str(self.port), *self.arguments]

    def answers(self, connection):
        connection.sendall(b"ready\n")
        return connection.recv(100).endswith(b"ready\n")

    @property
    def daemon(self):
        """The id of the process that has left the group and the parent."""
        return int((self.directory / "daemon").read_text())


@pytest.fixture
def echo_class():
    return EchoServer


@pytest.fixture
def echo():
    with EchoServer() as server:
        yield server
