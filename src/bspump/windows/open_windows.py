"""The contract of windows that are open, and how their firings are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from bspump.abc.event_time import END_MS

from .folding import Accumulated, Fold
from .triggers import Early, Every, EveryCount, Says, When

FINAL, EARLY, LATE = "final", "early", "late"


class Firing(NamedTuple):
    """What a window says of a key.

    Args:
        key: the key.
        start_ms: of the window.
        end_ms: of the window; it does not belong to it.
        kind: `early`, `final` or `late`.
        pane: how often the window had fired before for the key.
        results: by name; or why there are none, for the code of users may fail.
        is_retracted: it takes back what was said before.
    """

    key: Any
    start_ms: int
    end_ms: int
    kind: str
    pane: int
    results: dict[str, Any] | Exception
    is_retracted: bool = False


TOO_LATE: Final[list[Firing]] = []
"""What `add` returns, this very list, for an event all of whose windows are closed."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How windows fire.

    Args:
        says: what a firing says.
        early: when they fire before they end.
        allowed_ms: for so long after its end a window is corrected by late events.
    """

    says: Says = "accumulate"
    early: Early | None = None
    allowed_ms: int = 0

    @property
    def fires_once(self) -> bool:
        """Whether a window fires once for a key."""
        return self.early is None and not self.allowed_ms

    @property
    def fires_singly(self) -> bool:
        """Whether single events let windows fire early."""
        return isinstance(self.early, EveryCount | When)

    def interval_ms(self, clock: str) -> int:
        """Return how often windows fire early by a clock; 0: never."""
        is_so = isinstance(self.early, Every) and self.early.clock == clock
        return self.early.interval_ms if is_so and isinstance(self.early, Every) else 0

    def asks_for(self, context: Any, event: Any) -> bool:
        """Tell whether an event itself lets its window fire. To be asked before it is added."""
        return isinstance(self.early, When) and bool(self.early.condition(context, event))

    def has_enough(self, fresh: int) -> bool:
        """Tell whether a window fires because of so many new events."""
        return isinstance(self.early, EveryCount) and fresh >= self.early.count


def fire_pane(
    pane: list[Any],
    key: Any,
    span: tuple[int, int],
    kind: str,
    results: dict[str, Any] | Exception,
    says: Says,
) -> list[Firing]:
    """Return what is to be said, and take note of it.

    Args:
        pane: how often the window has fired, and what it has said last if that may be taken back;
            `[0, None]` at first, plain data.
        key: the key.
        span: start and end of the window.
        kind: of firing.
        results: by name.
        says: what a firing says.
    """
    found = [Firing(key, *span, kind, pane[0], results)]
    if says == "retract" and not isinstance(results, Exception):
        if pane[1] is not None:
            found.insert(0, Firing(key, *span, kind, pane[0] - 1, pane[1], is_retracted=True))
        pane[1] = results
    pane[0] += 1
    return found


class Hot(NamedTuple):
    """The quickest way to add an event to a window that is open already.

    Args:
        lines: statements of the event `e`, its context `c`, its time `at` and its key `k`. Where
            they have added it they return `N`; if they do not, nothing has happened yet.
        scope: what else they refer to.
    """

    lines: Sequence[str]
    scope: Mapping[str, Any]


class OpenWindows(ABC):
    """What is accumulated in the windows that are open. A time goes in, firings come out.

    Of windows that end at the same time, that of the key which came first fires first; so it is
    after `load`, too.

    Keyed state of it are entries by keys of its own, plain data; `changes` says which have changed.

    Attributes:
        due_ms: nothing happens before this time.
        is_kept: somebody asks for `changes` from time to time; set before anything is added.
        tick: how often somebody has; what has been changed since then bears this number.
    """

    def __init__(self, fold: Fold, manner: Manner) -> None:
        self.fold, self.manner = fold, manner
        self.is_kept, self.due_ms, self.tick = False, END_MS, 0

    def results(self, accumulated: Accumulated) -> dict[str, Any] | Exception:
        """Return what comes out; what is raised spares the other keys."""
        try:
            return self.fold.results(accumulated)
        except Exception as error:  # noqa: BLE001 - the processor reports it
            return error

    @abstractmethod
    def add(
        self, key: Any, at_ms: int, watermark_ms: int, context: Any, event: Any, /
    ) -> list[Firing] | None:
        """Add an event to its windows; where it raises, it has not.

        Every time up to the watermark has been told by `advance`, if it is due.

        Returns:
            What fires because of it, `None` for nothing, `TOO_LATE` if it was not added.
        """

    def hot(self) -> Hot | None:
        """Return a quicker way for most events, `None` if there is none."""
        return None

    @abstractmethod
    def advance(self, watermark_ms: int, /) -> Iterator[Firing]:
        """Fire and close what is due, the windows that end first before the others."""

    @abstractmethod
    def fire_early(self) -> Iterator[Firing]:
        """Fire what has something new, early."""

    @abstractmethod
    def end(self) -> Iterator[Firing]:
        """Fire and close everything: nothing more is to come."""

    @abstractmethod
    def changes(self) -> tuple[Mapping[Any, Any], Collection[Any]]:
        """Return what has changed since the last call: entries, and keys of those that are gone."""

    @abstractmethod
    def load(self, entries: Iterable[tuple[Any, Any]], watermark_ms: int, /) -> None:
        """Be as all entries say; before anything is added."""

    @abstractmethod
    def explain(self) -> list[dict[str, Any]]:
        """Return what is open, ready for JSON: the windows that end first, ten at the most."""

    @abstractmethod
    def count(self) -> int:
        """Return how many pairs of a window and a key are open."""
