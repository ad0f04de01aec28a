"""A source of whole messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .source import AMQPSource

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

    from bspump.abc.host import Event


class AMQPFullMessageSource(AMQPSource):
    """Read the messages of a queue with all that belongs to them.

    Emits tuples `(method, properties, body)`, of which the first two are what `AMQPSource` puts
    into the context, and the body is decoded by `codec`. Everything else is as there.
    """

    def event(self, message: DeliveredMessage) -> Event:
        return message.delivery, message.header.properties, super().event(message)
