"""The kinds of metrics: named values that components change and the service reads.

Counts are plain Python integers, so they are exact however large. A metric belongs to the thread
of the loop. `reset=True`, the default, means that what is shown per interval starts anew with each
flush; totals go on for as long as the metric lives.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bspump.abc.clock import Clock

DEFAULT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0)


class Metric:
    """What all kinds share: a name, tags, and values by their own names.

    Args:
        name: dotted, such as `bspump.pipeline`.
        tags: what tells this metric from others of its name.
        init_values: the values there are from the beginning; others appear when they are used.
        reset: what is shown per interval starts anew with each flush.
        clock: measures intervals.
        description: one line for whoever reads the metric.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        name: str,
        tags: Mapping[str, str],
        init_values: Mapping[str, Any],
        *,
        reset: bool,
        clock: Clock,
        description: str = "",
    ) -> None:
        self.name = name
        self.tags = dict(tags)
        self.reset = reset
        self.description = description
        self.values: dict[str, Any] = dict(init_values)
        self._clock = clock
        self._flushed_at = clock.monotonic()

    def flush(self, now: float) -> None:
        """End an interval at `now`, a time of the monotonic clock."""
        self._flushed_at = now

    def rest_get(self) -> dict[str, Any]:
        """Return name, kind, tags and values, ready for JSON."""
        return {
            "name": self.name,
            "type": self.kind,
            "tags": self.tags,
            "values": dict(self.values),
        }


class Counter(Metric):
    """Counts. `values` are totals; `interval` is what the last whole interval added.

    `is_monotonic` tells that no total ever went down.
    """

    kind = "Counter"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_monotonic = all(value >= 0 for value in self.values.values())
        self.interval: dict[str, Any] = {}
        self._base: dict[str, Any] = {}

    def add(self, name: str, value: float = 1) -> None:
        """Add to the count `name`, which begins at zero."""
        self.values[name] = self.values.get(name, 0) + value
        if value < 0:
            self.is_monotonic = False

    def sub(self, name: str, value: float = 1) -> None:
        """Subtract from the count `name`."""
        self.add(name, -value)

    def flush(self, now: float) -> None:
        self.interval = {name: self._added(name) for name in self.values}
        if self.reset:
            self._base = dict(self.values)
        super().flush(now)

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "interval": dict(self.interval)}

    def _added(self, name: str) -> Any:
        return self.values[name] - self._base.get(name, 0)


class EPSCounter(Counter):
    """Counts, shown per second: over the last whole interval, before that since the beginning."""

    kind = "EPSCounter"

    def flush(self, now: float) -> None:
        interval = self._rates(now)
        super().flush(now)
        # Rates compare to the last flush whether or not other counters go on.
        self._base = dict(self.values)
        self.interval = interval

    def rates(self) -> dict[str, float]:
        """Return additions per second, by name."""
        if not self.interval:
            return self._rates(self._clock.monotonic())
        return {name: self.interval.get(name, 0.0) for name in self.values}

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "values": self.rates()}

    def _rates(self, now: float) -> dict[str, float]:
        seconds = now - self._flushed_at
        if seconds <= 0:
            return dict.fromkeys(self.values, 0.0)
        return {name: self._added(name) / seconds for name in self.values}


class Gauge(Metric):
    """Shows the value that was set last."""

    kind = "Gauge"

    def set(self, name: str, value: float) -> None:
        """Let `name` be `value`."""
        self.values[name] = value


class DutyCycle(Metric):
    """Shows which share of the interval, 0 to 1, something was on.

    `values` hold whether it is on, `None` while nobody has said.
    """

    kind = "DutyCycle"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds: dict[str, dict[bool, float]] = {}
        self._since = dict.fromkeys(self.values, self._flushed_at)
        self._last: dict[str, float] = {}

    def set(self, name: str, on: bool) -> None:
        """Say that from now on `name` is on, or off."""
        self._settle(name, self._clock.monotonic())
        self.values[name] = on

    def shares(self) -> dict[str, float]:
        """Return the shares of the running interval; a value nobody has set has none."""
        now = self._clock.monotonic()
        for name in self.values:
            self._settle(name, now)
        return self._current()

    def flush(self, now: float) -> None:
        for name in self.values:
            self._settle(name, now)
        self._last = self._current()
        if self.reset:
            self._seconds.clear()
        super().flush(now)

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "values": self.shares(), "interval": dict(self._last)}

    def _current(self) -> dict[str, float]:
        shares = {}
        for name, on in self.values.items():
            seconds = self._seconds.get(name, {})
            total = sum(seconds.values())
            if total > 0:
                shares[name] = seconds.get(True, 0.0) / total
            elif on is not None:
                shares[name] = float(on)
        return shares

    def _settle(self, name: str, now: float) -> None:
        """Book the time since the last booking under what was true during it."""
        on = self.values.get(name)
        if on is not None:
            seconds = self._seconds.setdefault(name, {})
            seconds[on] = seconds.get(on, 0.0) + now - self._since[name]
        self._since[name] = now


class Histogram(Metric):
    """Counts values by size. A bucket holds what is at most its bound, as Prometheus has it.

    What is no number (NaN) is not counted: it has no size, and it would spoil the sum for good.

    `values` hold, for each name, `counts` (one per bucket, the last for all that is larger, not
    cumulative) and the `sum`, since the beginning.
    """

    kind = "Histogram"

    def __init__(
        self, *args: Any, buckets: Sequence[float] = DEFAULT_BUCKETS, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.buckets = tuple(sorted({bound for bound in buckets if bound < math.inf}))
        for name in self.values:
            self.values[name] = self._empty()

    def set(self, name: str, value: float) -> None:
        """Count one `value` of `name`."""
        if math.isnan(value):
            return
        if name not in self.values:
            self.values[name] = self._empty()
        counted = self.values[name]
        counted["counts"][bisect_left(self.buckets, value)] += 1
        counted["sum"] += value

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "buckets": list(self.buckets)}

    def _empty(self) -> dict[str, Any]:
        return {"counts": [0] * (len(self.buckets) + 1), "sum": 0}
