"""When a window fires, and what a firing says: the third and the fourth choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from .spans import Length, span_ms

Says = Literal["accumulate", "discard", "retract"]
"""`accumulate`: all that the window has so far. `discard`: what came since the last firing.
`retract`: all, and before it the last firing once more, marked as taken back."""


@dataclass(frozen=True)
class Every:
    """Fire windows with something new, every so often.

    Args:
        interval: from one firing to the next; they are multiples of it.
        clock: `event`, for the time of the windows, or `wall`.
    """

    interval: Length
    clock: Literal["event", "wall"] = "event"
    interval_ms: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval_ms", span_ms(self.interval))


@dataclass(frozen=True)
class EveryCount:
    """Fire a window of a key whenever so many events were added since it fired.

    Args:
        count: of events.
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"expected a count of at least one, got {self.count}")


@dataclass(frozen=True)
class When:
    """Fire a window of a key after an event for which a condition holds.

    Args:
        condition: a function `(context, event)`.
    """

    condition: Callable[[Any, Any], Any]


Early = Every | EveryCount | When
