"""The sink that sends datagrams."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import (
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.options import BatchOptions
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions
from bspump.clients.sockets.address import parse_address, resolve
from bspump.clients.sockets.readiness import wait_writable

from .payload import payload_of

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

# The kernel is short of memory: nothing is wrong with the socket.
_PASSING: Final = {errno.ENOBUFS, errno.ENOMEM}


class DatagramSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """Where datagrams are sent."""

    batch: BatchOptions = BatchOptions(max_age=0.0)
    address: Annotated[
        str,
        Meta(
            description="Where to send: `host port`, `host:port`, `[ipv6]:port`, `port` or the"
            " path of a Unix socket."
        ),
    ] = "127.0.0.1 8888"


class DatagramSink(BatchSink[DatagramSinkOptions]):
    """Send each event, bytes or text, as one datagram by UDP or to a Unix socket.

    A full buffer of the kernel holds the pipeline back. An event is written when the kernel has
    it; whether it arrives, UDP does not tell. If the kernel learns that nobody listens, what is
    not sent yet waits and is tried again; an earlier datagram may have been lost. An event that
    is too long for a datagram is rejected, its neighbours are sent.

    Raises:
        ConfigError: the address is no use.
    """

    OptionsClass = DatagramSinkOptions
    Capabilities = Can.PARTIAL

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._address = parse_address(self.Options.address)
        self._socket: socket.socket | None = None

    async def connect(self) -> None:
        try:
            target = (await resolve(self._address, socket.SOCK_DGRAM))[0]
            sock = socket.socket(target.family, socket.SOCK_DGRAM)
            try:
                sock.setblocking(False)
                sock.connect(target.sockaddr)
            except OSError:
                sock.close()
                raise
        except OSError as error:
            raise NotConnectedError(f"cannot send to {self._address}: {error}") from error
        self._socket = sock

    async def write(self, batch: Batch) -> None:
        if self._socket is None:
            raise NotConnectedError(f"{self._address}: the receiver is gone")
        errors: dict[int, TransientError | RejectedError] = {}
        for index, event in enumerate(batch.events):
            try:
                await self._send(self._socket, payload_of(event))
            except RejectedError as error:
                errors[index] = error
            except OSError as error:
                if self._address.family == socket.AF_UNIX and error.errno not in _PASSING:
                    # Another socket may take its place, which only a new connection finds.
                    await self.close()
                left = TransientError(f"cannot send to {self._address}: {error}")
                errors.update((rest, left) for rest in range(index, len(batch)))
                break
        if errors:
            raise PartialWriteError(errors)

    async def _send(self, sock: socket.socket, payload: bytes) -> None:
        while True:
            try:
                sock.send(payload)
            except BlockingIOError:
                await wait_writable(sock)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise RejectedError(
                        f"a datagram to {self._address} cannot hold {len(payload)} bytes"
                    ) from error
                raise
            else:
                return

    async def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
