"""The sources of `bspump.ipc` under the names that older programs use."""

from __future__ import annotations

from bspump.ipc.datagram_source import DatagramSource
from bspump.ipc.stream_server_source import StreamServerSource

TCPSource = StreamServerSource
TCPStreamSource = StreamServerSource
UDPSource = DatagramSource

__all__ = ["TCPSource", "TCPStreamSource", "UDPSource"]
