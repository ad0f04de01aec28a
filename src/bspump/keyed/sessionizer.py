"""Sessions: what belongs together from an event that opens to one that closes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from bspump.abc.errors import RejectedError
from bspump.abc.keyed import Timer
from bspump.abc.options import Duration
from bspump.windows.aggregation import Aggregation
from bspump.windows.folding import fold_of

from .operator import KeyedOperator, KeyOf, OperatorOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

Condition = Callable[[Any, Any], Any]

_END = "end"
_START, _LAST, _COUNT, _CONTENT = range(4)


class SessionizerOptions(OperatorOptions, frozen=True, kw_only=True):
    """When a session ends, if no event ends it."""

    gap: Annotated[
        Duration, Meta(description="It ends so many seconds after its last event; 0: it does not.")
    ] = 1800.0
    max_length: Annotated[
        Duration, Meta(description="It ends so many seconds after its first event; 0: it does not.")
    ] = 86_400.0
    max_events: Annotated[int, Meta(ge=1, description="It ends with so many events.")] = 10_000


class Sessionizer(KeyedOperator):
    """Put the events of a key together from one that opens a session to what ends it.

    ::

        Sessionizer(
            app, self, key="user",
            opens=lambda context, event: event["page"] == "/login",
            closes=lambda context, event: event["page"] == "/logout",
            config={"gap": "30m", "max_length": "8h"},
        )

    Events end here. For each session this comes out as soon as it ends::

        {"key": "ann", "start_ms": …, "end_ms": …, "reason": "event", "count": 3, "events": […]}

    The reason is `event` (one that `closes`; it belongs to the session), `gap` (nothing came for
    so long), `length`, `size` (`max_events`) or `end` (of the input). `end_ms` is the time of the
    latest event; what comes out has the time at which the session ended. With `aggregate` its
    results stand instead of `events`.

    Where no session is open, events that do not open one are dropped (counted as `outside`). An
    event `gap` or more after the last one, or `max_length` after the first, belongs to the next.
    Events are taken in the order in which they come; if that is not the order of their times, put
    a `TimeSorter` before it: otherwise those that are earlier join the session that is open.

    State: for each open session its events, or what is aggregated of them. If `max_keys` are
    open, events of others are rejected.

    Args:
        opens: tells of an event whether it opens a session; `None`: every one does.
        closes: tells of an event whether it ends the session; `None`: none does.
        aggregate: aggregations by the name of their result.
    """

    OptionsClass = SessionizerOptions
    Options: SessionizerOptions

    _counted: ClassVar[tuple[str, ...]] = ("outside", "full")

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        *,
        opens: Condition | None = None,
        closes: Condition | None = None,
        aggregate: Mapping[str, Aggregation] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, key, id, config)
        self._opens, self._closes = opens, closes
        self._gap_ms = round(self.Options.gap * 1000)
        self._length_ms = round(self.Options.max_length * 1000)
        if not self._gap_ms and not self._length_ms:
            raise self._config_error("expected a gap or a max_length, got none: it may never end")
        taken = {"key", "start_ms", "end_ms", "reason", "count"} & set(aggregate or ())
        if taken:
            raise self._config_error(f"results cannot be called {', '.join(sorted(taken))}")
        self._fold = fold_of(aggregate) if aggregate is not None else None

    def generate(self, context: Context, event: Event, depth: int, /) -> Any:
        # A session may have ended before this event.
        return self._lazily(context, event, depth)

    def work(self, state: list[Any], context: Context, event: Event, at_ms: int, /) -> Any:
        is_last = self._closes is not None and self._closes(context, event)
        ended_ms = self._ends_ms(state) if state else at_ms + 1
        if ended_ms <= at_ms:
            session = self._close(state, self.key(context, event), self._reason(state))
            self.hand_on(session, ended_ms, self.watermark_ms())
            state.clear()
        if not state and self._opens is not None and not self._opens(context, event):
            self._counter.add("outside", 1)
            return None
        self._add(state, context, event, at_ms)
        if is_last or state[_COUNT] >= self.Options.max_events:
            reason = "event" if is_last else "size"
            session = self._close(state, self.key(context, event), reason)
            state.clear()
            return session
        self._set(_END, self._ends_ms(state))
        return None

    def _add(self, state: list[Any], context: Context, event: Event, at_ms: int) -> None:
        """Add an event; where an aggregation raises, nothing has changed."""
        fold = self._fold
        if not state:
            content = [event] if fold is None else fold.dump(fold.first(context, event, at_ms))
            state += [at_ms, at_ms, 1, content]
            return
        if fold is None:
            state[_CONTENT].append(event)
        else:
            accumulated = fold.load(state[_CONTENT])
            fold.step(accumulated, context, event, at_ms)
            state[_CONTENT] = fold.dump(accumulated)
        state[_LAST] = max(state[_LAST], at_ms)
        state[_COUNT] += 1

    def _ends_ms(self, state: list[Any]) -> int:
        """Return when the session ends if nothing comes."""
        ends = []
        if self._gap_ms:
            ends.append(state[_LAST] + self._gap_ms)
        if self._length_ms:
            ends.append(state[_START] + self._length_ms)
        return int(min(ends))

    def _reason(self, state: list[Any]) -> str:
        """Return what ends the session if nothing comes."""
        by_gap = self._gap_ms and self._ends_ms(state) == state[_LAST] + self._gap_ms
        return "gap" if by_gap else "length"

    def _close(self, state: list[Any], key: Any, reason: str) -> Event:
        start_ms, last_ms, count, content = state
        session = {"key": key, "start_ms": start_ms, "end_ms": last_ms, "reason": reason}
        session["count"] = count
        if self._fold is None:
            session["events"] = content
        else:
            session.update(self._fold.results(self._fold.load(content)))
        return session

    def due(self, state: list[Any], key: Any, timer: Timer, /) -> Event:
        session = self._close(state, key, self._reason(state))
        state.clear()
        return session

    def release(self) -> None:
        ended: list[dict[str, Any]] = []

        def close(key: Any, state: list[Any]) -> None:
            ended.append(self._close(state, key, "end"))
            state.clear()

        self._for_each(close)
        reached_ms = self.watermark_ms()
        for session in sorted(ended, key=_time_of):
            self.hand_on(session, max(session["end_ms"], reached_ms), reached_ms)

    def without_room(self, context: Context, event: Event, /) -> None:
        self._counter.add("full", 1)
        raise RejectedError(
            f"{self._address}: {self._max_keys} sessions are open already\n"
            "  what to do: raise max_keys, or let them end earlier"
        )


def _time_of(session: dict[str, Any]) -> tuple[int, int]:
    return session["end_ms"], session["start_ms"]
