"""A source that is fed by WebSocket clients of a web application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import WSCloseCode, WSMsgType, web

from bspump.abc.capabilities import Can
from bspump.abc.options import Options
from bspump.abc.source import Source

from .websocket_client import Heartbeat, MaxMessageBytes

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)


class WebSocketSourceOptions(Options, frozen=True, kw_only=True):
    """What is expected of clients."""

    heartbeat: Heartbeat = 30.0
    max_message_bytes: MaxMessageBytes = 4 << 20


class WebSocketSource(Source):
    """Take events from WebSocket clients: add `handler` to the routes of an aiohttp application.

    Each message is one event, `str` or `bytes`. The context has `type`, the `WSMsgType` of the
    message, and `request`. The next message of a client is taken when the one before has passed
    the pipeline; while the pipeline is not ready the clients have to wait.

    When the source stops, its connections are closed with 1001 (going away). Messages that were
    not passed by then are lost.
    """

    OptionsClass: ClassVar[type[Options]] = WebSocketSourceOptions
    Options: WebSocketSourceOptions
    Capabilities: ClassVar[Can] = Can.ORDER

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._sockets: set[web.WebSocketResponse] = set()
        self._is_stopping = False

    async def main(self) -> None:
        self._is_stopping = False
        try:
            await self.stopped()
        finally:
            self._is_stopping = True
            for socket in list(self._sockets):
                await socket.close(code=WSCloseCode.GOING_AWAY)

    async def handler(self, request: web.Request) -> web.StreamResponse:
        """Serve one client until it leaves."""
        if self._is_stopping:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"})
        socket = web.WebSocketResponse(
            heartbeat=self.Options.heartbeat or None,
            max_msg_size=self.Options.max_message_bytes,
        )
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async for message in socket:
                if message.type in _MESSAGES:
                    await self.process(message.data, {"type": message.type, "request": request})
        finally:
            self._sockets.discard(socket)
        return socket
