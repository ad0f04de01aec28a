"""What the WebSocket sink and source have in common: the connection."""

from __future__ import annotations

import ssl
from typing import Annotated, Final, Protocol

import aiohttp
from msgspec import Meta

from bspump.abc.errors import ConfigError, NotConnectedError, RejectedError
from bspump.abc.options import Duration, Size
from bspump.clients.http.errors import shown_url, transfer_errors
from bspump.clients.http.options import HttpSettings
from bspump.clients.http.session import open_session

_CLOSE_S: Final = 5.0


Heartbeat = Annotated[
    Duration, Meta(description="Ask a silent peer so often whether it is there; 0: never.")
]
MaxMessageBytes = Annotated[
    Size, Meta(description="Bytes of one message that is received, at the most.")
]


class WebSocketSettings(HttpSettings, Protocol):
    """The options of a part that is a client of WebSocket."""

    @property
    def heartbeat(self) -> float: ...
    @property
    def max_message_bytes(self) -> int: ...


class WebSocketClient:
    """One connection, and the session that it belongs to."""

    def __init__(
        self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, where: str
    ) -> None:
        self._session, self.socket, self.where = session, socket, where

    @classmethod
    async def connect(
        cls,
        url: str,
        options: WebSocketSettings,
        *,
        context: ssl.SSLContext | bool | None,
        autoping: bool,
        now_s: float,
    ) -> WebSocketClient:
        """Connect. Nothing stays open when it fails or is cancelled.

        Raises:
            NotConnectedError, TransientError: not possible now.
            ConfigError: the server refuses, or an option is of no use.
        """
        where = f"WebSocket {shown_url(url)}"
        session = open_session(options, url, context=context)
        try:
            with transfer_errors(where, now_s):
                socket = await session.ws_connect(
                    url,
                    autoping=autoping,
                    heartbeat=options.heartbeat or None,
                    max_msg_size=options.max_message_bytes,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                )
        except RejectedError as error:
            await session.close()
            raise ConfigError(str(error)) from error
        except BaseException:
            await session.close()
            raise
        return cls(session, socket, where)

    def lost(self) -> NotConnectedError:
        """Return the error of a connection that has ended."""
        code = self.socket.close_code
        reason = self.socket.exception()
        said = f"closed with {code}" if reason is None else str(reason) or type(reason).__name__
        return NotConnectedError(f"{self.where}: the connection has ended ({said})")

    async def close(self) -> None:
        """Say goodbye, for 5 seconds at the most, and close."""
        try:
            await self.socket.close()
        finally:
            await self._session.close()
