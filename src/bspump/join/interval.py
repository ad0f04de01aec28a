"""The join of two streams whose events are not far apart in time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .base import DUE, LEFT, RIGHT, Combine, Join, State
from .sides import Distance, Keys, Which, copied, interval_ms

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_MATCHED, _EVENT = 1, 2
"""Of an event that is kept: whether it has found a partner, and the event; first comes its time."""


class IntervalJoin(Join):
    """Join events of two streams that have the same key and are not too far apart in time.

    ::

        IntervalJoin(
            app, self,
            left={"kind": "order"},                     # which events: of this kind
            right={"kind": "payment"},
            key={"left": "id", "right": "order"},
            within=("-5m", "10m"),                      # of an order: a payment up to 5 minutes
            kind="left",                                # before and 10 minutes after it
        )

    For each pair `combine(left, right)` comes out, by default `{"left": …, "right": …}`, as soon as
    both are here, with the later time of both. With `kind="left"` a left event that has found no
    partner comes out with `None`, when the watermark says that none can come any more; its time is
    then the last one that a partner could have had. `right` is the same for right events, `outer`
    for both.

    An event before the watermark is late. What is out of order should come within the `lateness`
    of the `EventTime`, then each pair is found, and once.

    State: for each key the events that may still find partners. Cut anywhere and restored, the
    same comes out.

    Args:
        left: the Id of the source that brings the left events; or the fields they have, with their
            values; or a function `(context, event)` that says whether it is one.
        right: the same for right events; asked for events that are not left ones.
        key: a field, several, a function `(context, event)`, or `None`; `{"left": …, "right": …}`
            where they differ.
        within: how much later than the left event the right one is, at the least and at the most,
            both included; `"10m"` stands for `("-10m", "10m")`.
        kind: `inner`, `left`, `right` or `outer`.
        combine: instead of the method.
    """

    Kinds: ClassVar[tuple[str, ...]] = ("inner", "left", "right", "outer")

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        app: Application,
        pipeline: Pipeline,
        *,
        left: Which,
        right: Which,
        key: Keys,
        within: Distance | Sequence[Distance],
        kind: Literal["inner", "left", "right", "outer"] = "inner",
        combine: Combine | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            app,
            pipeline,
            left=left,
            right=right,
            key=key,
            kind=kind,
            combine=combine,
            id=id,
            config=config,
        )
        try:
            first_ms, last_ms = interval_ms(within)
        except ValueError as error:
            raise self._wrong(str(error)) from error
        # By side, how much later than an event its partners are.
        self._first_ms, self._last_ms = (first_ms, -last_ms), (last_ms, -first_ms)
        self._waiting_sides = [side for side in (LEFT, RIGHT) if self._emits[side]]

    def _take(
        self, state: State, is_left: bool, at_ms: int, context: Context, event: Event
    ) -> None:
        side, other = (LEFT, RIGHT) if is_left else (RIGHT, LEFT)
        first_ms, last_ms = at_ms + self._first_ms[side], at_ms + self._last_ms[side]
        others = state[other]
        is_kept = last_ms >= self._watermark_ms
        if is_kept and len(state[side]) >= self._max_events:
            self._trim(side, state[side])
        partners = others[bisect_left(others, [first_ms]) : bisect_left(others, [last_ms + 1])]
        if is_kept:
            _insert(state[side], [at_ms, bool(partners), event])
        elif not partners:
            self._pass_alone(is_left, at_ms, event)
        for partner in partners:
            partner[_MATCHED] = True
            # Both are kept, and whoever gets the pair may change it.
            mine, theirs = copied(event), copied(partner[_EVENT])
            pair = (mine, theirs) if is_left else (theirs, mine)
            self._pass_pair(*pair, max(at_ms, partner[0]))

    def _trim(self, side: int, events: list[Any]) -> None:
        """Forget what finds no partners any more, or make room if that is nothing."""
        if self._taken(side, events, self._watermark_ms):
            return
        at_ms, is_matched, event = self._make_room(events)
        if not is_matched:
            self._pass_alone(side == LEFT, max(at_ms, self._watermark_ms), event)

    def _taken(self, side: int, events: list[Any], until_ms: int) -> list[Any]:
        """Take out and return the events whose last possible partner is before `until_ms`."""
        count = bisect_left(events, [until_ms - self._last_ms[side]])
        taken = events[:count]
        del events[:count]
        return taken

    def _settle(self, state: State, until_ms: int) -> None:
        for side in (LEFT, RIGHT):
            for at_ms, is_matched, event in self._taken(side, state[side], until_ms):
                if not is_matched:
                    certain_ms = at_ms + max(0, self._last_ms[side])
                    self._pass_alone(side == LEFT, certain_ms, event)

    def _waits_until(self, state: State) -> int | None:
        due_ms = None
        for side in self._waiting_sides:
            if state[side]:
                side_ms = self._expires_ms(side, state[side][0])
                due_ms = side_ms if due_ms is None or side_ms < due_ms else due_ms
        return due_ms

    def _due_ms(self, state: State) -> int | None:
        due_ms = self._waits_until(state)
        if due_ms is not None or state[DUE] is not None:
            return due_ms
        # All at once: for each by itself it would be as much work as the join.
        kept = [side for side in (LEFT, RIGHT) if state[side]]
        return max((self._expires_ms(side, state[side][-1]) for side in kept), default=None)

    def _expires_ms(self, side: int, kept: list[Any]) -> int:
        """Return the watermark at which no partner can come any more."""
        due_ms: int = kept[0] + self._last_ms[side] + 1
        return due_ms


def _insert(events: list[Any], kept: list[Any]) -> None:
    if not events or events[-1][0] <= kept[0]:
        events.append(kept)
    else:
        events.insert(bisect_left(events, [kept[0] + 1]), kept)
