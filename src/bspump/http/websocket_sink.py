"""A sink that sends events over a WebSocket."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import aiohttp
import msgspec
from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import (
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.options import BatchOptions, Options
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions
from bspump.clients.http.errors import transfer_errors
from bspump.clients.http.options import AuthOptions, Headers, TimeoutOptions, TlsOptions
from bspump.formats.reject import rejected

from .websocket_client import Heartbeat, MaxMessageBytes, WebSocketClient

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class HTTPClientWebSocketSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """Where events are sent."""

    url: Annotated[str, Meta(description="URL of the server; http, https, ws or wss.")] = (
        "https://localhost:8081/"
    )
    output_queue_max_size: Annotated[
        int, Meta(ge=1, description="Events in a batch at the most, with `batch.max_events`.")
    ] = 100
    batch: BatchOptions = BatchOptions(max_age=0.05)
    headers: Headers = {}  # noqa: RUF012 - each struct gets a dict of its own
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions = TlsOptions()
    timeout: TimeoutOptions = TimeoutOptions()
    heartbeat: Heartbeat = 30.0
    max_message_bytes: MaxMessageBytes = 4 << 20


class HTTPClientWebSocketSink(BatchSink[HTTPClientWebSocketSinkOptions]):
    """Send each event as one message: text for `str`, binary for `bytes`; others are set aside.

    A batch counts as delivered when the server has answered a ping that was sent behind it: then
    it has received all of it. When the connection is lost before, the batch is sent again over
    the next one, so that messages may come twice, and none is lost on the way. What the server
    sends is read and thrown away.

    Args:
        ssl: a context of TLS, in place of the options `tls.*`.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPClientWebSocketSinkOptions
    Capabilities: ClassVar[Can] = Can.PARTIAL

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        ssl: tls.SSLContext | bool | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.SSL = ssl
        batch = self.Options.batch
        limit = min(batch.max_events, self.Options.output_queue_max_size)
        self.Options = msgspec.structs.replace(
            self.Options, batch=msgspec.structs.replace(batch, max_events=limit)
        )
        self._client: WebSocketClient | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._pong: asyncio.Future[None] | None = None
        self._pings = 0

    async def connect(self) -> None:
        self._client = await WebSocketClient.connect(
            self.Options.url,
            self.Options,
            context=self.SSL,
            autoping=False,
            now_s=self.App.time(),
        )
        self._reader = self.App.spawn(
            self._read(self._client), name=f"{self.locate_address()}: pings"
        )

    async def _read(self, client: WebSocketClient) -> None:
        """Answer pings and take note of pongs, until the connection ends."""
        socket = client.socket
        try:
            while True:
                message = await socket.receive()
                if message.type == aiohttp.WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type == aiohttp.WSMsgType.PONG:
                    self._answered(message.data)
                elif socket.closed:
                    return
        except ConnectionError:
            return
        finally:
            if self._pong is not None and not self._pong.done():
                self._pong.set_exception(client.lost())

    def _answered(self, data: bytes) -> None:
        if self._pong is not None and not self._pong.done() and data == self._payload():
            self._pong.set_result(None)

    def _payload(self) -> bytes:
        return b"bspump %d" % self._pings

    async def write(self, batch: Batch, /) -> None:
        client = self._client
        if client is None or self._reader is None or self._reader.done():
            gone = NotConnectedError(f"{self.Id}: not connected")
            raise gone if client is None else client.lost()
        socket = client.socket
        errors: dict[int, TransientError | RejectedError] = {}
        with transfer_errors(client.where):
            for index, event in enumerate(batch.events):
                if isinstance(event, str):
                    await socket.send_str(event)
                elif isinstance(event, bytes | bytearray):
                    await socket.send_bytes(bytes(event))
                else:
                    errors[index] = rejected(self.Id, "str or bytes", event)
            if len(errors) < len(batch):
                await self._confirm(client)
        if errors:
            raise PartialWriteError(errors)

    async def _confirm(self, client: WebSocketClient) -> None:
        """Wait until the server has answered a ping."""
        self._pings += 1
        self._pong = pong = asyncio.get_running_loop().create_future()
        try:
            await client.socket.ping(self._payload())
            async with asyncio.timeout(self.Options.timeout.read or None):
                await pong
        except TimeoutError as error:
            raise NotConnectedError(
                f"{client.where}: no answer to a ping within timeout.read"
            ) from error
        finally:
            pong.cancel()

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        client, self._client = self._client, None
        try:
            if reader is not None:
                reader.cancel()
                await asyncio.wait([reader])
        finally:
            if client is not None:
                await client.close()
