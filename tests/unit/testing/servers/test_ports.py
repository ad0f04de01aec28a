from __future__ import annotations

import socket
from pathlib import Path

from bspump.testing.servers import ports

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_port_is_free_and_never_returned_twice():
    given = [ports.free_port() for _ in range(100)]
    assert len(set(given)) == len(given)
    for port in given:
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_a_port_is_not_one_that_clients_get():
    first = int(RANGE.read_text().split()[0])
    assert all(ports.free_port() < first for _ in range(20))


def test_a_port_in_use_is_left_alone(monkeypatch):
    with socket.create_server(("127.0.0.1", ports.free_port())) as used:
        taken = used.getsockname()[1]
        other = ports.free_port()
        ports._given.discard(other)
        answers = iter([taken, taken, other])
        monkeypatch.setattr(ports.random, "choice", lambda _: next(answers))
        assert ports.free_port() == other
