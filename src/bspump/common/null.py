"""The sink that forgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from bspump.abc.capabilities import Can
from bspump.abc.sink import Sink

if TYPE_CHECKING:
    from bspump.abc.host import Context, Event


class NullSink(Sink):
    """Discard every event; they count as delivered."""

    Capabilities: ClassVar[Can] = Can.IDEMPOTENT

    def process(self, context: Context, event: Event) -> None:
        return

    def process_batch(self, contexts: Sequence[Context] | None, events: Sequence[Event]) -> None:
        """Discard all of `events`."""
