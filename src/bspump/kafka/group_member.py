"""A member of a consumer group, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from bspump.abc.errors import ConfigError, NotConnectedError, PumpError
from bspump.abc.extras import require

from .connection import Client
from .errors import translated
from .offsets import Offsets, name_of
from .settings import EXTRA
from .start import Start, resolve_start

_BATCHES: Final = 2
# Pausing throws away what librdkafka has fetched, so it is for those who are really held back.
_PAUSE_AFTER_S: Final = 0.2
_PAUSED_POLL_S: Final = 0.1
_ANSWER_WITHIN_S: Final = 10.0


class Limits(NamedTuple):
    """How much is taken at a time and kept ready, and how long the thread waits for what."""

    events: int
    size_bytes: int
    poll_s: float
    settle_s: float


class Hooks(NamedTuple):
    """What the thread calls in the event loop.

    Args:
        settle: return what may be acknowledged when all that was taken is durable.
        resume: return up to where we have read ourselves.
        spawn: run a coroutine in a task.
        warn: log a warning.
    """

    settle: Callable[[], Any]
    resume: Callable[[], Mapping[str, int]]
    spawn: Callable[..., Any]
    warn: Callable[..., None]


class GroupMember:
    """Polls in a thread all the time, also while nobody takes anything; then partitions pause.

    So it stays a member however slow its pipeline is. A partition that is to be given away is
    kept until what was taken from it is durable and acknowledged, `Limits.settle_s` at the most.

    The consumer lives and dies in the thread; all other methods are called in the event loop.
    """

    def __init__(
        self, client: Client, topics: Sequence[str], start: Start | None, *,
        where: str, is_incremental: bool, limits: Limits, hooks: Hooks,
    ) -> None:  # fmt: skip
        self._client, self._topics, self._start = client, list(topics), start
        self._where, self._is_incremental = where, is_incremental
        self._limits, self._hooks = limits, hooks
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._batches: deque[list[Any]] = deque()
        self._size_bytes = 0
        self._errors: deque[Exception] = deque(maxlen=10)
        self._failure: Exception | None = None
        self._gone: set[str] = set()
        self._settling: Future[Any] | None = None
        self._asking: Future[Any] | None = None
        self._is_stopping = self._is_paused = False
        self._group: Any = None
        self.Offsets = Offsets(client.Handle, where, self._room.set)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="kafka consumer")
        self._ended: asyncio.Future[None] | None = None

    # In the event loop

    async def connect(self, patience_s: float) -> None:
        """Start the thread, and wait until it takes part in the group.

        Args:
            patience_s: a group may take its time; after so long it is joined by and by.

        Raises:
            NotConnectedError, ConfigError: the cluster does not answer, or refuses.
        """
        self._ended = self._loop.run_in_executor(self._executor, self._run)
        self._executor.shutdown(wait=False)
        await asyncio.wait([self._connected, self._ended], return_when=asyncio.FIRST_COMPLETED)
        if self._failure is not None:
            raise self._failure
        async with asyncio.timeout(patience_s) as scope:
            await self._await_assignment(scope)

    async def _await_assignment(self, scope: asyncio.Timeout) -> None:
        try:
            await self.Offsets.has_assignment.wait()
        except asyncio.CancelledError:
            if not scope.expired():
                raise

    def first(self) -> list[Any]:
        """Return the messages that come next, and leave them where they are."""
        with self._lock:
            return self._batches[0] if self._batches else []

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
                if self._batches and is_early is not None and is_early(self._batches[0]):
                    return None
                messages = self._batches.popleft() if self._batches else []
                self._size_bytes -= sum(map(len, messages))
            self._room.set()
            return messages
        if self._failure is not None:
            raise self._failure
        if self._errors:
            raise self._errors.popleft()
        return []

    def progress_at(self, position: Mapping[str, int]) -> tuple[list[Any], Any] | None:
        """Return new offsets of the partitions that are ours, and the group, for a transaction.

        `None` if there are none. To be called in any thread.
        """
        places = self.Offsets.news(position)
        return (places, self._group) if places and self._group is not None else None

    async def close(self) -> None:
        """Leave the group. What was taken and not acknowledged comes to somebody again."""
        self._is_stopping = True
        self._room.set()
        for waiting in (self._settling, self._asking):
            if waiting is not None:
                waiting.cancel()
        self.Offsets.close()
        # Where nobody answers the thread would be waited for in vain; it ends by itself.
        if self._ended is not None and (self._connected.done() or self._ended.done()):
            await asyncio.shield(self._ended)

    # In the thread

    def _run(self) -> None:
        kafka = require("confluent_kafka", extra=EXTRA)
        consumer = self._client.Handle
        try:
            self._client.check()
            consumer.subscribe(
                self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            self._tell(self._note_connected)
            while not self._is_stopping and self._client.Fatal is None:
                self.Offsets.commit_waiting()
                if self._is_full():
                    self._hold(consumer)
                else:
                    self._fetch(consumer)
                # Asked for in another thread while this one polls, it would wait for ever.
                self._group = consumer.consumer_group_metadata()
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
        if first is None:
            return
        self._gone.clear()
        messages = [first, *consumer.consume(self._limits.events - 1, 0)]
        if self._gone:
            messages = [m for m in messages if name_of(m.topic(), m.partition()) not in self._gone]
        self._put(messages)

    def _hold(self, consumer: Any) -> None:
        """Wait for room, and stay a member meanwhile."""
        until_s = time.monotonic() + _PAUSE_AFTER_S
        while time.monotonic() < until_s:
            self._room.clear()
            self.Offsets.commit_waiting()
            if not self._is_full() or self._is_stopping:
                return
            self._room.wait(_PAUSE_AFTER_S)
        self._is_paused = True
        consumer.pause(consumer.assignment())
        while self._is_full() and not self._is_stopping:
            self.Offsets.commit_waiting()
            message = consumer.poll(0)
            if message is not None:
                self._put([message])
            self._room.clear()
            if self._is_full():
                self._room.wait(_PAUSED_POLL_S)
        self._is_paused = False
        consumer.resume(consumer.assignment())

    def _put(self, messages: list[Any]) -> None:
        # An error of the client must not be compared to anything: that raises.
        errors = [error for message in messages if (error := message.error()) is not None]
        if errors:
            messages = [message for message in messages if message.error() is None]
            self._errors.extend(translated(error, self._where) for error in errors)
        if messages:
            with self._lock:
                self._batches.append(messages)
                self._size_bytes += sum(map(len, messages))
        self._tell(self._wake.set)

    # In the thread, called by the consumer while it polls

    def _assigned(self, consumer: Any, partitions: Sequence[Any]) -> None:
        names = {name_of(place.topic, place.partition) for place in partitions}
        self._gone -= names
        resume = self._where_we_are() if partitions else {}
        if partitions and (self._start is not None or names & resume.keys()):
            places = resolve_start(consumer, partitions, self._start, resume)
            assign = consumer.incremental_assign if self._is_incremental else consumer.assign
            assign(places.all)
            self.Offsets.add(names, places.committed)
            self.Offsets.commit_now({name_of(p.topic, p.partition): p.offset for p in places.new})
        else:
            # The client assigns them when this returns; so they cannot be paused before.
            self.Offsets.add(names)
            if self._is_paused:
                assign = consumer.incremental_assign if self._is_incremental else consumer.assign
                assign(partitions)
        if self._is_paused:
            consumer.pause(list(partitions))
        self._tell(self.Offsets.has_assignment.set)

    def _where_we_are(self) -> Mapping[str, int]:
        """Return what the event loop says, where nothing changes half-way."""
        answer = self._asking = Future[Mapping[str, int]]()
        self._tell(lambda: self._answer_where(answer))
        try:
            return answer.result(_ANSWER_WITHIN_S)
        except (CancelledError, TimeoutError):
            raise NotConnectedError(f"{self._where}: closed") from None
        finally:
            self._asking = None

    def _answer_where(self, answer: Future[Mapping[str, int]]) -> None:
        if not answer.cancelled():
            answer.set_result(self._hooks.resume())

    def _revoked(self, consumer: Any, partitions: Sequence[Any]) -> None:
        self._let_go(consumer, partitions)
        names = {name_of(place.topic, place.partition) for place in partitions}
        self._drop(names)
        if not self._is_stopping:
            position = self._settle()
            if position:
                self.Offsets.commit_now({n: o for n, o in position.items() if n in names})
        self._forget(names)

    def _lost(self, consumer: Any, partitions: Sequence[Any]) -> None:
        self._let_go(consumer, partitions)
        names = {name_of(place.topic, place.partition) for place in partitions}
        self._drop(names)
        self._forget(names)

    def _let_go(self, consumer: Any, partitions: Sequence[Any]) -> None:
        # For the client a partition that is away is still paused, and so it is when it comes back.
        if self._is_paused and not self._is_stopping:
            consumer.resume(list(partitions))

    def _forget(self, names: Collection[str]) -> None:
        self.Offsets.remove(names)
        self._gone |= set(names)

    def _drop(self, names: Collection[str]) -> None:
        """Let go what nobody has taken yet; who gets the partitions reads it again."""
        with self._lock:
            kept = [
                [m for m in batch if name_of(m.topic(), m.partition()) not in names]
                for batch in self._batches
            ]
            self._batches = deque(batch for batch in kept if batch)
            self._size_bytes = sum(len(m) for batch in self._batches for m in batch)

    def _settle(self) -> Mapping[str, int] | None:
        """Wait until what was taken is durable; return up to where, `None` if that takes long."""
        settling = self._settling = Future[Any]()
        self._tell(lambda: self._hooks.spawn(self._answer(settling), name="kafka: rebalance"))
        try:
            position: Mapping[str, int] | None = settling.result(self._limits.settle_s)
        except TimeoutError:
            settling.cancel()
            self._tell(lambda: self._hooks.warn("partitions are given away unacknowledged"))
            return None
        except BaseException:  # noqa: BLE001 - cancelled by `close`, or the pipeline has failed
            return None
        finally:
            self._settling = None
        return position

    async def _answer(self, settling: Future[Any]) -> None:
        if self._is_stopping or settling.cancelled():
            return
        waiting: Any = asyncio.current_task()
        settling.add_done_callback(lambda _: self._tell(waiting.cancel))
        position = await self._hooks.settle()
        if not settling.cancelled():
            settling.set_result(position)
