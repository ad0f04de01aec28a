"""What one channel has delivered, and how much of it was acknowledged."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.errors import NotConnectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiormq.abc import AbstractChannel, DeliveredMessage

DEAD_CONSUMER: Final = "the broker has ended the consumer: the queue was deleted or has moved"


class Consumer:
    """Takes the deliveries of a channel, and acknowledges them.

    Delivery tags count from 1 within a channel. So that none of another channel, or of another
    process, is ever acknowledged, a position names the consumer too, whose tag is unique.

    Args:
        channel: open, with its prefetch set: that bounds what is kept here.
        tag: of the consumer.
    """

    def __init__(self, channel: AbstractChannel, tag: str) -> None:
        self.channel, self.tag = channel, tag
        self.taken = self.acknowledged = 0
        self._messages: deque[DeliveredMessage] = deque()
        self._refused: deque[int] = deque()
        self._wake = asyncio.Event()
        self._end: str | None = None
        channel.on_consumer_cancel_callbacks.add(lambda _: self._ended(DEAD_CONSUMER))
        self._closing = channel.closing
        self._closing.add_done_callback(self._closed)

    async def start(self, queue: str) -> None:
        """Let the broker deliver."""
        await self.channel.basic_consume(queue, self._deliver, consumer_tag=self.tag)

    async def _deliver(self, message: DeliveredMessage) -> None:
        self._messages.append(message)
        self._wake.set()

    def _closed(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        text = " ".join(str(argument) for argument in error.args) if error else ""
        self._ended(text or "the connection was closed")

    def _ended(self, why: str) -> None:
        self._end = self._end or why
        # They come again at the next connection, and cannot be acknowledged here.
        self._messages.clear()
        self._wake.set()

    async def wait(self, patience_s: float) -> None:
        """Wait until there are messages, or for `patience_s` seconds.

        Raises:
            NotConnectedError: there will be no more, and nothing can be acknowledged.
        """
        self._check()
        if not self._messages:
            self._wake.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._wake.wait()
            except TimeoutError:
                return
            self._check()

    def _check(self) -> None:
        if self._end is not None:
            raise NotConnectedError(self._end)

    def waiting(self, count: int) -> list[DeliveredMessage]:
        """Return the next messages, `count` at the most; they stay until they are taken."""
        return list(islice(self._messages, count))

    def take(self, messages: Sequence[DeliveredMessage], refused: Sequence[int]) -> dict[str, Any]:
        """Remove what `waiting` has returned; return the position after it.

        Args:
            messages: the first that are waiting.
            refused: delivery tags among them that are to be refused instead of acknowledged.
        """
        for message in messages:
            # After a disconnect meanwhile there is nothing left to be removed.
            if self._messages and self._messages[0] is message:
                self._messages.popleft()
        self._refused.extend(refused)
        self.taken = messages[-1].delivery_tag or 0
        return {"consumer": self.tag, "tag": self.taken}

    def is_at(self, position: dict[str, Any] | None) -> bool:
        """Tell whether a position is one of this consumer."""
        return position is not None and position.get("consumer") == self.tag

    async def acknowledge(self, tag: int) -> None:
        """Acknowledge all up to `tag`, and refuse among them what is to be refused.

        What was acknowledged before is left alone. Cancelled, it has done the first part of it.
        """
        self._check()
        while self._refused and self._refused[0] <= tag:
            refused = self._refused[0]
            await self._acknowledge(refused - 1)
            await self.channel.basic_nack(refused, requeue=False, wait=False)
            self._refused.popleft()
            self.acknowledged = refused
        await self._acknowledge(tag)

    async def _acknowledge(self, tag: int) -> None:
        # The broker ends a channel that acknowledges anything twice.
        if tag > self.acknowledged:
            await self.channel.basic_ack(tag, multiple=True, wait=False)
            self.acknowledged = tag
