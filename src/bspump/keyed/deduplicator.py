"""The first of each key within a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.keyed import Timer
from bspump.abc.options import Duration

from .late import LatePolicy
from .operator import KeyedOperator, KeyOf, OperatorOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_END = "end"


class DeduplicatorOptions(OperatorOptions, frozen=True, kw_only=True):
    """For how long an event makes others of its key duplicates."""

    within: Annotated[
        Duration,
        Meta(description="Events of a key less than this apart, in seconds, are the same."),
    ] = 3600.0
    since: Annotated[
        Literal["first", "last"],
        Meta(
            description="Apart from what: from the first, which has gone on, or from the last one,"
            " which may be a duplicate itself."
        ),
    ] = "first"
    late: Annotated[
        str,
        Meta(
            description="What becomes of an event behind the watermark that is no duplicate of"
            " what is still remembered: `pass`, `drop`, `reject`, or the address of a source,"
            " `Pipeline.*SourceId`."
        ),
    ] = "pass"


class Deduplicator(KeyedOperator):
    """Let the first event of each key go on, and drop what repeats it within a time.

    ::

        Deduplicator(app, self, key="order_id", config={"within": "1h"})

    Events go on as they are, at once, in their order. It is exact: of events that are not late,
    all that are less than `within` apart count as one, in whatever order they come. An event that
    comes late may repeat one that has been forgotten; nobody can tell.

    State: per key two times; until `within` after the last of them has passed. If `max_keys` are
    remembered, events of other keys go on and are not remembered (counted as `unremembered`).
    """

    OptionsClass = DeduplicatorOptions
    Options: DeduplicatorOptions

    _counted: ClassVar[tuple[str, ...]] = ("duplicate", "unremembered")

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, key, id, config)
        self._within_ms = round(self.Options.within * 1000)
        if not self._within_ms:
            raise self._config_error("within: expected more than zero, got 0")
        self._extends = self.Options.since == "last"
        self._late = LatePolicy(self, self.Options.late)

    def work(self, state: list[int], context: Context, event: Event, at_ms: int, /) -> Any:
        # The state is times from and to, in turn: what lies less than `within` apart from such a
        # span repeats it. There is one span, or several where events come out of order.
        within_ms = self._within_ms
        near = [
            i
            for i in range(0, len(state), 2)
            if state[i] - within_ms < at_ms < state[i + 1] + within_ms
        ]
        if near:
            self._counter.add("duplicate", 1)
            if self._extends:
                _extend(state, near, at_ms)
            return None
        watermark_ms = self.watermark_ms()
        if self._is_event_time and at_ms < watermark_ms:
            event = self._late.take(context, event, at_ms, watermark_ms)
            if event is None or at_ms + within_ms <= watermark_ms:
                return event
        if not state:
            self._set(_END, at_ms + within_ms)
        state += (at_ms, at_ms)
        return event

    def due(self, state: list[int], key: Any, timer: Timer, /) -> None:
        kept = [
            at_ms
            for first, last in zip(state[::2], state[1::2], strict=True)
            if last + self._within_ms > timer.at_ms
            for at_ms in (first, last)
        ]
        state[:] = kept
        if kept:
            self._set(_END, min(kept[1::2]) + self._within_ms)

    def without_room(self, context: Context, event: Event, /) -> Event:
        self._counter.add("unremembered", 1)
        return event

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        self._late.open()
        super().advance(watermark_ms, now_ms)

    def explain(self) -> dict[str, Any]:
        return {**super().explain(), "Late": self._late.count}


def _extend(state: list[int], near: list[int], at_ms: int) -> None:
    """Let one span reach from the first to the last of what is near to a time."""
    first = min(at_ms, *(state[i] for i in near))
    last = max(at_ms, *(state[i + 1] for i in near))
    for i in reversed(near):
        del state[i : i + 2]
    state += (first, last)
