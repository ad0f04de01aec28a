"""A source that reads topics as a member of a consumer group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bspump.abc.capabilities import Can
from bspump.abc.codec import Codec
from bspump.abc.errors import NotConnectedError, RejectedError
from bspump.abc.extras import require
from bspump.abc.options import Options
from bspump.abc.source import Chunk, PullSource
from bspump.formats.configured import configured_codec
from bspump.formats.plain import BytesCodec

from .connection import KafkaConnection
from .group_member import GroupMember, Hooks, Limits
from .offsets import name_of
from .options import KafkaSourceOptions
from .settings import EXTRA, LibrdkafkaConfigurable
from .start import parse_start
from .values import preparing

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Pipeline

Position = dict[str, int]

_READ_WAIT_S: Final = 1.0
_SETTLE_POLL_S: Final = 0.01


class KafkaSource(LibrdkafkaConfigurable, PullSource[KafkaSourceOptions, Position]):
    """Read the messages of topics, as a member of a consumer group.

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
        self._member: GroupMember | None = None
        self._handed: Position | None = None
        self._columns: Any = None

    async def connect(self) -> None:
        self._columns = _column_readers()
        self._handed = self.Position
        settings = self._client_settings()
        client = self.Connection.make_client("Consumer", settings)
        options = self.Options
        self._member = member = GroupMember(
            client,
            options.topic.split(),
            self._start,
            where=f"{self.Connection.Where}, group {options.group_id!r}",
            is_incremental=_is_incremental(self.Connection.settings(settings)),
            limits=Limits(
                options.buffer_size,
                options.buffer_bytes,
                options.poll_interval,
                options.revoke_timeout,
            ),
            hooks=Hooks(self._settle, lambda: self._handed or {}, self.App.spawn, self._warn),
        )
        await member.connect(self.Connection.Options.connect_timeout)

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
        member = self._member
        if member is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        messages = await self._take(member)
        position = position or {}
        chunk = self._chunk(messages, position) if messages else Chunk([], position)
        self._handed = chunk.position
        return chunk

    async def _take(self, member: GroupMember) -> list[Any]:
        """Return the next messages, when all that decoding them needs is here."""
        codec = self.Codec
        if codec is None or type(codec).lacks is Codec.lacks:
            return await member.take(_READ_WAIT_S) or []
        while True:
            messages = await member.take(_READ_WAIT_S, lambda each: codec.lacks(_values(each)))
            if messages is not None:
                return messages
            # They stay where they are meanwhile, so that a rebalance can take them away.
            await preparing(codec.prepare(_values(member.first())))

    def _chunk(self, messages: Sequence[Any], position: Position) -> Chunk[Position]:
        values, keys, headers, topics, partitions, offsets, times = [
            list(map(read, messages)) for read in self._columns
        ]
        contexts: list[Context] = [
            {
                "kafka_key": key,
                "kafka_headers": pairs,
                "_kafka_topic": topic,
                "_kafka_partition": partition,
                "_kafka_offset": offset,
                "_kafka_timestamp": time[1] if time[0] else None,
            }
            for key, pairs, topic, partition, offset, time in zip(
                keys, headers, topics, partitions, offsets, times, strict=True
            )
        ]
        # In each partition the last one is the highest.
        last = dict(zip(zip(topics, partitions, strict=True), offsets, strict=True))
        after = {name_of(*place): offset + 1 for place, offset in last.items()}
        if None in values:
            values = [b"" if value is None else value for value in values]
        if self.Codec is not None:
            values, contexts = self._decode(self.Codec, values, contexts)
        return Chunk(values, {**position, **after}, contexts)

    def _decode(
        self, codec: Codec, values: Sequence[bytes], contexts: Sequence[Context]
    ) -> tuple[list[Any], list[Context]]:
        try:
            return list(map(codec.decode, values)), list(contexts)
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
        if self._member is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        await self._member.Offsets.commit(position, self.Connection.Options.connect_timeout)

    async def _settle(self) -> Position:
        """Wait until all that was read is durable; return up to where that is."""
        # The engine says that a chunk was passed on by making its position ours.
        while self.Position is not self._handed:
            await self.App.Clock.sleep(_SETTLE_POLL_S)
        position = self.Position or {}
        await self.Pipeline.checkpoint()
        return position

    def progress_at(self, position: Position) -> tuple[list[Any], Any] | None:
        """Return new offsets and the group for the transaction of a producer at the same cluster.

        `None` if it has nothing to tell. To be called in any thread.
        """
        member = self._member
        return None if member is None else member.progress_at(position)

    def _warn(self, sentence: str) -> None:
        self.Pipeline.L.warning(sentence, source=self.Id, after_s=self.Options.revoke_timeout)

    async def close(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            await member.close()

    def rest_get(self) -> dict[str, Any]:
        member = self._member
        return {
            **super().rest_get(),
            "topic": self.Options.topic,
            "group": self.Options.group_id,
            "partitions": [] if member is None else member.Offsets.assigned,
        }


def _values(messages: Sequence[Any]) -> list[bytes]:
    return [message.value() or b"" for message in messages]


def _column_readers() -> tuple[Any, ...]:
    """Return the methods that read a message, in the order in which `_chunk` names them."""
    message = require("confluent_kafka", extra=EXTRA).Message
    names = ("value", "key", "headers", "topic", "partition", "offset", "timestamp")
    return tuple(getattr(message, name) for name in names)


def _is_incremental(settings: Mapping[str, Any]) -> bool:
    """Tell whether a rebalance takes and gives single partitions, instead of all anew."""
    strategy = str(settings.get("partition.assignment.strategy", ""))
    protocol = str(settings.get("group.protocol", ""))
    return "cooperative" in strategy or protocol.lower() == "consumer"
