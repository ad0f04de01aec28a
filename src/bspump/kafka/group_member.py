"""A member of a consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Final, NamedTuple

from bspump.abc.errors import NotConnectedError

from .connection import Client
from .offsets import Offsets, name_of
from .reader import Limits, Reader
from .start import Start, resolve_start

_ANSWER_WITHIN_S: Final = 10.0


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


class GroupMember(Reader):
    """Reads the partitions that the group gives to it.

    It stays a member however slow its pipeline is. A partition that is to be given away is
    kept until what was taken from it is durable and acknowledged, `Limits.settle_s` at the most.
    """

    def __init__(
        self, client: Client, topics: Sequence[str], start: Start | None, *,
        where: str, is_incremental: bool, limits: Limits, hooks: Hooks,
    ) -> None:  # fmt: skip
        super().__init__(client, where, limits)
        self._topics, self._start = list(topics), start
        self._is_incremental, self._hooks = is_incremental, hooks
        self._gone: set[str] = set()
        self._settling: Future[Any] | None = None
        self._asking: Future[Any] | None = None
        self._group: Any = None
        self._offsets = Offsets(client.Handle, where, self._room.set)

    # In the event loop

    @property
    def partitions(self) -> list[str]:
        return self._offsets.assigned

    async def connect(self, patience_s: float) -> None:
        await super().connect(patience_s)
        # A group may take its time.
        async with asyncio.timeout(patience_s) as scope:
            await self._await_assignment(scope)

    async def _await_assignment(self, scope: asyncio.Timeout) -> None:
        try:
            await self._offsets.has_assignment.wait()
        except asyncio.CancelledError:
            if not scope.expired():
                raise

    async def commit(self, position: Mapping[str, int], within_s: float) -> None:
        await self._offsets.commit(position, within_s)

    def progress_at(self, position: Mapping[str, int]) -> tuple[list[Any], Any] | None:
        """Return new offsets of the partitions that are ours, and the group, for a transaction."""
        places = self._offsets.news(position)
        return (places, self._group) if places and self._group is not None else None

    async def close(self) -> None:
        """Leave the group."""
        self._is_stopping = True
        for waiting in (self._settling, self._asking):
            if waiting is not None:
                waiting.cancel()
        self._offsets.close()
        await super().close()

    # In the thread

    def _begin(self, consumer: Any) -> None:
        consumer.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def _look_around(self, consumer: Any) -> None:
        # Asked for in another thread while this one polls, it would wait for ever.
        self._group = consumer.consumer_group_metadata()
        self._gone.clear()

    def _answer(self) -> None:
        self._offsets.commit_waiting()

    def _ours(self, messages: list[Any]) -> list[Any]:
        if not self._gone:
            return messages
        return [m for m in messages if name_of(m.topic(), m.partition()) not in self._gone]

    # In the thread, called by the consumer while it polls

    def _assigned(self, consumer: Any, partitions: Sequence[Any]) -> None:
        names = {name_of(place.topic, place.partition) for place in partitions}
        self._gone -= names
        resume = self._where_we_are() if partitions else {}
        if partitions and (self._start is not None or names & resume.keys()):
            places = resolve_start(consumer, partitions, self._start, resume)
            assign = consumer.incremental_assign if self._is_incremental else consumer.assign
            assign(places.all)
            self._offsets.add(names, places.committed)
            self._offsets.commit_now({name_of(p.topic, p.partition): p.offset for p in places.new})
        else:
            # The client assigns them when this returns; so they cannot be paused before.
            self._offsets.add(names)
            if self._is_paused:
                assign = consumer.incremental_assign if self._is_incremental else consumer.assign
                assign(partitions)
        if self._is_paused:
            consumer.pause(list(partitions))
        self._tell(self._offsets.has_assignment.set)

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
                self._offsets.commit_now({n: o for n, o in position.items() if n in names})
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
        self._offsets.remove(names)
        self._gone |= set(names)

    def _settle(self) -> Mapping[str, int] | None:
        """Wait until what was taken is durable; return up to where, `None` if that takes long."""
        settling = self._settling = Future[Any]()
        self._tell(
            lambda: self._hooks.spawn(self._answer_settling(settling), name="kafka: rebalance")
        )
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

    async def _answer_settling(self, settling: Future[Any]) -> None:
        if self._is_stopping or settling.cancelled():
            return
        waiting: Any = asyncio.current_task()
        settling.add_done_callback(lambda _: self._tell(waiting.cancel))
        position = await self._hooks.settle()
        if not settling.cancelled():
            settling.set_result(position)
