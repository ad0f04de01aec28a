"""A sink that publishes to an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError, RejectedError
from bspump.abc.options import Options
from bspump.abc.sink import Batch, BatchSink

from .connection import AMQPConnection
from .exchanges import KnownExchanges
from .messages import CONTEXT, Message, MessageMaker
from .options import AMQPSinkOptions
from .outcomes import Outcomes
from .topology import prepare_exchange

if TYPE_CHECKING:
    from aiormq.abc import AbstractConnection

    from bspump.abc.host import Application, Event, Pipeline

_WINDOW: Final = 500


class AMQPSink(BatchSink[AMQPSinkOptions]):
    """Publish events to an exchange; a batch is done when the broker has confirmed all of it.

    Bytes and text are published as they are, everything else as JSON, or all by `codec`. The
    context of an event may have `amqp.exchange`, `amqp.routing_key`, and `amqp.properties`, a
    dict of `headers`, `message_id`, `correlation_id`, `expiration`, `priority` and so on. A
    message without a `message_id` gets a random one.

    At least once: what was not confirmed when the connection was lost is published again. The
    order is kept otherwise. An event that cannot be encoded, that goes to an exchange that does
    not exist or to which no queue is bound (`mandatory`), or that is too large for the broker, is
    set aside. A full queue that refuses messages is waited for.

    Args:
        connection: Id of an `AMQPConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = AMQPSinkOptions
    Capabilities = Can.PARTIAL

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
        self._connection: AbstractConnection | None = None
        self._channel: Any = None
        self._is_doubtful = False

    async def connect(self) -> None:
        options = self.Options
        self._maker = MessageMaker(options)
        self._connection = await self.Connection.open(f"{self.Pipeline.Id}.{self.Id}")
        self._exchanges = KnownExchanges(self._connection)
        with self.Connection.errors():
            async with asyncio.timeout(self.Connection.Options.connect_timeout):
                channel = await self._connection.channel()
                if options.exchange != CONTEXT:
                    await prepare_exchange(channel, options.exchange, options.topology)
                    self._exchanges.add(options.exchange)
        self._channel, self._is_doubtful = channel, False

    def size_bytes(self, event: Event, /) -> int:
        """Return about how much is sent for `event`: its texts, and a few bytes for the rest."""
        if not isinstance(event, Mapping):
            return super().size_bytes(event)
        return 8 * len(event) + sum(
            [len(value) for value in event.values() if isinstance(value, str | bytes)]
        )

    async def write(self, batch: Batch, /) -> None:
        channel = await self._fresh_channel()
        outcomes = Outcomes(self.Connection.Where)
        messages = self._messages(batch, outcomes)
        with self.Connection.errors():
            missing = await self._exchanges.missing({m.exchange for m in messages.values()})
        for index in [i for i, m in messages.items() if m.exchange in missing]:
            exchange = messages.pop(index).exchange
            outcomes.refuse(index, f"there is no exchange {exchange!r}")
        self._is_doubtful = True
        for window in windows(messages):
            # What is left after the channel has closed is not even tried.
            found = [] if outcomes.is_lost else await self._publish(channel, window)
            outcomes.note(window, found)
        self._is_doubtful = outcomes.is_refused
        outcomes.check()

    async def _fresh_channel(self) -> Any:
        """Return the channel, or another one if the last write was refused or cut short.

        A channel of RabbitMQ does not learn that a quorum queue has lost its limit: it refuses for
        ever what another channel may write. And one that owes confirmations may never give them.
        """
        connection, channel = self._connection, self._channel
        is_closed = channel is not None and channel.is_closed
        if connection is None or connection.is_closed or is_closed:
            raise NotConnectedError(f"{self.Connection.Where}: not connected")
        if self._is_doubtful:
            self._channel = None
            with self.Connection.errors():
                # First the old one: what is still under way on it keeps its place.
                if channel is not None:
                    await channel.close()
                self._channel = await connection.channel()
            self._is_doubtful = False
        return self._channel

    def _messages(self, batch: Batch, outcomes: Outcomes) -> dict[int, Message]:
        """Return the messages by index, without those that cannot be made."""
        messages: dict[int, Message] = {}
        for index, (context, event) in enumerate(zip(batch.contexts, batch.events, strict=True)):
            try:
                messages[index] = self._maker.make(context, event)
            except RejectedError as error:
                outcomes.refuse(index, str(error))
        return messages

    async def _publish(
        self, channel: Any, window: Mapping[int, Message]
    ) -> list[BaseException | None]:
        """Publish in order, and wait for all confirmations; return what was raised for each."""
        closing = channel.closing
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._outcome(channel, m)) for m in window.values()]

            def give_up(_: Any) -> None:
                # The client would wait for ever to send what comes after the end.
                for task in tasks:
                    task.cancel()

            closing.add_done_callback(give_up)
            try:
                await asyncio.wait(tasks)
            finally:
                closing.remove_done_callback(give_up)
                # It is an observer of this window alone, and the channel would keep it.
                closing.cancel()
        lost: BaseException = NotConnectedError(f"{self.Connection.Where}: the channel was closed")
        if not closing.cancelled():
            lost = closing.exception() or lost
        return [lost if task.cancelled() else task.result() for task in tasks]

    async def _outcome(self, channel: Any, message: Message) -> Exception | None:
        """Publish one message; return what was raised when the broker did not confirm it."""
        try:
            await channel.basic_publish(
                message.body,
                exchange=message.exchange,
                routing_key=message.routing_key,
                properties=message.properties,
                mandatory=self.Options.mandatory,
                wait=False,
            )
        except Exception as error:  # noqa: BLE001 - the caller sorts them, bugs too
            return error
        return None

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await self.Connection.shut(connection)


def windows(messages: Mapping[int, Message]) -> Iterator[dict[int, Message]]:
    """Cut messages into windows in which no two have the same id.

    By its id the client knows which message it was that the broker has returned.
    """
    window: dict[int, Message] = {}
    ids: set[str] = set()
    for index, message in messages.items():
        message_id = message.properties.message_id
        if len(window) == _WINDOW or message_id in ids:
            yield window
            window, ids = {}, set()
        window[index] = message
        if message_id:
            ids.add(message_id)
    if window:
        yield window
