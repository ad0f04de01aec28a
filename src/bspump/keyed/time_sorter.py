"""Events in the order of their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from bspump.abc.event_time import (
    BEGIN_MS,
    CLOCK,
    END_MS,
    EVENT_TIME,
    WATERMARK,
    TimedProcessor,
    check_version,
    no_time,
)
from bspump.abc.options import Options
from bspump.abc.state import PartState, Snapshot

from .late import LatePolicy

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_NOTHING: list[Any] = []

Entry = tuple[int, int, Any, Any]
"""`(time, number, context, event)`; numbers are as events came, so contexts are never compared."""


class TimeSorterOptions(Options, frozen=True, kw_only=True):
    """How many events wait, and what becomes of those that come late."""

    max_events: Annotated[
        int,
        Meta(
            ge=1,
            description="Events that wait at the most; for one more the earliest goes on before"
            " its time, and what is earlier still comes late.",
        ),
    ] = 100_000
    late: Annotated[
        str,
        Meta(
            description="What becomes of events that come late: `drop`, `reject` (as an error of"
            " the event: skipped, a dead letter, …), `pass` (out of order), or the address of a"
            " source, `Pipeline.*SourceId`. All are counted."
        ),
    ] = "drop"


class TimeSorter(TimedProcessor):
    """Put events into the order of their times; those of the same time stay as they came.

    ::

        EventTime(app, self, "at", config={"lateness": "10s"}),
        TimeSorter(app, self),

    An event waits until the watermark has reached its time, so for about as long as the
    `lateness` of the `EventTime` before it. Behind it time goes on with every event: the
    watermark of each is its own time. At the end of the input all go on.

    State: the events that wait, with their contexts; they have to be plain data. A checkpoint
    stores only those that are new.
    """

    OptionsClass = TimeSorterOptions
    Options: TimeSorterOptions

    Version: ClassVar[int] = 1

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._waiting: list[Entry] = []
        self._number = 0
        self._due_ms = END_MS
        self._new: dict[int, Any] = {}
        self._removed: set[int] = set()
        self._kept: Any = None
        self._is_kept: bool | None = None
        self._late = LatePolicy(self, self.Options.late)
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.keyed",
            {"pipeline": pipeline.Id, "processor": self.Id},
            {"forced": 0},
            description="Events that were dropped, marked or held back, by the reason",
        )

    def generate(self, context: Context, event: Event, depth: int, /) -> Any:
        watermark_ms = context.get(WATERMARK)
        if watermark_ms is None:
            raise no_time(self)
        if watermark_ms >= self._due_ms or len(self._waiting) >= self.Options.max_events:
            return self._move_and_take(watermark_ms, context, event)
        self._watermark_ms = max(self._watermark_ms, watermark_ms)
        return self._take(context, event)

    def _move_and_take(self, watermark_ms: int, context: Context, event: Event) -> Iterator[Any]:
        # Not before all that was returned so far has gone on: hence a generator.
        self._move(watermark_ms)
        yield from self._take(context, event)

    def _take(self, context: Context, event: Event) -> list[Any]:
        at_ms, reached_ms = context[EVENT_TIME], self._watermark_ms
        if at_ms > reached_ms:
            self._wait(at_ms, context, event)
            return _NOTHING
        if at_ms < reached_ms:
            event = self._late.take(context, event, at_ms, reached_ms)
            return _NOTHING if event is None else [event]
        context.update({WATERMARK: at_ms, CLOCK: self._address})
        return [event]

    def _wait(self, at_ms: int, context: Context, event: Event) -> None:
        if self._is_kept is None:
            self._is_kept = bool(self.Pipeline.is_durable())
        self._number += 1
        heappush(self._waiting, (at_ms, self._number, context, event))
        self._due_ms = self._waiting[0][0]
        if self._is_kept:
            self._new[self._number] = [at_ms, context, event]
        if len(self._waiting) > self.Options.max_events:
            self._counter.add("forced", 1)
            self._move(self._due_ms)

    def _move(self, watermark_ms: int) -> None:
        """Let time go on, and all events that it has reached."""
        while self._due_ms <= watermark_ms:
            at_ms, number, context, event = heappop(self._waiting)
            self._due_ms = self._waiting[0][0] if self._waiting else END_MS
            if self._new.pop(number, None) is None and self._is_kept:
                self._removed.add(number)
            self._watermark_ms = max(self._watermark_ms, at_ms)
            context.update({WATERMARK: at_ms, CLOCK: self._address})
            self.Pipeline.inject(context, event, (self.PipelineDepth or 0) + 1)
        self._watermark_ms = max(self._watermark_ms, watermark_ms)

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        self._late.open()
        self._move(watermark_ms)

    def release(self) -> None:
        if self._waiting:
            self._move(max(entry[0] for entry in self._waiting))

    # Checkpoints

    def snapshot(self) -> Snapshot | None:
        value = {"watermark_ms": self._watermark_ms, "number": self._number}
        is_same = value == self._kept or (self._kept is None and self._watermark_ms == BEGIN_MS)
        if is_same and not self._new and not self._removed:
            return None
        changed, self._new = self._new, {}
        removed, self._removed = self._removed, set()
        self._kept = value
        return Snapshot(version=self.Version, value=value, changed=changed, removed=removed)

    def restore(self, state: PartState) -> None:
        check_version(self, state.version, self.Version)
        self._kept, self._is_kept = dict(state.value), True
        self._watermark_ms, self._number = state.value["watermark_ms"], state.value["number"]
        self._waiting = [(at_ms, n, c, e) for n, (at_ms, c, e) in state.keyed.items()]
        heapify(self._waiting)
        self._due_ms = self._waiting[0][0] if self._waiting else END_MS

    def explain(self) -> dict[str, Any]:
        return {**super().explain(), "Waiting": len(self._waiting), "Late": self._late.count}
