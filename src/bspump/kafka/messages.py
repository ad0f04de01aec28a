"""What messages are to the pipeline: values, contexts, and where to read on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

from bspump.abc.contexts import LazyContexts
from bspump.abc.extras import require

from .offsets import name_of
from .settings import EXTRA

if TYPE_CHECKING:
    from bspump.abc.host import Context


class Columns:
    """Reads messages by the column, with the methods of their class."""

    __slots__ = ("header", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(self) -> None:
        message = require("confluent_kafka", extra=EXTRA).Message
        self.value, self.key, self.header = message.value, message.key, message.headers
        self.topic, self.partition = message.topic, message.partition
        self.offset, self.timestamp = message.offset, message.timestamp

    def values(self, messages: Sequence[Any]) -> list[bytes]:
        """Return the values; that of a message without one is empty."""
        values = list(map(self.value, messages))
        return values if all(values) else [value or b"" for value in values]

    def after(self, messages: Sequence[Any]) -> dict[str, int]:
        """Return the next offsets of the partitions from which the messages are."""
        places = zip(map(self.topic, messages), map(self.partition, messages), strict=True)
        # In each partition the last one is the highest.
        last = dict(zip(places, map(self.offset, messages), strict=True))
        return {name_of(*place): offset + 1 for place, offset in last.items()}


class MessageContexts(LazyContexts):
    """The contexts of messages, made when somebody asks for them."""

    __slots__ = ("_columns", "_messages")

    def __init__(self, columns: Columns, messages: Sequence[Any]) -> None:
        super().__init__()
        self._columns, self._messages = columns, messages

    def __len__(self) -> int:
        return len(self._messages)

    def make(self) -> Iterable[Context]:
        columns, messages = self._columns, self._messages
        return (
            {
                "kafka_key": key,
                "kafka_headers": pairs,
                "_kafka_topic": topic,
                "_kafka_partition": partition,
                "_kafka_offset": offset,
                "_kafka_timestamp": time[1] if time[0] else None,
            }
            for key, pairs, topic, partition, offset, time in zip(
                map(columns.key, messages),
                map(columns.header, messages),
                map(columns.topic, messages),
                map(columns.partition, messages),
                map(columns.offset, messages),
                map(columns.timestamp, messages),
                strict=True,
            )
        )

    def cut(self, start: int, stop: int) -> Self:
        return type(self)(self._columns, self._messages[start:stop])
