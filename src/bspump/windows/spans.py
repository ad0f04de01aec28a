"""Which windows an event belongs to: the first of the four choices. Arithmetic of times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from math import gcd
from typing import Any, NamedTuple

from bspump.abc.config import parse_seconds

Length = str | float
"""A duration: seconds, or a text such as `90s`, `1h`."""


class Window(NamedTuple):
    """The half-open span of time `[start_ms, end_ms)`, in Unix milliseconds."""

    start_ms: int
    end_ms: int


def span_ms(span: Length, *, least_ms: int = 1) -> int:
    """Return a duration in milliseconds. Raises ValueError if it is none, or too short."""
    try:
        found_ms = round(parse_seconds(span) * 1000)
    except ValueError:
        raise ValueError(f"expected a duration such as 10, `250ms` or `1h`, got {span!r}") from None
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
    def window_to(self, end_ms: int, /) -> Window | None:
        """Return the window that ends at `end_ms`, `None` if none does."""

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

    @property
    def slice_text(self) -> str:
        """An expression for `slice_of(at)`, that may be quicker."""
        return "slice_of(at)"


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

    def window_to(self, end_ms: int, /) -> Window | None:
        start_ms = end_ms - self.size_ms
        return Window(start_ms, end_ms) if start_ms == self.slice_of(start_ms) else None

    def windows_of(self, start_ms: int, /) -> list[Window]:
        return [Window(start_ms, start_ms + self.size_ms)]

    def shape(self) -> list[Any]:
        return ["tumbling", self.size_ms, self.offset_ms]

    @property
    def slice_text(self) -> str:
        return _slice_text(self.size_ms, self.offset_ms)


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

    def window_to(self, end_ms: int, /) -> Window | None:
        start_ms = end_ms - self.size_ms
        return Window(start_ms, end_ms) if start_ms == self._last_start(start_ms) else None

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

    @property
    def slice_text(self) -> str:
        return _slice_text(self.slice_ms, self.offset_ms)


def _slice_text(size_ms: int, offset_ms: int) -> str:
    return f"at - (at - {offset_ms}) % {size_ms}" if offset_ms else f"at - at % {size_ms}"


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
