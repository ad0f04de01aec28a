"""Protocols of stream servers: what becomes of the bytes that a peer sends."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.config import parse_bytes, parse_seconds
from bspump.abc.contexts import Copies
from bspump.abc.errors import ConfigError
from bspump.clients.sockets.messages import MessageReader
from bspump.clients.sockets.stream import Stream
from bspump.formats.framing import Framing, LineFraming
from bspump.formats.framing_counted import LengthPrefixFraming

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Pipeline
    from bspump.abc.source import Source


class SourceProtocolABC(ABC):
    """Makes events of what arrives at a stream server; one instance serves all connections.

    Args:
        app: the application.
        pipeline: the pipeline of the source.
        config: the configuration of the source.
    """

    def __init__(self, app: Application, pipeline: Pipeline, config: Mapping[str, Any]) -> None:
        self.app = app
        self.pipeline = pipeline
        self.config = config

    @abstractmethod
    async def handle(self, source: Source, stream: Stream, context: Context) -> None:
        """Read `stream` to its end and pass what it says to `source.process(event, context)`.

        Called once for each connection, in a task of its own; the connection is closed when it
        returns. When the source stops, `stream.recv` returns what has arrived and then the end:
        go on until then. `OSError` is a connection that broke; what else it raises is an error
        of the pipeline.
        """


class FramedSourceProtocol(SourceProtocolABC):
    r"""A protocol whose messages are cut out by a framing; each becomes one event.

    Events are text, decoded as `decode` of the configuration says, in which bytes that cannot be
    decoded are shown as escapes (`\xe9`); with `bytes` or nothing they stay bytes. Each event
    has a copy of the context of its connection.

    Raises:
        ConfigError: there is no such encoding, or `max_message_bytes` is no use.
    """

    def __init__(self, app: Application, pipeline: Pipeline, config: Mapping[str, Any]) -> None:
        super().__init__(app, pipeline, config)
        self._encoding = _encoding_of(str(config.get("decode", "utf-8")))
        self._max_message_bytes = parse_bytes(config.get("max_message_bytes", 1 << 20))
        self._reader: MessageReader | None = None
        self.framing(self._max_message_bytes)  # Says now what would be wrong with it later.

    @abstractmethod
    def framing(self, max_message_bytes: int) -> Framing:
        """Return a new framing for one connection."""

    async def handle(self, source: Source, stream: Stream, context: Context) -> None:
        if self._reader is None:
            self._reader = MessageReader(
                self.pipeline,
                source,
                max_buffered_bytes=parse_bytes(self.config.get("max_buffered_bytes", 64 << 20)),
                idle_s=parse_seconds(self.config.get("idle_timeout", 0)),
            )
        await self._reader.read(stream, self.framing(self._max_message_bytes), context, self._take)

    async def _take(self, messages: list[bytes], context: Context) -> None:
        encoding = self._encoding
        events: list[Any] = messages
        if encoding is not None:
            events = [message.decode(encoding, "backslashreplace") for message in messages]
        await self.pipeline.process_many(events, Copies(context, len(events)))


class LineSourceProtocol(FramedSourceProtocol):
    r"""Lines that end with `\n` or `\r\n`, each one event without its end.

    The last line of a connection needs no end if the peer closes it.
    """

    def framing(self, max_message_bytes: int) -> Framing:
        return LineFraming(max_bytes=max_message_bytes)


class LengthPrefixSourceProtocol(FramedSourceProtocol):
    """Messages after their length, a binary integer of four bytes in network order."""

    def framing(self, max_message_bytes: int) -> Framing:
        return LengthPrefixFraming(max_bytes=max_message_bytes)


def _encoding_of(name: str) -> str | None:
    if name in {"", "bytes"}:
        return None
    try:
        b"a".decode(name, "backslashreplace")
        return codecs.lookup(name).name
    except (LookupError, UnicodeError) as error:
        raise ConfigError(
            f"decode: expected `bytes` or an encoding of text, got {name!r}"
        ) from error
