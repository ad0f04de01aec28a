"""When a batch is complete. Pure: events and times go in, decisions come out."""

from __future__ import annotations

from collections.abc import Sequence

from bspump.abc.host import Context, Event
from bspump.abc.options import BatchOptions
from bspump.abc.sink import Batch


class Batcher:
    """Collects events until there are enough, they are large enough, or one is old enough.

    >>> batcher = Batcher(BatchOptions(max_events=2))
    >>> batcher.add({}, "a", 0, now_s=0.0), len(batcher)
    (False, 1)
    >>> batcher.add({}, "b", 0, now_s=0.5), batcher.take().events
    (True, ['a', 'b'])
    """

    def __init__(self, options: BatchOptions) -> None:
        self._options = options
        self._events: list[Event] = []
        self._contexts: list[Context] = []
        self._bytes = 0
        self._since_s = 0.0

    def __len__(self) -> int:
        """Return how many events there are."""
        return len(self._events)

    @property
    def due_s(self) -> float | None:
        """When the oldest event will be old enough, `None` while there is none."""
        return self._since_s + self._options.max_age if self._events else None

    def add(self, context: Context, event: Event, size_bytes: int, *, now_s: float) -> bool:
        """Add one event; tell whether the batch is complete."""
        if not self._events:
            self._since_s = now_s
        self._events.append(event)
        self._contexts.append(context)
        self._bytes += size_bytes
        options = self._options
        return len(self._events) >= options.max_events or self._bytes >= options.max_bytes

    def room(self) -> int:
        """Return how many more events the batch takes."""
        return self._options.max_events - len(self._events)

    def room_bytes(self) -> int:
        """Return how many more bytes the batch takes."""
        return self._options.max_bytes - self._bytes

    def add_many(
        self,
        contexts: Sequence[Context],
        events: Sequence[Event],
        size_bytes: int,
        *,
        now_s: float,
    ) -> bool:
        """Add events, no more than there is room for; tell whether the batch is complete."""
        if not self._events:
            self._since_s = now_s
        self._events.extend(events)
        self._contexts.extend(contexts)
        self._bytes += size_bytes
        options = self._options
        return len(self._events) >= options.max_events or self._bytes >= options.max_bytes

    def take(self) -> Batch:
        """Return what there is as a batch, and begin another."""
        batch = Batch(self._events, self._contexts)
        self._events, self._contexts, self._bytes = [], [], 0
        return batch
