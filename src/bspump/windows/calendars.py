"""Windows of the calendar of a time zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from .spans import Aligned, Window

Unit = Literal["hour", "day", "week", "month", "quarter", "year"]

_HOUR_MS = 3_600_000
_KEPT = 10_000


@dataclass(frozen=True)
class Calendar(Aligned):
    """Hours, days, weeks (from Monday), months, quarters or years of a time zone.

    Right through changes of daylight-saving time: a day has 23, 24 or 25 hours then. Each moment
    belongs to one window. Where clocks are set back over midnight, a day begins when it has come
    for good.

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
        if self.unit not in get_args(Unit):
            raise ValueError(f"expected one of {', '.join(get_args(Unit))}, got {self.unit!r}")
        try:
            zone = ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"expected the name of a time zone, got {self.zone!r}") from error
        object.__setattr__(self, "_zone", zone)
        self._last.append(Window(0, 0))

    def slice_of(self, at_ms: int, /) -> int:
        window = self._last[0]
        if not window.start_ms <= at_ms < window.end_ms:
            self._last[0] = window = self._find(at_ms)
            if len(self._known) > _KEPT:
                self._known.clear()
            self._known[window.start_ms] = window
        return window.start_ms

    def _window_from(self, start_ms: int) -> Window:
        return self._known.get(start_ms) or self._find(start_ms)

    def last_end(self, start_ms: int, /) -> int:
        return self._window_from(start_ms).end_ms

    def next_end(self, start_ms: int, after_ms: int, /) -> int:
        return self._window_from(start_ms).end_ms

    def window_to(self, end_ms: int, /) -> Window | None:
        window = self._find(end_ms - 1)
        return window if window.end_ms == end_ms else None

    def windows_of(self, start_ms: int, /) -> list[Window]:
        return [self._window_from(start_ms)]

    def shape(self) -> list[Any]:
        return ["calendar", self.unit, self.zone]

    def _find(self, at_ms: int) -> Window:
        """Return the window of a time, by the calendar."""
        zone: Any = getattr(self, "_zone")  # noqa: B009 - the class is frozen
        if self.unit == "hour":
            return _hour(at_ms, zone)
        first = _first_day(datetime.fromtimestamp(at_ms // 1000, zone).date(), self.unit)
        start_ms = _begin_ms(first, zone)
        if at_ms < start_ms:
            # Clocks are about to be set back over midnight: it is still the time before.
            before = _first_day(first - timedelta(days=1), self.unit)
            return Window(_begin_ms(before, zone), start_ms)
        return Window(start_ms, _begin_ms(_next_first(first, self.unit), zone))


def _hour(at_ms: int, zone: ZoneInfo) -> Window:
    """Return the hour of a time; it ends where clocks are set, and another one begins."""
    offset_ms = _offset_ms(at_ms, zone)
    start_ms = at_ms - (at_ms + offset_ms) % _HOUR_MS
    end_ms = start_ms + _HOUR_MS
    if _offset_ms(start_ms, zone) != offset_ms:
        start_ms = _change_ms(start_ms, at_ms, zone)
    if _offset_ms(end_ms - 1, zone) != offset_ms:
        end_ms = _change_ms(at_ms, end_ms - 1, zone)
    return Window(start_ms, end_ms)


def _offset_ms(at_ms: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at_ms // 1000, zone).utcoffset() or timedelta()
    return round(offset.total_seconds() * 1000)


def _change_ms(before_ms: int, after_ms: int, zone: ZoneInfo) -> int:
    """Return when clocks are set, after the first time and not after the second."""
    old_ms = _offset_ms(before_ms, zone)
    while after_ms - before_ms > 1:
        middle_ms = (before_ms + after_ms) // 2
        if _offset_ms(middle_ms, zone) == old_ms:
            before_ms = middle_ms
        else:
            after_ms = middle_ms
    return after_ms


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


def _begin_ms(day: date, zone: ZoneInfo) -> int:
    """Return when a day begins there, for good: where there is no midnight, or there are two."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    both = [midnight, midnight.replace(fold=1)]
    first, last = sorted(round((each.astimezone(UTC) - _EPOCH).total_seconds()) for each in both)
    is_day_before = datetime.fromtimestamp(last - 1, zone).date() < day
    return (last if is_day_before else first) * 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
