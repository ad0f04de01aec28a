"""Sockets: streams (TCP, TLS, Unix) and datagrams (UDP, Unix), as sources and as sinks."""

from __future__ import annotations

from .datagram_sink import DatagramSink
from .datagram_source import DatagramSource
from .protocol import (
    FramedSourceProtocol,
    LengthPrefixSourceProtocol,
    LineSourceProtocol,
    SourceProtocolABC,
)
from .stream import Stream, TLSStream
from .stream_client_sink import StreamClientSink, StreamSink
from .stream_server_source import StreamServerSource, StreamSource

__all__ = [
    "DatagramSink",
    "DatagramSource",
    "FramedSourceProtocol",
    "LengthPrefixSourceProtocol",
    "LineSourceProtocol",
    "SourceProtocolABC",
    "Stream",
    "StreamClientSink",
    "StreamServerSource",
    "StreamSink",
    "StreamSource",
    "TLSStream",
]
