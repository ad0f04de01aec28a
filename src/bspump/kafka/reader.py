"""A consumer in a thread of its own, and the messages that it keeps ready."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from bspump.abc.errors import ConfigError, NotConnectedError, PumpError
from bspump.abc.extras import require

from .connection import Client
from .errors import translated
from .offsets import name_of
from .settings import EXTRA

_BATCHES: Final = 2
# Pausing throws away what librdkafka has fetched, so it is for those who are really held back.
_PAUSE_AFTER_S: Final = 0.2
_PAUSED_POLL_S: Final = 0.1


class Limits(NamedTuple):
    """How much is taken at a time and kept ready, and how long the thread waits for what."""

    events: int
    size_bytes: int
    poll_s: float
    settle_s: float


class Reader:
    """Polls in a thread all the time, also while nobody takes anything; then partitions pause.

    The consumer lives and dies in the thread; all public methods are called in the event loop.

    Attributes:
        starts: where partitions begin of which nothing was known; they belong to the position
            even if nothing has come from them.
    """

    def __init__(self, client: Client, where: str, limits: Limits) -> None:
        self._client, self._where, self._limits = client, where, limits
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._batches: deque[tuple[list[Any], int]] = deque()
        self._size_bytes = 0
        self._errors: deque[Exception] = deque(maxlen=10)
        self._failure: Exception | None = None
        self._is_stopping = self._is_paused = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="kafka consumer")
        self._ended: asyncio.Future[None] | None = None
        self.starts: Mapping[str, int] = {}

    # What there is to read, in the thread

    def _begin(self, consumer: Any) -> None:
        """Say what is to be read."""
        raise NotImplementedError

    def _look_around(self, consumer: Any) -> None:
        """Do what is due between two polls."""

    def _answer(self) -> None:
        """Do what others have asked for; also called while nothing is polled."""

    def _ours(self, messages: list[Any]) -> list[Any]:
        """Return those messages that we still may hand on."""
        return messages

    # In the event loop

    @property
    def partitions(self) -> list[str]:
        """The names of the partitions that are read, sorted."""
        raise NotImplementedError

    async def connect(self, patience_s: float) -> None:
        """Start the thread, and wait until it reads.

        Args:
            patience_s: what is not there after so long comes by and by.

        Raises:
            NotConnectedError, ConfigError: the cluster does not answer, or refuses.
        """
        self._ended = self._loop.run_in_executor(self._executor, self._run)
        self._executor.shutdown(wait=False)
        await asyncio.wait([self._connected, self._ended], return_when=asyncio.FIRST_COMPLETED)
        if self._failure is not None:
            raise self._failure

    def first(self) -> list[Any]:
        """Return the messages that come next, and leave them where they are."""
        with self._lock:
            return self._batches[0][0] if self._batches else []

    async def take(
        self, wait_s: float, is_early: Callable[[list[Any]], bool] | None = None
    ) -> list[Any] | None:
        """Return the next messages; after `wait_s` without any, an empty list.

        Args:
            wait_s: how long to wait for them.
            is_early: tells whether something is to be done before they can be taken; then they
                stay, and `None` is returned.

        Raises:
            PumpError: what the brokers had to say instead.
        """
        if not self._batches and self._failure is None and not self._errors:
            self._wake.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                return []
        if self._batches:
            with self._lock:
                # A rebalance may have taken it away meanwhile.
                if self._batches and is_early is not None and is_early(self._batches[0][0]):
                    return None
                messages, size_bytes = self._batches.popleft() if self._batches else ([], 0)
                self._size_bytes -= size_bytes
            self._room.set()
            return messages
        if self._failure is not None:
            raise self._failure
        if self._errors:
            raise self._errors.popleft()
        return []

    async def commit(self, position: Mapping[str, int], within_s: float) -> None:
        """Take note that everything up to `position` is durable."""

    def progress_at(self, position: Mapping[str, int]) -> tuple[list[Any], Any] | None:
        """Return new offsets, and the group, for a transaction; `None` if there are none.

        To be called in any thread.
        """
        return None

    async def close(self) -> None:
        """End the thread. What was taken and not acknowledged comes to somebody again."""
        self._is_stopping = True
        self._room.set()
        # Where nobody answers the thread would be waited for in vain; it ends by itself.
        if self._ended is not None and (self._connected.done() or self._ended.done()):
            await asyncio.shield(self._ended)

    # In the thread

    def _run(self) -> None:
        kafka = require("confluent_kafka", extra=EXTRA)
        consumer = self._client.Handle
        try:
            self._client.check()
            self._begin(consumer)
            self._tell(self._note_connected)
            while not self._is_stopping and self._client.Fatal is None:
                self._answer()
                if self._is_full():
                    self._hold(consumer)
                else:
                    self._fetch(consumer)
                self._look_around(consumer)
            if self._client.Fatal is not None:
                self._fail(translated(self._client.Fatal, self._where))
        except kafka.KafkaException as error:
            found = translated(error.args[0], self._where)
            fatal = isinstance(found, ConfigError)
            self._fail(found if fatal else NotConnectedError(str(found)))
        except PumpError as error:
            self._fail(error)
        except RuntimeError as error:
            # The loop is closed: nobody is there any more.
            self._fail(NotConnectedError(f"{self._where}: {error}"))
        except Exception as error:  # noqa: BLE001 - whoever reads has to know, or waits for ever
            self._fail(error)
        finally:
            self._is_stopping = True
            consumer.close()

    def _note_connected(self) -> None:
        if not self._connected.done():
            self._connected.set_result(None)

    def _tell(self, callback: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(callback)

    def _fail(self, failure: Exception) -> None:
        self._failure = failure
        if not self._loop.is_closed():
            self._tell(self._wake.set)

    def _is_full(self) -> bool:
        return len(self._batches) >= _BATCHES or self._size_bytes >= self._limits.size_bytes

    def _fetch(self, consumer: Any) -> None:
        first = consumer.poll(self._limits.poll_s)
        if first is not None:
            self._put(self._ours([first, *consumer.consume(self._limits.events - 1, 0)]))

    def _hold(self, consumer: Any) -> None:
        """Wait for room, and go on polling meanwhile."""
        until_s = time.monotonic() + _PAUSE_AFTER_S
        while time.monotonic() < until_s:
            self._room.clear()
            self._answer()
            if not self._is_full() or self._is_stopping:
                return
            self._room.wait(_PAUSE_AFTER_S)
        self._is_paused = True
        consumer.pause(consumer.assignment())
        while self._is_full() and not self._is_stopping:
            self._answer()
            message = consumer.poll(0)
            if message is not None:
                self._put([message])
            self._room.clear()
            if self._is_full():
                self._room.wait(_PAUSED_POLL_S)
        self._is_paused = False
        consumer.resume(consumer.assignment())

    def _put(self, messages: list[Any]) -> None:
        error_of = require("confluent_kafka", extra=EXTRA).Message.error
        # An error of the client must not be compared to anything: that raises.
        errors = list(filter(None, map(error_of, messages)))
        if errors:
            messages = [message for message in messages if message.error() is None]
            self._errors.extend(translated(error, self._where) for error in errors)
        if messages:
            size_bytes = sum(map(len, messages))
            with self._lock:
                self._batches.append((messages, size_bytes))
                self._size_bytes += size_bytes
        self._tell(self._wake.set)

    def _drop(self, names: Collection[str]) -> None:
        """Let go what nobody has taken yet; who gets the partitions reads it again."""
        with self._lock:
            left = [
                [m for m in batch if name_of(m.topic(), m.partition()) not in names]
                for batch, _ in self._batches
            ]
            self._batches = deque((batch, sum(map(len, batch))) for batch in left if batch)
            self._size_bytes = sum(size_bytes for _, size_bytes in self._batches)
