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
from bspump.formats.registry import codec

from .connection import AMQPConnection
from .consumer import Consumer
from .options import AMQPSourceOptions
from .topology import prepare_queue

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

    from bspump.abc.host import Application, Context, Event, Pipeline

_PATIENCE_S: Final = 0.5

# A message is three frames, or more. With a small buffer the chunks are as small: 3 messages of
# the client's default of 10 frames.
_FRAMES: Final = 3

_Position = dict[str, Any] | None


class _Refused(NamedTuple):
    """A message that cannot be decoded."""

    message: DeliveredMessage
    context: Context
    error: RejectedError


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
    At most `prefetch_count` messages are not acknowledged; when half of them were passed on,
    the source has the pipeline write what it holds, and acknowledges. Position: the consumer and
    its last delivery tag, which is of no use to another consumer, as the broker remembers.

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
            init_values={"message.in": 0, "message.redelivered": 0, "message.refused": 0},
        )
        self._connection: AbstractConnection | None = None
        self._consumer: Consumer | None = None

    async def connect(self) -> None:
        self._codec = codec(self.Options.codec)
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
        await self._make_room(consumer, position)
        with self.Connection.errors():
            await consumer.wait(_PATIENCE_S)
        messages = consumer.waiting(self.Options.chunk_events)
        if not messages:
            return Chunk([], position)
        events, contexts, refused = self._decoded(messages)
        if refused and self.Options.error_exchange:
            await self._hand_over(consumer.channel, refused)
        return Chunk(events, self._taken(consumer, messages, refused), contexts)

    async def _make_room(self, consumer: Consumer, position: _Position) -> None:
        """Acknowledge early where the broker would soon have to stop delivering."""
        open_count = consumer.taken - consumer.acknowledged
        if 2 * open_count >= self.Options.prefetch_count and consumer.is_at(position):
            await self.Pipeline.settle()
            await self.acknowledge(position)

    def _decoded(
        self, messages: Sequence[DeliveredMessage]
    ) -> tuple[list[Event], list[Context], list[_Refused]]:
        events, contexts, refused = [], [], []
        for message in messages:
            context = self.context(message)
            try:
                event = self.event(message)
            except RejectedError as error:
                refused.append(_Refused(message, context, error))
            else:
                events.append(event)
                contexts.append(context)
        return events, contexts, refused

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
        self,
        consumer: Consumer,
        messages: Sequence[DeliveredMessage],
        refused: Sequence[_Refused],
    ) -> dict[str, Any]:
        """Take the messages out of the buffer; return the position after them."""
        tags = [one.message.delivery_tag or 0 for one in refused]
        position = consumer.take(messages, [] if self.Options.error_exchange else tags)
        self.Counter.add("message.in", len(messages))
        self.Counter.add("message.redelivered", sum(1 for m in messages if m.redelivered))
        self.Counter.add("message.refused", len(refused))
        for message, context, error in refused:
            self.Pipeline.reject([(context, message.body)], error, self)
        return position

    async def acknowledge(self, position: _Position, /) -> None:
        consumer = self._consumer
        # Of another consumer: what it had not acknowledged has gone back to the queue.
        if position is not None and consumer is not None and consumer.is_at(position):
            with self.Connection.errors():
                async with asyncio.timeout(self.Connection.Options.connect_timeout):
                    await consumer.acknowledge(position["tag"])

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
