"""The trigger that fires as often as it may."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bspump.abc.config import parse_seconds
from bspump.abc.trigger import Trigger

if TYPE_CHECKING:
    from bspump.abc.host import Application
    from bspump.abc.source import TriggerSource


class OpportunisticTrigger(Trigger):
    """Fire at once, whenever a cycle is done, and each second; but not too often.

    Args:
        run_immediately: fire when the first source begins to run.
        chilldown_period: seconds between two firings at the least; may be a fraction, or a text
            such as `500ms`.
    """

    def __init__(
        self,
        app: Application,
        id: str | None = None,
        run_immediately: bool = True,
        chilldown_period: float | str = 5,
    ) -> None:
        super().__init__(app, id=id)
        self.ChilldownPeriod = parse_seconds(chilldown_period)
        self._fires_at_start = run_immediately
        self._fired_at = -math.inf
        app.PubSub.subscribe("Application.tick!", self._on_tick)

    def start(self) -> None:
        if self._fires_at_start:
            self._fires_at_start = False
            self._fire_if_rested()

    def done(self, source: TriggerSource) -> None:
        self._fire_if_rested()

    def fire(self) -> None:
        super().fire()
        if not self.Paused:
            self._fired_at = self.App.Clock.monotonic()

    def close(self) -> None:
        self.App.PubSub.unsubscribe("Application.tick!", self._on_tick)

    def _on_tick(self, _message: str) -> None:
        self._fire_if_rested()

    def _fire_if_rested(self) -> None:
        # While all cycles still run it would be absorbed, and delay the next one for nothing.
        is_of_use = any(not source.TriggerEvent.is_set() for source in self.Sources)
        if is_of_use and self.App.Clock.monotonic() - self._fired_at >= self.ChilldownPeriod:
            self.fire()
