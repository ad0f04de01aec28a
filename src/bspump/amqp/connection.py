"""The connection to an AMQP broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bspump.abc.connection import Connection
from bspump.abc.errors import ConfigError, NotConnectedError, TransientError
from bspump.abc.extras import require
from bspump.abc.options import Options
from bspump.abc.redaction import redact_text

from .errors import EXTRA, transfer_errors
from .options import AMQPConnectionOptions

if TYPE_CHECKING:
    import aiormq
    from yarl import URL

    from bspump.abc.host import Application

_CLOSE_WITHIN_S: Final = 5.0


class AMQPConnection(Connection):
    """Knows how to connect to a broker; each source and sink opens a connection of its own.

    So a broker that stops taking messages (an alarm of memory or disk) does not hold up the
    acknowledgements that would free it. When the first connection is open,
    `AMQPConnection.open!` is published by `PubSub`, when the last is gone,
    `AMQPConnection.close!`; both with `connection=` this object.
    """

    OptionsClass: ClassVar[type[Options]] = AMQPConnectionOptions
    Options: AMQPConnectionOptions

    def __init__(
        self, app: Application, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(app, id, config)
        self.PubSub = app.PubSub
        self.Where = redact_text(self.Options.url).partition("?")[0]
        self._connections: set[aiormq.abc.AbstractConnection] = set()

    def build_url(self, name: str = "") -> URL:
        """Return the URL with all options in it. It may contain the password: never show it.

        Args:
            name: of the part that connects, for the broker to show.

        Raises:
            ConfigError: it is not a URL of AMQP.
        """
        yarl = require("yarl", extra=EXTRA)
        options = self.Options
        try:
            url: URL = yarl.URL(options.url)
        except ValueError:
            url = yarl.URL()
        if url.scheme not in ("amqp", "amqps") or not url.host:
            raise ConfigError(
                f"{self.Id}: url: the value is not valid\n"
                "  expected: amqp://user:password@host:port/vhost, or amqps://\n"
                f"  got: {self.Where}"
            )
        if options.password:
            url = url.with_password(options.password)
        shown = f"{options.appname} {name}".strip()
        return url.update_query({"heartbeat": str(options.heartbeat), "name": shown, **url.query})

    def errors(self) -> AbstractContextManager[None]:
        """Translate the errors of the client in a `with` block; see `transfer_errors`."""
        return transfer_errors(self.Where)

    @contextmanager
    def _patiently(self) -> Iterator[None]:
        """Let the engine wait `reconnect_delay` after a failure in the block."""
        try:
            yield
        except NotConnectedError as error:
            raise TransientError(str(error), retry_after_s=self.Options.reconnect_delay) from error

    async def open(self, name: str = "") -> aiormq.abc.AbstractConnection:
        """Open a connection, which the caller gives back by `shut`.

        Raises:
            TransientError: the broker cannot be reached or does not take it now.
            ConfigError: wrong credentials, no such virtual host, and the like.
        """
        client = require("aiormq", extra=EXTRA)
        url = self.build_url(name)
        connection: aiormq.abc.AbstractConnection = client.Connection(url)
        try:
            with self._patiently(), self.errors():
                async with asyncio.timeout(self.Options.connect_timeout):
                    await connection.connect()
        except BaseException:
            await self._end(connection)
            raise
        self._connections.add(connection)
        connection.closing.add_done_callback(lambda _: self._gone(connection))
        if len(self._connections) == 1:
            self.PubSub.publish("AMQPConnection.open!", connection=self)
        return connection

    def _gone(self, connection: aiormq.abc.AbstractConnection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        if not self._connections:
            self.PubSub.publish("AMQPConnection.close!", connection=self)

    async def shut(self, connection: aiormq.abc.AbstractConnection) -> None:
        """Close a connection that `open` has returned; one that is closed already is fine."""
        try:
            await self._end(connection)
        finally:
            self._gone(connection)

    @staticmethod
    async def _end(connection: aiormq.abc.AbstractConnection) -> None:
        try:
            # It waits for the broker's answer, and a broker that hangs has none.
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                # Channels first: what they have acknowledged is sent before they close.
                for channel in list(connection.channels.values()):
                    if channel is not None:
                        await channel.close()
                await connection.close()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Close what sources and sinks have left open."""
        for connection in list(self._connections):
            await self.shut(connection)

    def rest_get(self) -> dict[str, Any]:
        return {
            **super().rest_get(),
            "url": self.Where,
            "connections": len(self._connections),
        }
