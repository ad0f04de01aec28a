"""Times that keys wait for: their timers, and when they are to be forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .event_time import BEGIN_MS, END_MS

if TYPE_CHECKING:
    from .component import Component

Clock = Literal["event", "wall"]

Record = list[Any]
"""What is kept of a key: `[state, last_ms, timers, version]`, plain data."""

EXPIRY = ""
"""The name of the timer that ends a time-to-live; `last_ms` of the record is its truth."""

_SLACK = 1000

_STEPS = 64
"""Keys expire together; so much of a time-to-live later at the most."""


class Timer(NamedTuple):
    """A time that was waited for.

    Args:
        name: as it was set.
        at_ms: when it was to fire, Unix milliseconds.
        clock: `event` or `wall`.
    """

    name: str
    at_ms: int
    clock: Clock


class TimerQueue:
    """Entries of (time, key, name), taken time by time.

    An entry is a reminder to look at what it names: whoever takes it decides whether it still
    means something. So a timer that is moved to a later time needs no new entry.

    Attributes:
        due_ms: the earliest time.
    """

    __slots__ = ("_entries", "_expiring", "_numbers", "due_ms")

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Any, str]] = []
        # Many expire at the same time: they share an entry, which takes a tenth of the memory.
        self._expiring: dict[int, list[Any]] = {}
        # Keys need not be comparable, so entries of the same time are told apart by a number.
        self._numbers = count()
        self.due_ms = END_MS

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, at_ms: int, key: Any, name: str) -> None:
        """Add an entry."""
        if name == EXPIRY:
            if at_ms in self._expiring:
                self._expiring[at_ms].append(key)
                return
            self._expiring[at_ms] = [key]
        heappush(self._entries, (at_ms, next(self._numbers), key, name))
        self.due_ms = min(self.due_ms, at_ms)

    def take(self) -> tuple[int, list[tuple[Any, str]]]:
        """Remove and return what is due first: a time, and all keys and names of that time.

        Their order depends on what they are alone, not on how they came here.
        """
        entries, at_ms = self._entries, self.due_ms
        found: list[tuple[Any, str]] = []
        while entries and entries[0][0] == at_ms:
            _, _, key, name = heappop(entries)
            if name == EXPIRY:
                found += [(each, EXPIRY) for each in self._expiring.pop(at_ms)]
            else:
                found.append((key, name))
        self.due_ms = entries[0][0] if entries else END_MS
        if len(found) > 1:
            found.sort(key=repr)
        return at_ms, found

    def is_wasteful(self, live: int) -> bool:
        """Tell whether most entries are of no use any more, given how many are."""
        return len(self._entries) > 2 * live + _SLACK

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self._expiring.clear()
        self.due_ms = END_MS


class Deadlines:
    """What keys wait for, by both clocks. What it knows of a key is in its record.

    Args:
        ttl_ms: how long a key lives after its last event; 0: for ever.

    Attributes:
        queues: by clock.
        live: how many timers are set.
        ttl_clock: by which keys live, once an event has said so.
        ttl_since_ms: a key lives on at least from this time.
    """

    def __init__(self, ttl_ms: int) -> None:
        self.ttl_ms, self.live = ttl_ms, 0
        self._step_ms = max(1, ttl_ms // _STEPS)
        self.queues: dict[Clock, TimerQueue] = {"event": TimerQueue(), "wall": TimerQueue()}
        self.ttl_clock: Clock | None = None
        self.ttl_since_ms = BEGIN_MS

    def set(self, key: Any, record: Record, timer: Timer) -> bool:
        """Set a timer of a key, or move it; return whether that took a new entry."""
        name, at_ms, clock = timer
        timers = record[2]
        if timers is None:
            timers = record[2] = {}
        before = timers.get(name)
        timers[name] = [at_ms, clock]
        self.live += before is None
        if before is not None and before[1] == clock and at_ms >= before[0]:
            return False
        self.queues[clock].add(at_ms, key, name)
        return True

    def cancel(self, record: Record, name: str) -> None:
        """Take back a timer; an unknown one is ignored."""
        if record[2] and record[2].pop(name, None) is not None:
            self.live -= 1

    def drop(self, record: Record) -> None:
        """Take back all timers of a key that is gone."""
        self.live -= len(record[2] or ())
        record[2] = None

    def touch(self, key: Any, record: Record, at_ms: int, is_new: bool) -> None:
        """Begin the time-to-live of a key anew.

        There is one entry for each key; when it comes, it finds how far its time has moved.
        """
        if record[1] is None or at_ms > record[1]:
            record[1] = at_ms
        if is_new:
            self.queues[self.ttl_clock or "event"].add(self.expires_ms(record), key, EXPIRY)

    def expires_ms(self, record: Record) -> int:
        """Return when a key is to be forgotten, which is a multiple of a small step."""
        last_ms: int | None = record[1]
        since_ms, step_ms = self.ttl_since_ms, self._step_ms
        if last_ms is None or last_ms < since_ms:
            last_ms = since_ms
        return -(-(last_ms + self.ttl_ms) // step_ms) * step_ms

    def look(self, key: Any, record: Record, timer: Timer) -> bool:
        """Tell whether an entry of a queue means something; what has moved waits on."""
        name, at_ms, clock = timer
        if name == EXPIRY:
            now_ms = self.expires_ms(record) if self.ttl_ms else END_MS
        else:
            found = (record[2] or {}).get(name)
            now_ms = found[0] if found is not None and found[1] == clock else END_MS
        if at_ms < now_ms < END_MS:
            self.queues[clock].add(now_ms, key, name)
        return now_ms <= at_ms

    def is_wasteful(self, keys: int) -> bool:
        """Tell whether it is time to `rebuild`."""
        live = self.live + keys
        return any(queue.is_wasteful(live) for queue in self.queues.values())

    def rebuild(self, items: Iterable[tuple[Any, Record]]) -> None:
        """Put together the queues, from what is known of each key."""
        for queue in self.queues.values():
            queue.clear()
        self.live = 0
        for key, record in items:
            for name, at_ms, clock in timers_of(record):
                self.queues[clock].add(at_ms, key, name)
                self.live += 1
            if self.ttl_ms and self.ttl_clock is not None:
                self.queues[self.ttl_clock].add(self.expires_ms(record), key, EXPIRY)

    def take_all(self, clock: Clock) -> Iterator[tuple[Any, Timer]]:
        """Yield each entry of one clock once; what is added meanwhile is for later."""
        ending = self.queues[clock]
        self.queues[clock] = TimerQueue()
        while len(ending):
            at_ms, entries = ending.take()
            for key, name in entries:
                yield key, Timer(name, at_ms, clock)


def timers_of(record: Record) -> list[Timer]:
    """Return the timers of a key."""
    return [Timer(name, at_ms, clock) for name, (at_ms, clock) in (record[2] or {}).items()]


def check_timer(part: Component, timer: Timer, fired: Timer | None) -> None:
    """Raise ValueError for a timer that cannot be set, while `fired` is being dealt with."""
    name, at_ms, clock = timer
    if clock not in ("event", "wall") or not name or type(at_ms) is not int:
        raise ValueError(
            f"{part.locate_address()}: expected a timer with a name, a time in whole milliseconds"
            f" and the clock 'event' or 'wall', got {name!r}, {at_ms!r}, {clock!r}"
        )
    if fired is not None and fired.clock == clock and at_ms <= fired.at_ms:
        # It would fire at once, and again, for ever.
        raise ValueError(
            f"{part.locate_address()}: the timer {fired.name!r} has fired for {fired.at_ms}, so"
            f" expected a later time, got {at_ms}"
        )
