"""How far the time of a stream has come, given what has been seen of each of its partitions."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Any

from bspump.abc.event_time import BEGIN_MS, shown_ms

_LONGEST_S = 5.0
_SHOWN = 10


class _Clock:
    """What is known of one partition."""

    __slots__ = ("is_idle", "latest_ms", "name", "number", "seen", "silent_s")

    def __init__(self, name: Hashable, number: int) -> None:
        self.name, self.number = name, number
        self.latest_ms, self.silent_s = BEGIN_MS, 0.0
        self.seen, self.is_idle = True, False


class Watermarks:
    """Keeps the watermark of a stream, which never moves back.

    It is the least, over all partitions, of the newest time seen minus `lateness_ms`.
    A partition of which nothing came for `idle_s` does not hold the watermark back, until
    something comes of it again. If that is so of all of them, it stays where it is.

    >>> stream = Watermarks(lateness_ms=5)
    >>> stream.observe("a", 100), stream.observe("b", 20), stream.observe("b", 200)
    (95, 95, 95)
    >>> stream.observe("a", 110)
    105

    An event of n partitions costs log n at the most, averaged over many.

    Attributes:
        watermark_ms: `BEGIN_MS` as long as nothing is known.
        known_ms: where there is only one partition, called `None`, an event with a time up to this
            one changes nothing: it is known already, and so is that the partition is not silent.
        forgets_idle: partitions that are idle are as if they had never been; for names that are
            not known in advance, and may be very many.
    """

    def __init__(self, lateness_ms: int, idle_s: float = 0.0) -> None:
        self.watermark_ms = self.known_ms = BEGIN_MS
        self.forgets_idle = False
        self._lateness_ms, self._idle_s = lateness_ms, idle_s
        self._clocks: dict[Hashable, _Clock] = {}
        # Those that hold the watermark back, by a time that they had once: the least is looked
        # at again when it matters.
        self._active: list[tuple[int, int, _Clock]] = []
        self._slowest: _Clock | None = None
        self._count = 0
        self._looked_at_s = float("inf")

    def __contains__(self, partition: Hashable) -> bool:
        return partition in self._clocks

    def observe(self, partition: Hashable, at_ms: int) -> int:
        """Take note of the time of an event and return the watermark."""
        clock = self._clocks.get(partition)
        if clock is None:
            clock = self._add(partition)
        clock.seen = True
        if at_ms > clock.latest_ms:
            clock.latest_ms = at_ms
            if clock is self._slowest:
                self._find_slowest()
        if clock.is_idle:
            clock.is_idle = False
            self._activate(clock)
            self._find_slowest()
        if partition is None and len(self._clocks) == 1:
            self.known_ms = clock.latest_ms
        return self.watermark_ms

    def move_on(self, partition: Hashable, at_ms: int) -> None:
        """Take note that all before a time of a partition has come, without an event.

        What is known already does not make it less silent.
        """
        clock = self._clocks.get(partition)
        if clock is None or at_ms > clock.latest_ms:
            self.observe(partition, at_ms)

    def expect(self, partition: Hashable) -> None:
        """Wait for a partition of which nothing has come yet."""
        if partition not in self._clocks:
            self._add(partition)

    def leave(self, partition: Hashable) -> None:
        """Forget a partition of which nothing will come any more."""
        if self._clocks.pop(partition, None) is not None:
            self.known_ms = BEGIN_MS
            self._rebuild()

    def partitions(self) -> list[Hashable]:
        """Return those that are known."""
        return list(self._clocks)

    def look(self, now_s: float, *, may_come: bool = True) -> None:
        """Look which partitions are idle, given seconds that never go back.

        It is to be called every few seconds; where it was not, nobody knows whether events could
        come.

        Args:
            now_s: the time.
            may_come: nothing keeps events from coming now. What has come since the last call says
                that it was so, too.
        """
        self.known_ms = BEGIN_MS
        passed_s = min(max(0.0, now_s - self._looked_at_s), _LONGEST_S)
        self._looked_at_s = now_s
        if not may_come and not any(clock.seen for clock in self._clocks.values()):
            return
        has_changed = False
        for clock in self._clocks.values():
            clock.silent_s = 0.0 if clock.seen else clock.silent_s + passed_s
            clock.seen = False
            if self._idle_s and not clock.is_idle and clock.silent_s >= self._idle_s:
                clock.is_idle = has_changed = True
        if has_changed:
            if self.forgets_idle:
                self._clocks = {n: clock for n, clock in self._clocks.items() if not clock.is_idle}
            self._rebuild()

    def _add(self, partition: Hashable) -> _Clock:
        self._count += 1
        self.known_ms = BEGIN_MS
        clock = self._clocks[partition] = _Clock(partition, self._count)
        self._activate(clock)
        # Nobody is slower than who has said nothing.
        self._slowest = clock
        return clock

    def _activate(self, clock: _Clock) -> None:
        heapq.heappush(self._active, (clock.latest_ms, clock.number, clock))

    def _rebuild(self) -> None:
        """Look anew who holds the watermark back."""
        active = [c for c in self._clocks.values() if not c.is_idle]
        self._active = [(clock.latest_ms, clock.number, clock) for clock in active]
        heapq.heapify(self._active)
        self._find_slowest()

    def _find_slowest(self) -> None:
        """Look who of the active ones is the slowest, and move the watermark on."""
        active = self._active
        if len(active) > 1:
            latest_ms, number, slowest = active[0]
            while latest_ms < slowest.latest_ms:
                heapq.heapreplace(active, (slowest.latest_ms, number, slowest))
                latest_ms, number, slowest = active[0]
        elif active:
            slowest = active[0][2]
        else:
            self._slowest = None
            return
        self._slowest = slowest
        watermark_ms = slowest.latest_ms - self._lateness_ms
        if watermark_ms > self.watermark_ms and slowest.latest_ms > BEGIN_MS:
            self.watermark_ms = watermark_ms

    def held_back_by(self) -> dict[str, Any] | None:
        """Return what is known of the partition that holds the watermark back."""
        return None if self._slowest is None else self._explain(self._slowest)

    def explain(self) -> list[dict[str, Any]]:
        """Return what is known of partitions: the slowest ones, ten at the most, idle ones last."""
        clocks = heapq.nsmallest(
            _SHOWN, self._clocks.values(), key=lambda c: (c.is_idle, c.latest_ms, c.number)
        )
        return [self._explain(clock) for clock in clocks]

    def _explain(self, clock: _Clock) -> dict[str, Any]:
        return {
            "Partition": _shown(clock.name),
            "Latest": shown_ms(clock.latest_ms),
            "Idle": clock.is_idle,
            "SilentFor": round(clock.silent_s, 3),
        }

    def snapshot(self) -> list[Any]:
        """Return all of it as plain data."""
        return [
            self.watermark_ms,
            [[clock.name, clock.latest_ms] for clock in self._clocks.values()],
        ]

    def restore(self, state: list[Any]) -> None:
        """Be as it was when `snapshot` returned `state`, but for who was silent for how long.

        So what came while nobody was there has as much time as it always has.
        """
        self.watermark_ms = state[0]
        for name, latest_ms in state[1]:
            self._add(name).latest_ms = latest_ms
        self._rebuild()


def _shown(name: Hashable) -> str | None:
    """Return the name of a partition for people; `None` if it is all there is."""
    if isinstance(name, tuple):
        return " ".join(map(str, name))
    return None if name is None else str(name)
