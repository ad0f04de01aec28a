"""The sink that writes to a stream socket."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError, PartialWriteError, RejectedError
from bspump.abc.options import BatchOptions, Duration
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions
from bspump.clients.sockets.address import parse_addresses
from bspump.clients.sockets.connecting import connect
from bspump.clients.sockets.stream import Stream
from bspump.clients.sockets.tls import (
    CaFile,
    CertFile,
    KeyFile,
    KeyPassword,
    Verify,
    client_context,
)
from bspump.formats.framing import Framing, LineFraming
from bspump.formats.framing_counted import (
    LengthPrefixFraming,
    NetstringFraming,
    OctetCountingFraming,
)

from .payload import payload_of

if TYPE_CHECKING:
    from bspump.abc.host import Application, Event, Pipeline

FramingName = Literal["", "line", "length", "netstring", "octets"]

_FRAMINGS: Final[dict[str, Callable[..., Framing]]] = {
    "line": LineFraming,
    "length": LengthPrefixFraming,
    "netstring": NetstringFraming,
    "octets": OctetCountingFraming,
}
_MAX_MESSAGE_BYTES: Final = (1 << 32) - 1


class StreamClientSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """Where to connect, how, and how events are told apart."""

    batch: BatchOptions = BatchOptions(max_age=0.0)
    address: Annotated[
        str,
        Meta(
            description="Where to connect: `host port`, `host:port`, `[ipv6]:port`, `port` or the"
            " path of a Unix socket; of several, separated by commas, the first that answers."
        ),
    ] = "127.0.0.1 8888"
    framing: Annotated[
        FramingName,
        Meta(
            description="What tells events apart: `line` (a newline after each), `length` (four"
            " bytes before each), `netstring`, `octets` (syslog, RFC 6587); empty: nothing, they"
            " are written as they are."
        ),
    ] = ""
    outbound_queue_max_size: Annotated[
        int | None, Meta(description="Another name of `batch.max_events`.")
    ] = None
    connect_timeout: Annotated[
        Duration, Meta(description="Seconds that connecting may take, the handshake included.")
    ] = 10.0
    tls: Annotated[
        bool, Meta(description="Use TLS; any of the options below switches it on as well.")
    ] = False
    server_hostname: Annotated[
        str, Meta(description="What the server's certificate is for; default is the host.")
    ] = ""
    cert: CertFile = ""
    key: KeyFile = ""
    password: KeyPassword = ""
    cafile: CaFile = ""
    verify_mode: Verify = ""

    @property
    def is_tls(self) -> bool:
        """Tell whether the connection is encrypted."""
        named = (self.server_hostname, self.cert, self.key, self.cafile, self.verify_mode)
        return self.tls or any(named)


class StreamClientSink(BatchSink[StreamClientSinkOptions]):
    """Write events, bytes or text, to a TCP, TLS or Unix stream server.

    An event is written when the kernel has it: TCP tells no more, so what was under way when the
    connection broke is lost, up to the size of the kernel's buffers. A batch that was not written
    as a whole is written again as a whole on a new connection. What the server sends is thrown
    away. An event that the framing cannot take is rejected, its neighbours are written.

    Raises:
        ConfigError: the address or another option is no use.
    """

    OptionsClass = StreamClientSinkOptions
    Capabilities = Can.PARTIAL

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        options = self.Options
        if options.outbound_queue_max_size is not None:
            batch = msgspec.structs.replace(
                options.batch, max_events=max(1, options.outbound_queue_max_size)
            )
            self.Options = msgspec.structs.replace(options, batch=batch)
        self._addresses = parse_addresses(options.address)
        self._framing: Framing | None = None
        if options.framing:
            self._framing = _FRAMINGS[options.framing](max_bytes=_MAX_MESSAGE_BYTES)
        self._context: ssl.SSLContext | None = None
        self._stream: Stream | None = None

    async def connect(self) -> None:
        options = self.Options
        # Made anew each time: certificates are renewed while we run.
        self._stream = await connect(
            self._addresses,
            client_context(options) if options.is_tls else None,
            server_hostname=options.server_hostname,
            timeout_s=options.connect_timeout,
        )

    async def write(self, batch: Batch) -> None:
        stream = self._stream
        if stream is None:
            raise NotConnectedError("not connected")
        if stream.outbound_bytes:
            raise NotConnectedError(f"{stream.peer}: an earlier batch was not taken in time")
        data, errors = self._frame_all(batch.events)
        try:
            is_open = stream.discard_input()
            if is_open:
                stream.send(data)
                await stream.outbound()
                # A server that refuses our certificate says so only now.
                is_open = stream.discard_input()
        except OSError as error:
            raise NotConnectedError(f"{stream.peer}: {error}") from error
        if not is_open:
            raise NotConnectedError(f"{stream.peer}: the server has closed the connection")
        if errors:
            raise PartialWriteError(errors)

    def _frame_all(self, events: Sequence[Event]) -> tuple[bytes, dict[int, RejectedError]]:
        """Return the bytes to write, and what cannot be written by its index."""
        framing, framed, errors = self._framing, [], {}
        for index, event in enumerate(events):
            try:
                payload = payload_of(event)
                framed.append(payload if framing is None else framing.frame(payload))
            except RejectedError as error:
                errors[index] = error
        return b"".join(framed), errors

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()


StreamSink = StreamClientSink
