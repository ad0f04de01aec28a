"""What servers of sockets can be told."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bspump.abc.options import Duration, Options, Size

from .tls import CaFile, CertFile, KeyFile, KeyPassword, Verify

ListenAddress = Annotated[
    str,
    Meta(
        description="Where to listen: `host port`, `host:port`, `[ipv6]:port`, `*:port`, `port`"
        " or the path of a Unix socket; several are separated by commas or newlines."
    ),
]
PacketBytes = Annotated[
    Size, Meta(description="Bytes of a datagram at the most; a longer one is rejected.")
]
ReceiveBufferBytes = Annotated[
    Size,
    Meta(
        description="Bytes of datagrams that the kernel keeps for us (SO_RCVBUF); 0: as the"
        " system is set up."
    ),
]


class StreamServerOptions(Options, frozen=True, kw_only=True):
    """How connections are accepted and what they may cost.

    The memory they take is bounded by `max_buffered_bytes`, one chunk of 256 KiB, and
    `max_connections * max_outbound_bytes` if replies are sent to peers that do not take them.
    """

    address: ListenAddress = "127.0.0.1 8888"
    backlog: Annotated[
        int | None,
        Meta(description="Connections that wait to be accepted; empty: as Python decides."),
    ] = None
    cert: CertFile = ""
    key: KeyFile = ""
    password: KeyPassword = ""
    cafile: CaFile = ""
    verify_mode: Verify = ""
    max_connections: Annotated[
        int, Meta(ge=1, description="Connections at the most; more of them wait.")
    ] = 1000
    max_message_bytes: Annotated[
        Size, Meta(description="Bytes of one message at the most; a longer one is rejected.")
    ] = 1 << 20
    max_buffered_bytes: Annotated[
        Size,
        Meta(
            description="Bytes of unfinished messages of all connections at the most; the"
            " connection that goes beyond is closed."
        ),
    ] = 64 << 20
    max_outbound_bytes: Annotated[
        Size,
        Meta(
            description="Bytes of replies that wait for a peer to take them; one that lets more"
            " wait loses its connection."
        ),
    ] = 1 << 20
    idle_timeout: Annotated[
        Duration,
        Meta(description="Close a connection that was silent for so long; 0: never."),
    ] = 0.0

    @property
    def is_tls(self) -> bool:
        """Tell whether connections are encrypted."""
        return bool(self.cert or self.key)
