"""Which windows an event belongs to: the first of the four choices. Arithmetic of times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import gcd
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from bspump.abc.config import parse_seconds

Length = str | float
"""A duration: seconds, or a text such as `90s`, `1h`."""

Unit = Literal["hour", "day", "week", "month", "quarter", "year"]


class Window(NamedTuple):
    """The half-open span of time `[start_ms, end_ms)`, in Unix milliseconds."""

    start_ms: int
    end_ms: int


def span_ms(span: Length, *, least_ms: int = 1) -> int:
    """Return a duration in milliseconds. Raises ValueError if it is none, or too short."""
    found_ms = round(parse_seconds(span) * 1000)
    if found_ms < least_ms:
        raise ValueError(f"expected a duration of at least {least_ms} ms, got {span!r}")
    return found_ms


class Aligned(ABC):
    """Windows that are the same for all keys, put together of slices that do not overlap."""

    @abstractmethod
    def slice_of(self, at_ms: int, /) -> int:
        """Return the start of the slice to which a time belongs."""

    @abstractmethod
    def last_end(self, start_ms: int, /) -> int:
        """Return the end of the last window that has the slice that starts at `start_ms`."""

    @abstractmethod
    def next_end(self, start_ms: int, after_ms: int, /) -> int:
        """Return the end of the first window that has a slice and ends after `after_ms`.

        Where all of them end before, it is not defined.
        """

    @abstractmethod
    def window_to(self, end_ms: int, /) -> Window:
        """Return the window that ends at `end_ms`."""

    @abstractmethod
    def windows_of(self, start_ms: int, /) -> list[Window]:
        """Return all windows that have a slice, the first one first."""

    def slices_of(self, window: Window, /) -> list[int]:
        """Return the starts of the slices of a window."""
        return [window.start_ms]

    @abstractmethod
    def shape(self) -> list[Any]:
        """Return what makes it different from others of its kind, as plain data."""

    @property
    def overlaps(self) -> bool:
        """Whether an event belongs to several windows."""
        return False


@dataclass(frozen=True)
class Tumbling(Aligned):
    """Windows of one size, one after the other: `Tumbling("1h")`.

    >>> hours = Tumbling("1h")
    >>> hours.window_to(hours.last_end(hours.slice_of(5_000_000)))
    Window(start_ms=3600000, end_ms=7200000)

    Args:
        size: of each window.
        offset: from the beginning of 1970 (UTC) to that of some window.
    """

    size: Length
    offset: Length = 0.0
    size_ms: int = field(init=False)
    offset_ms: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_ms", span_ms(self.size))
        offset_ms = round(parse_seconds(self.offset) * 1000) % self.size_ms
        object.__setattr__(self, "offset_ms", offset_ms)

    def slice_of(self, at_ms: int, /) -> int:
        return at_ms - (at_ms - self.offset_ms) % self.size_ms

    def last_end(self, start_ms: int, /) -> int:
        return start_ms + self.size_ms

    def next_end(self, start_ms: int, after_ms: int, /) -> int:
        return start_ms + self.size_ms

    def window_to(self, end_ms: int, /) -> Window:
        return Window(end_ms - self.size_ms, end_ms)

    def windows_of(self, start_ms: int, /) -> list[Window]:
        return [Window(start_ms, start_ms + self.size_ms)]

    def shape(self) -> list[Any]:
        return ["tumbling", self.size_ms, self.offset_ms]


@dataclass(frozen=True)
class Hopping(Aligned):
    """Windows of one size that begin every so often, so that they overlap.

    `Hopping("1h", every="10m")`. The cost of an event is that of one window; windows are put
    together of slices when they fire.

    Args:
        size: of each window.
        every: from the beginning of one window to that of the next.
        offset: from the beginning of 1970 (UTC) to that of some window.
    """

    size: Length
    every: Length
    offset: Length = 0.0
    size_ms: int = field(init=False)
    every_ms: int = field(init=False)
    slice_ms: int = field(init=False)
    offset_ms: int = field(init=False)

    def __post_init__(self) -> None:
        size_ms, every_ms = span_ms(self.size), span_ms(self.every)
        if every_ms > size_ms:
            raise ValueError(
                f"expected windows without gaps, got {self.size!r} every {self.every!r}"
            )
        object.__setattr__(self, "size_ms", size_ms)
        object.__setattr__(self, "every_ms", every_ms)
        object.__setattr__(self, "slice_ms", gcd(size_ms, every_ms))
        offset_ms = round(parse_seconds(self.offset) * 1000) % every_ms
        object.__setattr__(self, "offset_ms", offset_ms)

    def slice_of(self, at_ms: int, /) -> int:
        return at_ms - (at_ms - self.offset_ms) % self.slice_ms

    def _last_start(self, at_ms: int) -> int:
        return at_ms - (at_ms - self.offset_ms) % self.every_ms

    def last_end(self, start_ms: int, /) -> int:
        return self._last_start(start_ms) + self.size_ms

    def next_end(self, start_ms: int, after_ms: int, /) -> int:
        # Windows end at `first + n * every`; the first one that has the slice comes first.
        first = self.windows_of(start_ms)[0].end_ms
        return first + max(0, (after_ms - first) // self.every_ms + 1) * self.every_ms

    def window_to(self, end_ms: int, /) -> Window:
        return Window(end_ms - self.size_ms, end_ms)

    def windows_of(self, start_ms: int, /) -> list[Window]:
        last = self._last_start(start_ms)
        count = -(-(self.size_ms - (start_ms - last)) // self.every_ms)
        starts = [last - n * self.every_ms for n in reversed(range(count))]
        return [
            Window(start, start + self.size_ms)
            for start in starts
            if start + self.size_ms >= start_ms + self.slice_ms
        ]

    def slices_of(self, window: Window, /) -> list[int]:
        return list(range(window.start_ms, window.end_ms, self.slice_ms))

    def shape(self) -> list[Any]:
        return ["hopping", self.size_ms, self.every_ms, self.offset_ms]

    @property
    def overlaps(self) -> bool:
        return self.every_ms < self.size_ms


@dataclass(frozen=True)
class Calendar(Aligned):
    """Hours, days, weeks (from Monday), months, quarters or years of a time zone.

    Right through changes of daylight-saving time: a day has 23, 24 or 25 hours then.

    >>> days = Calendar("day", zone="Europe/Prague")
    >>> start_ms = days.slice_of(1_711_846_800_000)      # 31 March 2024, 01:00 UTC
    >>> (days.last_end(start_ms) - start_ms) / 3_600_000
    23.0

    Args:
        unit: of the calendar.
        zone: name of the time zone.
    """

    unit: Unit
    zone: str = "UTC"
    _known: dict[int, Window] = field(init=False, repr=False, compare=False, default_factory=dict)
    _last: list[Window] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.unit not in ("hour", "day", "week", "month", "quarter", "year"):
            raise ValueError(f"expected hour, day, week, month, quarter or year, got {self.unit!r}")
        object.__setattr__(self, "_zone", ZoneInfo(self.zone))
        self._last.append(Window(0, 0))

    def slice_of(self, at_ms: int, /) -> int:
        window = self._last[0]
        if not window.start_ms <= at_ms < window.end_ms:
            self._last[0] = window = self._find(at_ms)
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[window.start_ms] = window
        return window.start_ms

    def _window_from(self, start_ms: int) -> Window:
        return self._known.get(start_ms) or self._find(start_ms)

    def last_end(self, start_ms: int, /) -> int:
        return self._window_from(start_ms).end_ms

    def next_end(self, start_ms: int, after_ms: int, /) -> int:
        return self._window_from(start_ms).end_ms

    def window_to(self, end_ms: int, /) -> Window:
        return self._find(end_ms - 1)

    def windows_of(self, start_ms: int, /) -> list[Window]:
        return [self._window_from(start_ms)]

    def shape(self) -> list[Any]:
        return ["calendar", self.unit, self.zone]

    def _find(self, at_ms: int) -> Window:
        """Return the window of a time, by the calendar."""
        zone: Any = getattr(self, "_zone")  # noqa: B009 - the class is frozen
        if self.unit == "hour":
            # Local hours begin where the minutes are zero; offsets may be of half an hour.
            offset = datetime.fromtimestamp(at_ms // 1000, zone).utcoffset() or timedelta()
            local_ms = at_ms + round(offset.total_seconds() * 1000)
            start_ms = at_ms - local_ms % 3_600_000
            return Window(start_ms, start_ms + 3_600_000)
        day = datetime.fromtimestamp(at_ms // 1000, zone).date()
        first = _first_day(day, self.unit)
        return Window(_midnight_ms(first, zone), _midnight_ms(_next_first(first, self.unit), zone))


def _first_day(day: date, unit: str) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _next_first(first: date, unit: str) -> date:
    if unit in ("day", "week"):
        return first + timedelta(days=1 if unit == "day" else 7)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    month = first.month - 1 + months
    return date(first.year + month // 12, month % 12 + 1, 1)


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    """Return when a day begins there, for good: where there is no midnight, or there are two."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    both = [midnight, midnight.replace(fold=1)]
    return max(round((each.astimezone(UTC) - _EPOCH).total_seconds()) for each in both) * 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Session:
    """A window for as long as events of a key come, until none came for `gap`.

    Its end is the time of the last event plus the gap. Events closer together than the gap
    belong to the same session, whatever the order in which they come. `Session("30m")`.

    Args:
        gap: this long nothing comes after the last event.
    """

    gap: Length
    gap_ms: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gap_ms", span_ms(self.gap))

    def shape(self) -> list[Any]:
        """Return what makes it different from others of its kind, as plain data."""
        return ["session", self.gap_ms]


@dataclass(frozen=True)
class Counted:
    """So many events of a key, in the order in which they come. `Counted(100)`.

    Args:
        size: events of a window.
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"expected at least one event in a window, got {self.size}")

    def shape(self) -> list[Any]:
        """Return what makes it different from others of its kind, as plain data."""
        return ["counted", self.size]


@dataclass(frozen=True)
class Global:
    """One window for each key, that never ends: what fires is a trigger.

    At the end of bounded input it fires once more, if something came since.
    """

    def shape(self) -> list[Any]:
        """Return what makes it different from others of its kind, as plain data."""
        return ["global"]


Span = Aligned | Session | Counted | Global
"""Any kind of windows."""
