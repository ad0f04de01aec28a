"""The source that listens on stream sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.source import Source
from bspump.clients.sockets.address import parse_addresses
from bspump.clients.sockets.options import StreamServerOptions
from bspump.clients.sockets.serving import serve
from bspump.clients.sockets.stream import Stream
from bspump.clients.sockets.stream_server import StreamServer

from .protocol import LineSourceProtocol, SourceProtocolABC

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Pipeline


class StreamServerSourceOptions(StreamServerOptions, frozen=True, kw_only=True):
    """How connections are accepted, what they may cost and how their messages are decoded."""

    decode: Annotated[
        str, Meta(description="Encoding of the messages; `bytes` or empty: not decoded.")
    ] = "utf-8"


class StreamServerSource(Source):
    """Listen on TCP, TLS or Unix stream sockets; each message of a peer becomes an event.

    What comes out is up to the protocol, lines of text if nothing else is said. With `cert` the
    connections are TLS, and with `cafile` peers must show a certificate of these authorities.

    The context has `stream_type` (`tcp`, `tls`, `unix`), `stream_dir` (`in`), `stream_peer` and
    `stream_me` (`address port`), and `stream`, whose `send(bytes)` replies to the peer.

    The messages of one connection keep their order. While the pipeline is not ready, nothing is
    read and TCP holds the peers back. When the source stops, nothing more is accepted, what has
    arrived is processed, and then the connections are closed. After a crash, what had been
    received and not processed is lost: the protocol has no acknowledgement.

    Args:
        app: the application.
        pipeline: the pipeline it belongs to.
        id: names it within the pipeline.
        config: options that override all others.
        protocol_class: makes events of what arrives.

    Raises:
        ConfigError: the address or another option is no use.
    """

    OptionsClass = StreamServerSourceOptions
    Options: StreamServerSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        protocol_class: type[SourceProtocolABC] = LineSourceProtocol,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Protocol = protocol_class(app, pipeline, self.Config)
        self._addresses = parse_addresses(self.Options.address)
        self._server: StreamServer | None = None

    @property
    def Addresses(self) -> list[str]:
        """Where it listens, as text; empty while it does not."""
        return [] if self._server is None else self._server.addresses

    async def main(self) -> None:
        self._server = StreamServer(self.Pipeline, self._addresses, self.Options, self._handle)
        await serve(self.Pipeline, self._server)

    async def _handle(self, stream: Stream, context: Context) -> None:
        await self.Protocol.handle(self, stream, context)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        connections = 0 if self._server is None else len(self._server)
        return {**super().rest_get(), "addresses": self.Addresses, "connections": connections}


StreamSource = StreamServerSource
