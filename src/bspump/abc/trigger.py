"""The contract of triggers: what starts a cycle of a `TriggerSource`."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from .host import Application
    from .source import TriggerSource


class Trigger:
    """Fires cycles of the sources registered at it (`source.on(trigger)`).

    Args:
        app: the application.
        max_triggered: at most this many of the trigger's sources run a cycle at the same time;
            which of the idle ones are started is chosen at random. `None` means all.
        id: default is the name of the class.
    """

    def __init__(
        self, app: Application, max_triggered: int | None = None, id: str | None = None
    ) -> None:
        self.App = app
        self.Id = id if id is not None else type(self).__name__
        self.Sources: set[TriggerSource] = set()
        self.MaxTriggered = max_triggered
        self.Paused = False
        self.LastFireAt = 0.0
        self._random = random.Random()

    @classmethod
    def construct(cls, app: Application, definition: dict[str, Any]) -> Self:
        """Build the trigger of a declaration: `id` and keyword arguments in `args`."""
        return cls(app, id=definition.get("id"), **definition.get("args", {}))

    def add(self, source: TriggerSource) -> None:
        """Register a source; `TriggerSource.on` calls it."""
        self.Sources.add(source)

    def remove(self, source: TriggerSource) -> None:
        """Forget a source; an unknown one is ignored."""
        self.Sources.discard(source)

    def start(self) -> None:
        """Begin to fire; each source calls it when it begins to run, so it comes repeatedly."""

    def fire(self) -> None:
        """Start a cycle of every registered source; a paused trigger does nothing.

        A source in the middle of a cycle is not started again.
        """
        if self.Paused:
            return
        for source in self._due():
            source.TriggerEvent.set()
        self.LastFireAt = self.App.time()

    def _due(self) -> Iterable[TriggerSource]:
        if self.MaxTriggered is None:
            return list(self.Sources)
        idle = sorted((s for s in self.Sources if not s.TriggerEvent.is_set()), key=repr)
        room = max(0, self.MaxTriggered - (len(self.Sources) - len(idle)))
        return self._random.sample(idle, min(room, len(idle)))

    def done(self, source: TriggerSource) -> None:
        """Called by a source after each of its cycles."""

    def pause(self, pause: bool = True) -> None:
        """Stop firing, or go on; each source's pipeline is told by `bspump.trigger.pause!`."""
        self.Paused = pause
        for source in self.Sources:
            source.Pipeline.PubSub.publish(
                "bspump.trigger.pause!", pause=pause, asynchronously=True
            )

    def close(self) -> None:
        """Release timers and subscriptions; called when the application ends."""
