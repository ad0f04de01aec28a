"""A source that reads a queue."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError, NotConnectedError, RejectedError
from bspump.abc.options import Options
from bspump.abc.source import Chunk, PullSource
from bspump.abc.state import PartState, Snapshot
from bspump.formats.registry import codec

from .connection import AMQPConnection
from .consumer import Consumer
from .known import KnownMessages
from .options import AMQPSourceOptions
from .topology import prepare_queue

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

    from bspump.abc.host import Application, Context, Event, Pipeline

_PATIENCE_S: Final = 0.5

# A message is three frames, or more. With a small buffer the chunks are as small: 3 messages of
# the client's default of 10 frames.
_FRAMES: Final = 3

_COUNTED: Final = ("message.in", "message.redelivered", "message.refused", "message.repeated")

_Position = dict[str, Any] | None


class _Refused(NamedTuple):
    """A message that cannot be decoded."""

    message: DeliveredMessage
    context: Context
    error: RejectedError


class _Sorted(NamedTuple):
    """What has become of some messages: events, and those that are none."""

    events: list[Event]
    contexts: list[Context]
    refused: list[_Refused]
    repeated: list[DeliveredMessage]


class AMQPSource(PullSource[AMQPSourceOptions, _Position]):
    """Read the messages of a queue.

    Emits the body of each message, decoded by `codec`: by default the bytes. The context has

    * `amqp:method`: how it was delivered, with `exchange`, `routing_key`, `redelivered`,
      `delivery_tag` and `consumer_tag`,
    * `amqp:properties`: `headers`, `content_type`, `message_id`, `timestamp` and so on,
    * `amqp:redelivered`: whether it may have been processed before,
    * `amqp:delivery_count`: how often it came back before; quorum queues count, others say 0,
    * `amqp:death_count`: how often it was dead-lettered before.

    At least once: a message is acknowledged when everything before it and it is durable at the
    other end, and goes back to the queue when the source stops or loses the broker before that.
    At most `prefetch_count` messages are not acknowledged; when half of them were passed on, it
    asks for a checkpoint. Position: the consumer and its last delivery tag, which is of no use to
    another consumer, as the broker remembers.

    What the broker brings again is dropped if a message with the same `message_id` was passed on,
    and counted. State: the ids of the last messages, twice `prefetch_count` at the most; where
    checkpoints outlive the process that holds after a crash, too. So with `message_id = require`
    it is exactly once, as long as the source is the only consumer of the queue.

    A message that the codec refuses is set aside, and then refused without going back to the
    queue, so that the broker moves it to the queue's dead-letter exchange, or drops it. With
    `error_exchange` it is published there instead, with its routing key and properties.

    Args:
        connection: Id of an `AMQPConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = AMQPSourceOptions
    Capabilities = Can.REDELIVER | Can.ORDER

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        connection: str | AMQPConnection,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        located: Any = app.PumpService.locate_connection(connection)
        self.Connection: AMQPConnection = located
        self.Counter = pipeline.MetricsService.create_counter(
            "bspump.amqp",
            tags={"pipeline": pipeline.Id, "source": self.Id},
            init_values=dict.fromkeys(_COUNTED, 0),
        )
        self._known = KnownMessages(2 * self.Options.prefetch_count)
        self._stored_ids: dict[str, bool] = {}
        self._asked_at: _Position = None
        self._connection: AbstractConnection | None = None
        self._consumer: Consumer | None = None
        if self.Options.message_id == "require":
            # It is this source that can, not all of its class.
            vars(self)["Capabilities"] = type(self).Capabilities | Can.IDENTIFY

    async def connect(self) -> None:
        self._codec = codec(self.Options.codec)
        self._known.pass_on(self.Position)
        self._known.let_go()
        self._connection = await self.Connection.open(f"{self.Pipeline.Id}.{self.Id}")
        with self.Connection.errors():
            async with asyncio.timeout(self.Connection.Options.connect_timeout):
                self._consumer = await self._consume(self._connection)

    async def _consume(self, connection: AbstractConnection) -> Consumer:
        options = self.Options
        channel = await connection.channel(
            publisher_confirms=bool(options.error_exchange),
            frame_buffer_size=_FRAMES * options.chunk_events,
        )
        await prepare_queue(channel, options.queue, options.topology)
        if options.error_exchange:
            await channel.exchange_declare(options.error_exchange, passive=True)
        await channel.basic_qos(prefetch_count=options.prefetch_count)
        consumer = Consumer(channel, f"{self.Connection.Options.appname}-{uuid.uuid4().hex}")
        await consumer.start(options.queue)
        return consumer

    async def read(self, position: _Position, /) -> Chunk[_Position]:
        consumer = self._consumer
        if consumer is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        self._make_room(consumer, position)
        self._known.pass_on(position)
        with self.Connection.errors():
            await consumer.wait(_PATIENCE_S)
        messages = consumer.waiting(self.Options.chunk_events)
        if not messages:
            return Chunk([], position)
        found = self._sorted(messages)
        if found.refused and self.Options.error_exchange:
            await self._hand_over(consumer.channel, found.refused)
        return Chunk(found.events, self._taken(consumer, messages, found), found.contexts)

    def _make_room(self, consumer: Consumer, position: _Position) -> None:
        """Have messages acknowledged early where the broker would soon have to stop delivering."""
        open_count = consumer.taken - consumer.acknowledged
        is_news = consumer.is_at(position) and position != self._asked_at
        if is_news and 2 * open_count >= self.Options.prefetch_count:
            self._asked_at = position
            self.Pipeline.request_checkpoint()

    def _sorted(self, messages: Sequence[DeliveredMessage]) -> _Sorted:
        found = _Sorted([], [], [], [])
        for message in messages:
            if message.redelivered and self._id(message) in self._known:
                found.repeated.append(message)
                continue
            context = self.context(message)
            try:
                self._check_id(message)
                event = self.event(message)
            except RejectedError as error:
                found.refused.append(_Refused(message, context, error))
            else:
                found.events.append(event)
                found.contexts.append(context)
        return found

    def _id(self, message: DeliveredMessage) -> str | None:
        """Return by what a message is known, `None` if it cannot be."""
        if self.Options.message_id == "ignore":
            return None
        return message.header.properties.message_id or None

    def _check_id(self, message: DeliveredMessage) -> None:
        if self.Options.message_id == "require" and self._id(message) is None:
            raise RejectedError(f"{self.Id}: expected a message with a `message_id`, got none")

    def event(self, message: DeliveredMessage) -> Event:
        """Return the event that a message becomes.

        Raises:
            RejectedError: its body is not what the codec expects.
        """
        return self._codec.decode(message.body)

    def context(self, message: DeliveredMessage) -> Context:
        """Return the context of a message."""
        properties = message.header.properties
        headers = properties.headers or {}
        return {
            "amqp:method": message.delivery,
            "amqp:properties": properties,
            "amqp:redelivered": bool(message.redelivered),
            "amqp:delivery_count": headers.get("x-delivery-count", 0) if headers else 0,
            "amqp:death_count": death_count(headers) if headers else 0,
        }

    async def _hand_over(self, channel: AbstractChannel, refused: Sequence[_Refused]) -> None:
        """Publish messages to the error exchange; each is confirmed when this returns."""
        for message, _, error in refused:
            properties = copy.copy(message.header.properties)
            properties.headers = {**(properties.headers or {}), "x-error": str(error)}
            # As the broker does it: it stays, and it is not the sender who publishes it now.
            properties.expiration = properties.user_id = None
            try:
                with self.Connection.errors():
                    await channel.basic_publish(
                        message.body,
                        exchange=self.Options.error_exchange,
                        routing_key=message.routing_key or "",
                        properties=properties,
                        mandatory=True,
                    )
            except RejectedError as unroutable:
                raise ConfigError(
                    f"{self.Id}: error_exchange: no queue takes what is published there\n"
                    f"  got: {unroutable}\n"
                    "  what to do: bind a queue to it for the routing keys of the messages"
                ) from unroutable

    def _taken(
        self, consumer: Consumer, messages: Sequence[DeliveredMessage], found: _Sorted
    ) -> dict[str, Any]:
        """Take the messages out of the buffer; return the position after them."""
        refused = {one.message.delivery_tag or 0 for one in found.refused}
        # One that was refused before is so again, without being reported once more.
        for message in found.repeated:
            if self._known.is_refused(message.header.properties.message_id or ""):
                refused.add(message.delivery_tag or 0)
        position = consumer.take(messages, [] if self.Options.error_exchange else sorted(refused))
        for message in messages:
            tag, id = message.delivery_tag or 0, self._id(message)
            if id is not None:
                self._known.take(consumer.tag, tag, id, is_refused=tag in refused)
        self.Counter.add("message.in", len(messages))
        self.Counter.add("message.redelivered", sum(1 for m in messages if m.redelivered))
        self.Counter.add("message.refused", len(found.refused))
        self.Counter.add("message.repeated", len(found.repeated))
        for one, context, error in found.refused:
            self.Pipeline.reject([(context, one.body)], error, self)
        return position

    async def acknowledge(self, position: _Position, /) -> None:
        consumer = self._consumer
        # Of another consumer: what it had not acknowledged has gone back to the queue.
        if position is not None and consumer is not None and consumer.is_at(position):
            with self.Connection.errors():
                async with asyncio.timeout(self.Connection.Options.connect_timeout):
                    await consumer.acknowledge(position["tag"])

    def is_stateful(self) -> bool:
        return self.Options.message_id != "ignore"

    def snapshot(self) -> Snapshot | None:
        self._known.pass_on(self.Position)
        ids = self._known.state()
        if list(ids.items()) == list(self._stored_ids.items()):
            return None
        self._stored_ids = ids
        return Snapshot(value=ids)

    def restore(self, state: PartState) -> None:
        self._known.restore(state.value)
        self._stored_ids = self._known.state()

    async def close(self) -> None:
        connection, self._connection, self._consumer = self._connection, None, None
        if connection is not None:
            await self.Connection.shut(connection)


def death_count(headers: Mapping[str, Any]) -> int:
    """Return how often the broker has dead-lettered a message, by its header `x-death`."""
    deaths = headers.get("x-death")
    if not isinstance(deaths, list):
        return 0
    counts = [death.get("count", 1) for death in deaths if isinstance(death, dict)]
    return sum(count for count in counts if isinstance(count, int))
