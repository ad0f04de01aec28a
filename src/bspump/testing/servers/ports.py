"""Ports that a server can keep while it is down."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOWEST = 15_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

_given: set[int] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free by TCP and UDP and was not returned before.

    It lies below those that the system gives to clients. So while a server is down, no client
    takes its port, and who tries to reach it is not connected to itself.
    """
    highest = 32_767
    if EPHEMERAL.exists():
        highest = int(EPHEMERAL.read_text(encoding="ascii").split()[0]) - 1
    candidates = range(LOWEST, highest + 1) if highest - LOWEST > 1000 else range(1024, 65_536)
    for _ in range(1000):
        port = random.choice(candidates)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port was found between {candidates[0]} and {candidates[-1]}")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
