"""No more than so many events of a key within a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.keyed import Timer
from bspump.abc.options import Duration

from .holding import Held, HoldingOperator, WaitingOptions
from .operator import KeyOf

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_NEXT = "next"


class RateLimiterOptions(WaitingOptions, frozen=True, kw_only=True):
    """How many events within which time, and what becomes of others."""

    rate: Annotated[int, Meta(ge=1, description="So many events of a key within `per`.")] = 10
    per: Annotated[Duration, Meta(description="Seconds in which there may be so many.")] = 1.0
    burst: Annotated[
        int, Meta(ge=0, description="Events that may come at once after a silence; 0: `rate`.")
    ] = 0
    over: Annotated[
        Literal["drop", "mark", "delay"],
        Meta(
            description="What becomes of more: they are dropped, or go on with a field that says"
            " so, or wait until they may go on."
        ),
    ] = "drop"
    into: Annotated[str, Meta(description="The field that is true where one is marked.")] = (
        "over_limit"
    )


class RateLimiter(HoldingOperator):
    """Let events of a key go on at a limited rate: a bucket of tokens per key.

    ::

        RateLimiter(app, self, key="user", config={"rate": 5, "per": "1m", "over": "drop"})

    A bucket holds `burst` tokens; `rate` of them come back evenly within `per`. Each event that
    goes on takes one. It is computed in whole numbers, so nothing is lost by rounding.

    With `over = mark` events beyond the limit go on as copies with the field `into`. With `delay`
    they are held and go on as soon as there is a token for them, those of a key in their order;
    by the wall clock within a fraction of a second. They keep their own time, and are not late
    behind it. At the end of the input they go on at once.

    Where events come out of order, the latest time that was seen of a key counts. State: per key
    two numbers and what is held; until the bucket is full. If `max_keys` are remembered, events
    of other keys go on (counted as `unremembered`).
    """

    OptionsClass = RateLimiterOptions
    Options: RateLimiterOptions

    _counted: ClassVar[tuple[str, ...]] = ("dropped", "marked", "delayed", "full", "unremembered")

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, key, id, config)
        # Times are counted in parts of a millisecond, `rate` of them: so a token is a whole number.
        self._rate, self._token = self.Options.rate, round(self.Options.per * 1000)
        if not self._token:
            raise self._config_error("per: expected a millisecond or more, got 0")
        self._slack = self._token * ((self.Options.burst or self._rate) - 1)
        self._over = self.Options.over

    # The state is [when the bucket is full, in parts; the latest time, ms; what is held].

    def work(self, state: list[Any], context: Context, event: Event, at_ms: int, /) -> Any:
        if not state:
            self._new(state, at_ms)
        now_ms = state[1] = max(state[1], at_ms)
        self._let_go_due(state, now_ms)
        now = now_ms * self._rate
        full = max(state[0], now)
        if full - now <= self._slack:
            state[0] = full + self._token
            self.behind(context)
            return event
        if self._over == "delay":
            self._delay(state, full, context, event)
            return None
        self.behind(context)
        return self._refuse(event)

    def _new(self, state: list[Any], at_ms: int) -> None:
        if self._is_event_time:
            # A full bucket was forgotten: time has come so far at least.
            at_ms = max(at_ms, self.watermark_ms())
        state += [at_ms * self._rate, at_ms, []]
        self._set(_NEXT, self._ms(state[0] + self._token))

    def _refuse(self, event: Event) -> Event | None:
        if self._over == "mark":
            marked = {**event, self.Options.into: True}
            self._counter.add("marked", 1)
            return marked
        self._counter.add("dropped", 1)
        return None

    def _delay(self, state: list[Any], full: int, context: Context, event: Event) -> None:
        until_ms = self._ms(full - self._slack)
        if self.hold(state[2], [until_ms, context, event], self.Options.max_waiting):
            state[0] = full + self._token
            self._counter.add("delayed", 1)
            if len(state[2]) == 1:
                self._set(_NEXT, until_ms)

    def _ms(self, at: int) -> int:
        """Return the first millisecond that is not before a time that is counted in parts."""
        return -(-at // self._rate)

    def _let_go_due(self, state: list[Any], now_ms: int) -> None:
        if state[2] and state[2][0][0] <= now_ms:
            for _, context, event in self.take(state[2], now_ms):
                self.let_go(context, event)

    def due(self, state: list[Any], key: Any, timer: Timer, /) -> None:
        self._let_go_due(state, timer.at_ms)
        full, _, waiting = state
        if waiting:
            self._set(_NEXT, waiting[0][0])
        elif full > timer.at_ms * self._rate:
            self._set(_NEXT, self._ms(full))
        else:
            state.clear()

    def held_of(self, state: Any, /) -> list[Held]:
        held: list[Held] = state[2]
        return held

    def take_all(self, state: Any, /) -> list[Held]:
        return self.take(state[2])

    def end(self, held: Held, /) -> None:
        self.let_go(held[1], held[2])

    def without_room(self, context: Context, event: Event, /) -> Event:
        self._counter.add("unremembered", 1)
        self.behind(context)
        return event
