"""Events that come late, where they may also simply go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bspump.windows.late import LateEvents

if TYPE_CHECKING:
    from bspump.abc.event_time import TimedProcessor
    from bspump.abc.host import Context, Event


class LatePolicy:
    """Deals with them as the option `late` says.

    Args:
        part: the processor to which they come.
        policy: `pass`, or as `LateEvents` has it.
    """

    def __init__(self, part: TimedProcessor, policy: str) -> None:
        self.passes = policy == "pass"
        # What passes is only counted.
        self._events = LateEvents(part, "drop" if self.passes else policy)
        self._is_open = False

    @property
    def count(self) -> int:
        """How many there were since the start."""
        return self._events.count

    def open(self) -> None:
        """Find where they are sent; once all pipelines are made. Again is fine."""
        if not self._is_open:
            self._is_open = True
            self._events.open()

    def take(self, context: Context, event: Event, at_ms: int, watermark_ms: int) -> Any:
        """Count one, and return what goes on of it."""
        self.open()
        self._events.take(context, event, at_ms, watermark_ms)
        return event if self.passes else None
