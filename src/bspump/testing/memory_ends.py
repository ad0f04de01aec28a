"""Sources and sinks that live in memory, and do as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.capabilities import Can
from bspump.abc.component import Component
from bspump.abc.config import ConfigSource, Entry
from bspump.abc.errors import (
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions, Sink
from bspump.abc.source import Chunk, PullOptions, PullSource

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_CHUNK: Final = 100


class _NoEntries:
    """Hides what is configured: a double must not stumble over what is meant for the original."""

    def __init__(self, source: ConfigSource) -> None:
        self._source = source
        self.report = source.report

    def entries(self, section: str, /) -> Mapping[str, Entry]:
        self._source.entries(section)  # Asked for all the same, so that it belongs to something.
        return {}


class _Double(Component):
    """A part whose only configuration is its argument `config`."""

    def _configure(
        self, source: ConfigSource, section: str, given: Mapping[str, Any] | None
    ) -> None:
        super()._configure(_NoEntries(source), section, given)


class RemoteDouble(_Double):
    """The other side of a double: reachable or not, connected or not."""

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.IsReachable = True
        self.IsConnected = False
        self.Connects = 0

    async def connect(self) -> None:
        if not self.IsReachable:
            raise NotConnectedError(f"{self.Id}: not reachable, as the test wants it")
        self.IsConnected = True
        self.Connects += 1

    async def close(self) -> None:
        self.IsConnected = False

    def disconnect(self) -> None:
        """Cut the connection; it is made anew by `connect()`, while `IsReachable` is true."""
        self.IsConnected = False

    def _check_connected(self) -> None:
        if not self.IsConnected:
            raise NotConnectedError(f"{self.Id}: the connection is cut")


class MemorySource(RemoteDouble, PullSource[PullOptions, int]):
    """Read a list of events, to which a test may add by `send` while the pipeline runs.

    Position: how many events have been read. The list outlives the source: another one that is
    given the same list reads on from a position.

    Args:
        events: the list that is read; by default an empty one.
        is_endless: more may come, until `end()`. By default so where no list was given; a list
            is all there is.
        chunk_size: events in one read at the most.
    """

    Capabilities = Can.RESUME | Can.ORDER | Can.END

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        events: list[Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        is_endless: bool | None = None,
        chunk_size: int = _CHUNK,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Events: list[Any] = [] if events is None else events
        self.Contexts: dict[int, Context] = {}
        self.Acknowledged: list[int] = []
        self.IsEndless = events is None if is_endless is None else is_endless
        self.ChunkSize = chunk_size
        self._changed = asyncio.Event()

    def send(self, events: Sequence[Any], contexts: Sequence[Context] | None = None) -> None:
        """Add events, and a context for each if there are any.

        Raises:
            RuntimeError: the source has ended.
        """
        if not self.IsEndless:
            raise RuntimeError(f"{self.Id} has ended: make it with is_endless=True")
        if contexts is not None:
            self.Contexts.update(zip(range(len(self.Events), 1 << 62), contexts, strict=False))
        self.Events.extend(events)
        self._changed.set()

    def end(self) -> None:
        """Let the source end behind the last event."""
        self.IsEndless = False
        self._changed.set()

    def disconnect(self) -> None:
        """Cut the connection, also under a read that waits."""
        super().disconnect()
        self._changed.set()

    async def read(self, position: int | None) -> Chunk[int]:
        start = position or 0
        while True:
            self._check_connected()
            events = self.Events[start : start + self.ChunkSize]
            if events or not self.IsEndless:
                break
            self._changed.clear()
            await self._changed.wait()
        stop = start + len(events)
        contexts = None
        if self.Contexts:
            contexts = [self.Contexts.get(i, {}) for i in range(start, stop)]
        is_last = not self.IsEndless and stop >= len(self.Events)
        return Chunk(events, stop, contexts, is_last)

    async def acknowledge(self, position: int) -> None:
        self.Acknowledged.append(position)


class MemorySink(_Double, Sink):
    """Keep all events, with their contexts, in two lists.

    Args:
        events: the list to append to; it outlives the sink.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        events: list[Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Events: list[Any] = [] if events is None else events
        self.Contexts: list[Context] = []

    def process(self, context: Context, event: Event) -> None:
        self.Events.append(event)
        self.Contexts.append(context)


class MemoryBatchSink(RemoteDouble, BatchSink[BatchSinkOptions]):
    """Keep all events of all batches in a list; a batch is written as a whole or not at all.

    Slow, refused, disconnected for a while: see `bspump.testing.slow` and its like.

    Args:
        events: the list to append to; it outlives the sink.
        rejects: tells of an event that it will never be accepted.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        events: list[Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        rejects: Callable[[Any], bool] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Events: list[Any] = [] if events is None else events
        self.Batches: list[Batch] = []
        self.Rejects = rejects

    async def write(self, batch: Batch) -> None:
        self._check_connected()
        rejected = self._rejected(batch)
        if rejected:
            raise next(iter(rejected.values()))
        self._store(batch)

    def _rejected(self, batch: Batch) -> dict[int, RejectedError | TransientError]:
        rejects = self.Rejects
        if rejects is None:
            return {}
        return {
            index: RejectedError(f"{self.Id}: the test rejects {event!r}")
            for index, event in enumerate(batch.events)
            if rejects(event)
        }

    def _store(self, batch: Batch) -> None:
        self.Batches.append(batch)
        self.Events.extend(batch.events)


class MemoryUpsertSink(MemoryBatchSink):
    """Keep one event for each key in a list, the newest in the place of the first.

    Idempotent: a batch that is written again changes nothing. A rejected event spares its
    neighbours.

    Args:
        key: the key of an event.
    """

    Capabilities = Can.PARTIAL | Can.IDEMPOTENT

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: Callable[[Any], Hashable],
        events: list[Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        rejects: Callable[[Any], bool] | None = None,
    ) -> None:
        super().__init__(app, pipeline, events, id, config, rejects=rejects)
        self._key = key

    async def write(self, batch: Batch) -> None:
        self._check_connected()
        rejected = self._rejected(batch)
        self._store(batch.take(i for i in range(len(batch)) if i not in rejected))
        if rejected:
            raise PartialWriteError(rejected)

    def _store(self, batch: Batch) -> None:
        self.Batches.append(batch)
        places = {self._key(event): i for i, event in enumerate(self.Events)}
        for event in batch.events:
            place = places.setdefault(self._key(event), len(self.Events))
            self.Events[place : place + 1] = [event]
