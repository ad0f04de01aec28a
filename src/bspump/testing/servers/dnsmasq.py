"""dnsmasq, a small name server."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from .server import HOST, Server, find_program, not_installed

QUERY_ID = 0x2A2A
IS_RESPONSE = 0x8000


class DnsmasqServer(Server):
    """dnsmasq, which knows nothing but the `records` it is given and asks no other server.

    Args:
        records: lines of its configuration, for example `host-record=www.example.org,192.0.2.1`.
    """

    name = "dnsmasq"

    def __init__(self, records: Sequence[str] = ()) -> None:
        super().__init__()
        self.records = list(records)

    @classmethod
    def lacks(cls) -> str | None:
        return None if find_program("dnsmasq") else not_installed(cls.name, "dnsmasq-base")

    def prepare(self) -> None:
        lines = [
            *("keep-in-foreground", "log-facility=-", "user=", "pid-file="),
            *("no-resolv", "no-hosts", "no-poll", "bind-interfaces"),
            *(f"listen-address={HOST}", f"port={self.port}"),
            *self.records,
        ]
        self.write_file("dnsmasq.conf", "".join(f"{line}\n" for line in lines))

    def command(self) -> list[str]:
        return [str(find_program("dnsmasq")), f"--conf-file={self.directory / 'dnsmasq.conf'}"]

    def answers(self, connection: socket.socket) -> bool:
        # Over TCP a message has its length before it; the question is for the root's address.
        question = struct.pack(">HHHHHH", QUERY_ID, 0x0100, 1, 0, 0, 0) + b"\0\0\1\0\1"
        connection.sendall(struct.pack(">H", len(question)) + question)
        header = connection.recv(6, socket.MSG_WAITALL)
        if len(header) < 6:
            return False
        _length, query_id, flags = struct.unpack(">HHH", header)
        return query_id == QUERY_ID and bool(flags & IS_RESPONSE)
