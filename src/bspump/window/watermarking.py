"""What processors that give events their time have in common: the watermark and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.event_time import TimeSource, check_version
from bspump.abc.options import Duration, Options
from bspump.abc.state import PartState, Snapshot
from bspump.windows.watermarks import Watermarks

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class WatermarkOptions(Options, frozen=True, kw_only=True):
    """How far events may be out of order, and when a source that is silent is not waited for."""

    lateness: Annotated[
        Duration, Meta(description="So much later than a newer one an event may come.")
    ] = 0.0
    idle: Annotated[
        Duration,
        Meta(
            description="A source or partition that is silent for so long does not hold time back;"
            " 0: it always does."
        ),
    ] = 60.0


class WatermarkingProcessor(TimeSource):
    """Keeps a watermark, in checkpoints too.

    State: the watermark, and the newest time of each partition.
    """

    OptionsClass = WatermarkOptions
    Options: Any

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._address = self.locate_address()
        self._watermarks = Watermarks(round(self.Options.lateness * 1000), self.Options.idle)
        self._kept: list[Any] | None = None

    def watermark_ms(self) -> int:
        return self._watermarks.watermark_ms

    def look(self, now_ms: int, feeding: Mapping[str, int] | None) -> None:
        may_come = self.Pipeline.is_ready()
        self._watermarks.look(self.App.Clock.monotonic(), may_come=may_come)

    def snapshot(self) -> Snapshot | None:
        state = self._watermarks.snapshot()
        if state == self._kept:
            return None
        self._kept = state
        return Snapshot(value=state)

    def restore(self, state: PartState) -> None:
        check_version(self, state.version, 1)
        self._watermarks.restore(state.value)

    def explain(self) -> dict[str, Any]:
        return {
            **super().explain(),
            "Lateness": self.Options.lateness,
            "IdleAfter": self.Options.idle,
            "HeldBackBy": self._watermarks.held_back_by(),
            "Partitions": self._watermarks.explain(),
        }
