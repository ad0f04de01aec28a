"""A source of notifications: LISTEN and NOTIFY."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from msgspec import Meta

from bspump.abc.errors import NotConnectedError, RejectedError
from bspump.abc.options import Duration, Options
from bspump.abc.source import Chunk, PullOptions, PullSource
from bspump.formats.registry import codec

from .connection import PostgreSQLConnection
from .queries import quoted

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.host import Application, Pipeline

_PATIENCE_S: Final = 1.0


class PostgreSQLNotifySourceOptions(PullOptions, frozen=True, kw_only=True):
    """What is listened to."""

    channels: Annotated[
        list[str], Meta(min_length=1, description="Channels, as `NOTIFY` names them.")
    ]
    codec: Annotated[str, Meta(description="How the payload is decoded.")] = "text"
    idle: Annotated[Duration, Meta(description="Wait after a read that found nothing.")] = 0.0


class PostgreSQLNotifySource(PullSource[PostgreSQLNotifySourceOptions, None]):
    """Listen to the notifications of channels (`NOTIFY`, `pg_notify`).

    Emits the payload, decoded by `codec`; the context has the channel in `pg_channel` and the
    process that sent it in `pg_pid`. A payload that the codec refuses is set aside.

    At most once: what is sent while nobody listens is lost, so also while the source reconnects,
    which is logged. Use `PostgreSQLReplicationSource` for what must not be lost. While the
    pipeline is held back, notifications wait in the queue of the server, which is bounded.

    Args:
        connection: Id of a `PostgreSQLConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = PostgreSQLNotifySourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        connection: str | PostgreSQLConnection,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        located: Any = app.PumpService.locate_connection(connection)
        self.Connection: PostgreSQLConnection = located
        self._connection: AsyncConnection[Any] | None = None
        self._has_listened = False

    async def connect(self) -> None:
        self._codec = codec(self.Options.codec)
        connection = await self.Connection.open()
        try:
            with self.Connection.errors():
                for channel in self.Options.channels:
                    await connection.execute(f"LISTEN {quoted(channel)}".encode())
        except BaseException:
            await connection.close()
            raise
        if self._has_listened:
            self.Pipeline.L.warning(
                "notifications that were sent meanwhile are lost", source=self.Id
            )
        self._connection, self._has_listened = connection, True

    async def read(self, position: None, /) -> Chunk[None]:
        if self._connection is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        with self.Connection.errors():
            # Ends with the first of them, and those that came together with it.
            notifies = self._connection.notifies(timeout=_PATIENCE_S, stop_after=1)
            received = [notify async for notify in notifies]
        events, contexts = [], []
        for notify in received:
            context = {"pg_channel": notify.channel, "pg_pid": notify.pid}
            try:
                event = self._codec.decode(notify.payload.encode())
            except RejectedError as error:
                self.Pipeline.reject([(context, notify.payload)], error, self)
                continue
            events.append(event)
            contexts.append(context)
        return Chunk(events, None, contexts)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
