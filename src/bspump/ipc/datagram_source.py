"""The source that reads datagrams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.options import Options
from bspump.abc.source import Source
from bspump.clients.sockets.address import parse_addresses
from bspump.clients.sockets.datagram_server import DatagramServer
from bspump.clients.sockets.options import ListenAddress, PacketBytes, ReceiveBufferBytes
from bspump.clients.sockets.serving import serve

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class DatagramSourceOptions(Options, frozen=True, kw_only=True):
    """Where datagrams are read."""

    address: ListenAddress = "127.0.0.1 8888"
    max_packet_size: PacketBytes = 65536
    receiver_buffer_size: ReceiveBufferBytes = 0


class DatagramSource(Source):
    """Read UDP or Unix datagrams; each becomes an event of bytes.

    The context has `datagram`: the address of the sender, `None` if it has none.

    At most once: while the pipeline is not ready nothing is read, and what does not fit into the
    kernel's buffer (`receiver_buffer_size`) is dropped by the kernel; nobody is told of it. When
    the source stops, what the kernel has received by then is processed.

    Raises:
        ConfigError: the address or another option is no use.
    """

    OptionsClass = DatagramSourceOptions
    Options: DatagramSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._addresses = parse_addresses(self.Options.address)
        self._server: DatagramServer | None = None

    @property
    def Addresses(self) -> list[str]:
        """Where it reads, as text; empty while it does not."""
        return [] if self._server is None else self._server.addresses

    async def main(self) -> None:
        self._server = DatagramServer(
            self.Pipeline,
            self,
            self._addresses,
            max_packet_bytes=self.Options.max_packet_size,
            receive_buffer_bytes=self.Options.receiver_buffer_size,
            take=self.Pipeline.process_many,
        )
        await serve(self.Pipeline, self._server)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        return {**super().rest_get(), "addresses": self.Addresses}
