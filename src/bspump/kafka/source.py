"""A source that reads topics, as a member of a consumer group or partitions that are named."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bspump.abc.capabilities import Can
from bspump.abc.codec import Codec
from bspump.abc.errors import NotConnectedError, RejectedError
from bspump.abc.options import Options
from bspump.abc.source import Chunk, PullSource
from bspump.formats.configured import configured_codec
from bspump.formats.plain import BytesCodec

from .assigned import AssignedReader, Wanted, parse_partitions
from .connection import Client, KafkaConnection
from .group_member import GroupMember, Hooks
from .messages import Columns, MessageContexts
from .options import KafkaSourceOptions
from .reader import Limits, Reader
from .settings import LibrdkafkaConfigurable
from .start import parse_start
from .values import preparing

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Pipeline

Position = dict[str, int]

_READ_WAIT_S: Final = 1.0
_SETTLE_POLL_S: Final = 0.01


class KafkaSource(LibrdkafkaConfigurable, PullSource[KafkaSourceOptions, Position]):
    """Read the messages of topics, as a member of a consumer group or all by itself.

    An event is the value of a message, bytes or what `codec` makes of it; a message without a
    value is `b""`. The context has `kafka_key`, `kafka_headers` (a list of pairs, or None),
    `_kafka_topic`, `_kafka_partition`, `_kafka_offset` and `_kafka_timestamp` (Unix
    milliseconds, or None). A value that cannot be decoded is rejected, and reading goes on.

    The order of each partition is kept. At least once: an offset is committed when the sinks
    have written all before it. After a crash, what was not committed is read again, by whoever
    gets the partition. In a rebalance what was read is written and committed before its
    partition is given away, unless that takes longer than `revoke_timeout`.

    Where checkpoints outlive the process, a partition is read on from the checkpoint; or from the
    offset of the group if that is greater, for then somebody else has read on meanwhile. The same
    holds for one that comes back in a rebalance, so a member that is alone reads nothing twice.
    A partition that is lost because the member was silent for too long may go to another member,
    who reads again what came after the last checkpoint.

    Position: the next offset of each partition, by `topic-partition`. Those that were given away
    stay in it; nothing of them is committed, and an offset of the group is never set back.

    With `partitions` there is no group: those partitions are read from the checkpoint on, or from
    `start` if there is none, and nothing is told to the brokers. Of `all` partitions those that
    are added later are noticed, and read from their beginning. Where checkpoints do not outlive
    the process it begins anew at `start`.

    A pipeline that is held back keeps its membership, however long that takes. While no broker
    answers it waits, and reads on when one is back.

    Args:
        connection: Id of a `KafkaConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = KafkaSourceOptions
    Capabilities: ClassVar[Can] = Can.RESUME | Can.REDELIVER
    ConfigDefaults: ClassVar[Mapping[str, Any]] = {"auto.commit.interval.ms": 1000}
    Fixed: ClassVar[Mapping[str, bool]] = {
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        connection: str | KafkaConnection,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        located: Any = app.PumpService.locate_connection(connection)
        self.Connection: KafkaConnection = located
        codec = configured_codec(
            self.Options.codec, self.Options.schema, app.PumpService.locate_connection
        )
        self.Codec = None if isinstance(codec, BytesCodec) else codec
        self._start = parse_start(self.Options.start or self.Options.auto_offset_reset)
        self._reader: Reader | None = None
        self._handed: Position | None = None
        self._columns: Any = None
        self._has_group = not self.Options.partitions.strip()
        self._numbers = None if self._has_group else parse_partitions(self.Options.partitions)
        if not self._has_group:
            vars(self)["Capabilities"] = Can.RESUME

    async def connect(self) -> None:
        await self._connect_at(self.Position)

    async def _connect_at(self, position: Position | None) -> None:
        self._columns = Columns()
        self._handed = position
        settings = self._client_settings()
        client = self.Connection.make_client("Consumer", settings)
        make = self._member if self._has_group else self._assigned
        self._reader = reader = make(client, settings)
        await reader.connect(self.Connection.Options.connect_timeout)

    def _member(self, client: Client, settings: Mapping[str, Any]) -> Reader:
        options = self.Options
        return GroupMember(
            client,
            options.topic.split(),
            self._start,
            where=f"{self.Connection.Where}, group {options.group_id!r}",
            is_incremental=_is_incremental(self.Connection.settings(settings)),
            limits=self._limits(),
            hooks=Hooks(self._settle, lambda: self._handed or {}, self.App.spawn, self._warn),
        )

    def _assigned(self, client: Client, _: Mapping[str, Any]) -> Reader:
        options = self.Options
        return AssignedReader(
            client,
            Wanted(options.topic.split(), self._numbers, self._start, options.refresh_topics),
            self._handed or {},
            where=self.Connection.Where,
            limits=self._limits(),
            warn=functools.partial(self.Pipeline.L.warning, source=self.Id),
        )

    def _limits(self) -> Limits:
        options = self.Options
        return Limits(
            options.buffer_size,
            options.buffer_bytes,
            options.poll_interval,
            options.revoke_timeout,
        )

    def _client_settings(self) -> dict[str, Any]:
        options = self.Options
        settings = {
            # What librdkafka waits with before it fetches again when it has enough: a second,
            # in which a fast reader has read all of it.
            "fetch.queue.backoff.ms": 10,
            **self.Settings,
            **self.Fixed,
            "group.id": options.group_id,
            "auto.offset.reset": options.auto_offset_reset,
        }
        if options.refresh_topics:
            settings["topic.metadata.refresh.interval.ms"] = round(options.refresh_topics * 1000)
        return settings

    async def read(self, position: Position | None, /) -> Chunk[Position]:
        if self._reader is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        if not self._has_group and position != self._handed:
            await self.close()
            await self._connect_at(position)
        reader = self._reader
        messages = await self._take(reader)
        position = position or {}
        if not reader.starts.keys() <= position.keys():
            position = {**reader.starts, **position}
        chunk = self._chunk(messages, position) if messages else Chunk([], position)
        self._handed = chunk.position
        return chunk

    async def _take(self, reader: Reader) -> list[Any]:
        """Return the next messages, when all that decoding them needs is here."""
        codec = self.Codec
        if codec is None or type(codec).lacks is Codec.lacks:
            return await reader.take(_READ_WAIT_S) or []
        while True:
            messages = await reader.take(_READ_WAIT_S, lambda each: codec.lacks(_values(each)))
            if messages is not None:
                return messages
            # They stay where they are meanwhile, so that a rebalance can take them away.
            await preparing(codec.prepare(_values(reader.first())))

    def _chunk(self, messages: Sequence[Any], position: Position) -> Chunk[Position]:
        columns = self._columns
        values: list[Any] = columns.values(messages)
        contexts: Sequence[Context] = MessageContexts(columns, messages)
        if self.Codec is not None:
            values, contexts = self._decode(self.Codec, values, contexts)
        return Chunk(values, {**position, **columns.after(messages)}, contexts)

    def _decode(
        self, codec: Codec, values: Sequence[bytes], contexts: Sequence[Context]
    ) -> tuple[list[Any], Sequence[Context]]:
        try:
            return list(map(codec.decode, values)), contexts
        except RejectedError:
            events, kept = [], []
        for value, context in zip(values, contexts, strict=True):
            try:
                events.append(codec.decode(value))
                kept.append(context)
            except RejectedError as error:
                self.Pipeline.reject([(context, value)], error, self)
        return events, kept

    async def acknowledge(self, position: Position, /) -> None:
        if self._reader is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        await self._reader.commit(position, self.Connection.Options.connect_timeout)

    async def _settle(self) -> Position:
        """Wait until all that was read is durable; return up to where that is."""
        # The engine says that a chunk was passed on by making its position ours.
        while self.Position is not self._handed:
            await self.App.Clock.sleep(_SETTLE_POLL_S)
        position = self.Position or {}
        await self.Pipeline.checkpoint()
        return position

    def partitions(self) -> list[tuple[str, int]] | None:
        if self._reader is None:
            return None
        places = (name.rpartition("-") for name in self._reader.partitions)
        return [(topic, int(number)) for topic, _, number in places]

    def progress_at(self, position: Position) -> tuple[list[Any], Any] | None:
        """Return new offsets and the group for the transaction of a producer at the same cluster.

        `None` if it has nothing to tell. To be called in any thread.
        """
        reader = self._reader
        return None if reader is None else reader.progress_at(position)

    def _warn(self, sentence: str) -> None:
        self.Pipeline.L.warning(sentence, source=self.Id, after_s=self.Options.revoke_timeout)

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def rest_get(self) -> dict[str, Any]:
        reader = self._reader
        return {
            **super().rest_get(),
            "topic": self.Options.topic,
            "group": self.Options.group_id if self._has_group else None,
            "partitions": [] if reader is None else reader.partitions,
        }


def _values(messages: Sequence[Any]) -> list[bytes]:
    return [message.value() or b"" for message in messages]


def _is_incremental(settings: Mapping[str, Any]) -> bool:
    """Tell whether a rebalance takes and gives single partitions, instead of all anew."""
    strategy = str(settings.get("partition.assignment.strategy", ""))
    protocol = str(settings.get("group.protocol", ""))
    return "cooperative" in strategy or protocol.lower() == "consumer"
