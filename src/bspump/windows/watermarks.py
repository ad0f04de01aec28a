"""How far the time of a stream has come, given what has been seen of each of its partitions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from bspump.abc.event_time import BEGIN_MS, shown_ms

_LONGEST_S = 5.0


class _Clock:
    """What is known of one partition."""

    __slots__ = ("is_idle", "latest_ms", "name", "seen", "silent_s")

    def __init__(self, name: Hashable) -> None:
        self.name, self.latest_ms, self.silent_s = name, BEGIN_MS, 0.0
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

    Attributes:
        watermark_ms: `BEGIN_MS` as long as nothing is known.
    """

    def __init__(self, lateness_ms: int, idle_s: float = 0.0) -> None:
        self.watermark_ms = BEGIN_MS
        self._lateness_ms, self._idle_s = lateness_ms, idle_s
        self._clocks: dict[Hashable, _Clock] = {}
        self._slowest: _Clock | None = None
        self._looked_at_s = float("inf")

    def observe(self, partition: Hashable, at_ms: int) -> int:
        """Take note of a time and return the watermark."""
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
            self._find_slowest()
        return self.watermark_ms

    def expect(self, partition: Hashable) -> None:
        """Wait for a partition of which nothing has come yet."""
        if partition not in self._clocks:
            self._add(partition)

    def leave(self, partition: Hashable) -> None:
        """Forget a partition of which nothing will come any more."""
        if self._clocks.pop(partition, None) is not None:
            self._find_slowest()

    def partitions(self) -> list[Hashable]:
        """Return those that are known."""
        return list(self._clocks)

    def look(self, now_s: float) -> None:
        """Look which partitions are idle, given seconds that never go back.

        It is to be called every few seconds while events may come: where it was not, nobody knows
        whether they could.
        """
        passed_s = min(max(0.0, now_s - self._looked_at_s), _LONGEST_S)
        self._looked_at_s = now_s
        for clock in self._clocks.values():
            clock.silent_s = 0.0 if clock.seen else clock.silent_s + passed_s
            clock.seen = False
            if self._idle_s and not clock.is_idle and clock.silent_s >= self._idle_s:
                clock.is_idle = True
                self._find_slowest()

    def _add(self, partition: Hashable) -> _Clock:
        clock = self._clocks[partition] = _Clock(partition)
        self._slowest = clock
        return clock

    def _find_slowest(self) -> None:
        """Look who holds the watermark back, and move it on."""
        active = [clock for clock in self._clocks.values() if not clock.is_idle]
        if not active:
            return
        self._slowest = slowest = active[0] if len(active) == 1 else min(active, key=_latest)
        if slowest.latest_ms > BEGIN_MS:
            self.watermark_ms = max(self.watermark_ms, slowest.latest_ms - self._lateness_ms)

    def explain(self) -> list[dict[str, Any]]:
        """Return what is known of each partition, the one that holds the watermark back first."""
        clocks: Iterable[_Clock] = sorted(
            self._clocks.values(), key=lambda c: (c.is_idle, _latest(c))
        )
        return [
            {
                "Partition": str(clock.name),
                "Latest": shown_ms(clock.latest_ms),
                "Idle": clock.is_idle,
                "SilentFor": round(clock.silent_s, 3),
            }
            for clock in clocks
        ]

    def snapshot(self) -> list[Any]:
        """Return all of it as plain data."""
        return [
            self.watermark_ms,
            [[clock.name, clock.latest_ms] for clock in self._clocks.values()],
        ]

    def restore(self, state: list[Any]) -> None:
        """Be as it was when `snapshot` returned `state`."""
        self.watermark_ms = state[0]
        for name, latest_ms in state[1]:
            self._add(name).latest_ms = latest_ms
        self._find_slowest()


def _latest(clock: _Clock) -> int:
    return clock.latest_ms
