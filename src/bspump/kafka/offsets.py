"""Which partitions are ours, and up to where the group has been told."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bspump.abc.errors import NotConnectedError, PumpError, TransientError
from bspump.abc.extras import require

from .errors import translated
from .settings import EXTRA


def name_of(topic: str, partition: int) -> str:
    """Return how a partition is called in a position.

    >>> name_of("clicks", 3)
    'clicks-3'
    """
    return f"{topic}-{partition}"


class Offsets:
    """The offsets of a member of a consumer group. Safe to use from several threads.

    Only partitions that are assigned are committed, and each only forward: a word that comes
    late must not set back whoever owns the partition now.
    """

    def __init__(self, consumer: Any, where: str, wake: Callable[[], None]) -> None:
        self._consumer, self._where, self._wake = consumer, where, wake
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._assigned: set[str] = set()
        self._committed: dict[str, int] = {}
        self._waiting: deque[tuple[dict[str, int], asyncio.Future[PumpError | None]]] = deque()
        self._is_closed = False
        self.has_assignment = asyncio.Event()

    @property
    def assigned(self) -> list[str]:
        """The names of the partitions that are ours, sorted."""
        return sorted(self._assigned)

    def add(self, names: Collection[str], committed: Mapping[str, int] | None = None) -> None:
        """Take note that partitions are ours.

        Args:
            names: of the partitions.
            committed: offsets of the group, as far as they are known.
        """
        with self._lock:
            self._assigned = self._assigned | set(names)
            self._committed.update(committed or {})

    def remove(self, names: Collection[str]) -> None:
        """Take note that partitions are somebody else's."""
        with self._lock:
            self._assigned = self._assigned - set(names)
            for name in names:
                self._committed.pop(name, None)

    def news(self, position: Mapping[str, int]) -> list[Any]:
        """Return what of a position is new to the group, of partitions that are ours."""
        with self._lock:
            return list(self._news(position).values())

    def commit_now(self, position: Mapping[str, int]) -> PumpError | None:
        """Commit and wait for it, in the thread of the consumer; return why that failed."""
        kafka = require("confluent_kafka", extra=EXTRA)
        with self._lock:
            offsets = self._news(position)
        if not offsets:
            return None
        try:
            places = self._consumer.commit(offsets=list(offsets.values()), asynchronous=False)
            error = next((place.error for place in places if place.error is not None), None)
        except kafka.KafkaException as raised:
            error = raised.args[0]
        if error is not None:
            return translated(error, self._where)
        with self._lock:
            self._committed.update({name: place.offset for name, place in offsets.items()})
        return None

    async def commit(self, position: Mapping[str, int], within_s: float) -> None:
        """Have the thread of the consumer commit, and wait for the answer.

        Raises:
            TransientError: it was not accepted, or there was no answer in time.
            NotConnectedError: the consumer is closed.
        """
        if self._is_closed:
            raise NotConnectedError(f"{self._where}: not connected")
        answer: asyncio.Future[PumpError | None] = self._loop.create_future()
        self._waiting.append((dict(position), answer))
        self._wake()
        try:
            async with asyncio.timeout(within_s):
                failure = await answer
        except TimeoutError:
            raise TransientError(
                f"{self._where}: the offsets were not confirmed within {within_s:g} s"
            ) from None
        if failure is not None:
            raise failure

    def commit_waiting(self) -> None:
        """Do what `commit` has asked for; called in the thread of the consumer.

        The client is not used in two threads at a time: a commit in the one and a poll in the
        other have been seen to wait for each other.
        """
        while self._waiting:
            position, answer = self._waiting.popleft()
            failure = None if answer.done() else self.commit_now(position)
            self._loop.call_soon_threadsafe(_resolve, answer, failure)

    def _news(self, position: Mapping[str, int]) -> dict[str, Any]:
        kafka = require("confluent_kafka", extra=EXTRA)
        return {
            name: kafka.TopicPartition(*_parts(name), offset)
            for name, offset in position.items()
            if name in self._assigned and offset > self._committed.get(name, -1)
        }

    def close(self) -> None:
        """Commit nothing any more; who waits for an answer gets none."""
        self._is_closed = True
        while self._waiting:
            failure = NotConnectedError(f"{self._where}: closed")
            _resolve(self._waiting.popleft()[1], failure)


def _resolve(answer: asyncio.Future[PumpError | None], failure: PumpError | None) -> None:
    if not answer.done():
        answer.set_result(failure)


def _parts(name: str) -> tuple[str, int]:
    topic, _, partition = name.rpartition("-")
    return topic, int(partition)
