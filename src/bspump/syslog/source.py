"""The source that receives syslog messages."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.errors import ConfigError, RejectedError
from bspump.abc.source import Source
from bspump.clients.sockets.address import Address, parse_addresses
from bspump.clients.sockets.datagram_server import DatagramServer
from bspump.clients.sockets.messages import MessageReader
from bspump.clients.sockets.serving import Endpoint, serve
from bspump.clients.sockets.stream import Stream
from bspump.clients.sockets.stream_server import StreamServer
from bspump.formats.framing_counted import OctetCountingFraming

from .options import SyslogSourceOptions
from .parser import SyslogReading

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Pipeline

# Parsing takes microseconds a message: after so many of them others are to have their turn.
_SLICE: Final = 250


class SyslogSource(Source):
    """Receive syslog by UDP, TCP, TLS or a Unix socket; each message becomes a dict.

    What comes out has always the same keys, see `bspump.formats.syslog`: RFC 5424 and RFC 3164
    are told apart for each message. On streams, messages after their length (RFC 6587, octet
    counting) and messages that end with a newline are told apart as well. A malformed message is
    rejected; its neighbours are not harmed.

    The context is that of the stream (`stream_peer`, …) or of the datagram (`datagram`); see
    `bspump.ipc`. Datagrams that the kernel drops while the pipeline is not ready are lost and
    cannot be counted; streams are held back instead. When the source stops, what has arrived is
    processed. Syslog has no acknowledgement: what was received and not processed is lost in a
    crash.

    Raises:
        ConfigError: the address or another option is no use.
    """

    OptionsClass = SyslogSourceOptions
    Options: SyslogSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        options = self.Options
        self._framing()  # Says now what would be wrong with it later.
        self._reading = SyslogReading(self.time, options.timezone, options.default_priority)
        addresses = parse_addresses(options.address)
        self._datagrams = [each for each in addresses if self._serves("udp", each)]
        self._streams = [each for each in addresses if self._serves("tcp", each)]
        self._endpoints: list[Endpoint] = []

    def _serves(self, transport: str, address: Address) -> bool:
        options, is_unix = self.Options, address.family == socket.AF_UNIX
        if not options.transport:
            wanted = "tcp" if options.is_tls else "udp" if is_unix else transport
            return transport == wanted
        if is_unix and len(set(options.transport)) > 1:
            raise ConfigError(
                f"transport: expected `udp` or `tcp` for {address}, which cannot be both"
            )
        return transport in options.transport

    @property
    def Addresses(self) -> list[str]:
        """Where it listens, as text, first for datagrams; empty while it does not."""
        return [address for endpoint in self._endpoints for address in endpoint.addresses]

    async def main(self) -> None:
        self._endpoints = []
        options = self.Options
        if self._datagrams:
            self._endpoints.append(
                DatagramServer(
                    self.Pipeline,
                    self,
                    self._datagrams,
                    max_packet_bytes=options.max_message_bytes,
                    receive_buffer_bytes=options.receiver_buffer_size,
                    take=self._take,
                )
            )
        if self._streams:
            reader = MessageReader(
                self.Pipeline,
                self,
                max_buffered_bytes=options.max_buffered_bytes,
                idle_s=options.idle_timeout,
            )

            async def handle(stream: Stream, context: Context) -> None:
                await reader.read(stream, self._framing(), context, self._take_messages)

            self._endpoints.append(StreamServer(self.Pipeline, self._streams, options, handle))
        await serve(self.Pipeline, *self._endpoints)

    def _framing(self) -> OctetCountingFraming:
        return OctetCountingFraming(max_bytes=self.Options.max_message_bytes)

    async def _take_messages(self, messages: list[bytes], context: Context) -> None:
        await self._take(messages, [context.copy() for _ in messages])

    async def _take(self, messages: Sequence[bytes], contexts: Sequence[Context]) -> None:
        for at in range(0, len(messages), _SLICE):
            await self._take_slice(messages[at : at + _SLICE], contexts[at : at + _SLICE])

    async def _take_slice(self, messages: Sequence[bytes], contexts: Sequence[Context]) -> None:
        parse = self._reading.parser()
        events: list[dict[str, Any]] = []
        kept: list[Context] = []
        for message, context in zip(messages, contexts, strict=True):
            try:
                events.append(parse(message))
            except RejectedError as error:
                self.Pipeline.reject([(context, message)], error, self)
            else:
                kept.append(context)
        if events:
            await self.Pipeline.process_many(events, kept)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        servers = [each for each in self._endpoints if isinstance(each, StreamServer)]
        return {
            **super().rest_get(),
            "addresses": self.Addresses,
            "connections": sum(map(len, servers)),
        }
