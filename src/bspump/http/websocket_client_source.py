"""A source of the messages that a WebSocket server sends."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import aiohttp
from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError
from bspump.abc.options import Duration, Options
from bspump.abc.source import Chunk, PullOptions, PullSource
from bspump.clients.http.errors import transfer_errors
from bspump.clients.http.options import AuthOptions, Headers, TimeoutOptions, TlsOptions

from .websocket_client import Heartbeat, MaxMessageBytes, WebSocketClient

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_MESSAGES = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class HTTPClientWebSocketSourceOptions(PullOptions, frozen=True, kw_only=True):
    """Whom to listen to."""

    url: Annotated[str, Meta(description="URL of the server; http, https, ws or wss.")]
    subscribe: Annotated[
        str, Meta(description="A text that is sent once after each connect, if there is any.")
    ] = ""
    idle: Annotated[Duration, Meta(description="Wait after a read that found nothing.")] = 0.0
    headers: Headers = {}  # noqa: RUF012 - each struct gets a dict of its own
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions = TlsOptions()
    timeout: TimeoutOptions = TimeoutOptions()
    heartbeat: Heartbeat = 30.0
    max_message_bytes: MaxMessageBytes = 4 << 20


class HTTPClientWebSocketSource(PullSource[HTTPClientWebSocketSourceOptions, None]):
    """Emit each message of a server: `str` for text, `bytes` for binary.

    A connection that ends, or that does not answer the `heartbeat`, is made again. There is no
    position: what the server sends while nobody is connected is lost, and so is what was received
    and not yet passed on at a crash. While the pipeline is not ready nothing is received, and the
    server has to wait.

    Args:
        ssl: a context of TLS, in place of the options `tls.*`.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPClientWebSocketSourceOptions
    Capabilities: ClassVar[Can] = Can.ORDER

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
        self._client: WebSocketClient | None = None

    async def connect(self) -> None:
        options = self.Options
        client = await WebSocketClient.connect(
            options.url, options, context=self.SSL, autoping=True, now_s=self.App.time()
        )
        try:
            if options.subscribe:
                with transfer_errors(client.where):
                    await client.socket.send_str(options.subscribe)
        except BaseException:
            await client.close()
            raise
        self._client = client

    async def read(self, position: None, /) -> Chunk[None]:
        client = self._client
        if client is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        with transfer_errors(client.where):
            message = await client.socket.receive()
        if message.type in _MESSAGES:
            return Chunk([message.data], None)
        if client.socket.closed:
            raise client.lost()
        return Chunk([], None)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
