"""A fair sample of fixed size, of each key and window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from bspump.abc.event_time import END_MS, EVENT_TIME
from bspump.abc.keyed import Timer
from bspump.abc.options import Duration

from .holding import Held, HoldingOperator, HoldingOptions
from .late import LatePolicy
from .operator import KeyOf
from .samplers import lot

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_COUNT, _WORST, _HELD = range(3)


class ReservoirOptions(HoldingOptions, frozen=True, kw_only=True):
    """How many events of which time."""

    size: Annotated[int, Meta(ge=1, description="Events of a key and window that go on.")] = 10
    per: Annotated[Duration, Meta(description="The length of a window, in seconds.")] = 60.0
    salt: Annotated[str, Meta(description="Another one chooses other events.")] = ""
    late: Annotated[
        str,
        Meta(
            description="What becomes of events of a window that is over: `drop`, `reject`,"
            " `pass`, or the address of a source, `Pipeline.*SourceId`."
        ),
    ] = "drop"


class ReservoirSampler(HoldingOperator):
    """Let `size` events of each key and window go on, each event with the same chance.

    ::

        ReservoirSampler(app, self, key="host", config={"size": 100, "per": "1m"})

    Windows follow one another, from multiples of `per` since 1970. At the end of a window its
    sample goes on, in the order in which it came, with the times of the events; they are not late
    behind it. At the end of the input all samples do, in the order of these times.

    What is chosen depends on the order of the events, the key and the `salt`: the same events give
    the same sample, also after a crash.

    State: up to `size` events per key and open window. What is not chosen is counted as
    `dropped`.
    """

    OptionsClass = ReservoirOptions
    Options: ReservoirOptions

    _counted: ClassVar[tuple[str, ...]] = ("dropped", "full")

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, key, id, config)
        self._per_ms = round(self.Options.per * 1000)
        if not self._per_ms:
            raise self._config_error("per: expected a millisecond or more, got 0")
        self._size, self._salt = self.Options.size, self.Options.salt
        self._late = LatePolicy(self, self.Options.late)

    # The state is, by begin of window: how many came, the worst lot that is held, what is held.

    def new_state(self) -> dict[int, list[Any]]:  # type: ignore[override]
        return {}

    def work(self, state: dict[int, Any], context: Context, event: Event, at_ms: int, /) -> Any:
        start_ms = at_ms - at_ms % self._per_ms
        watermark_ms = self.watermark_ms()
        if self._is_event_time and start_ms + self._per_ms <= watermark_ms:
            return self._late.take(self.behind(context), event, at_ms, watermark_ms)
        window = state.get(start_ms)
        if window is None:
            window = [0, 0, []]
        drawn = lot(self._salt, (self.key(context, event), start_ms, window[_COUNT]))
        self._draw(window, [drawn, context, event])
        window[_COUNT] += 1
        if start_ms not in state:
            state[start_ms] = window
            self._set(str(start_ms), start_ms + self._per_ms)
        return None

    def _draw(self, window: list[Any], drawn: Held) -> None:
        """Hold an event if its lot is among the best, instead of the one with the worst."""
        waiting = window[_HELD]
        if len(waiting) < self._size:
            if self.hold(waiting, drawn, self._size):
                window[_WORST] = max(window[_WORST], drawn[0])
            return
        self._counter.add("dropped", 1)
        if drawn[0] >= window[_WORST]:
            return
        index = next(i for i, held in enumerate(waiting) if held[0] == window[_WORST])
        self._held.remove(waiting.pop(index)[1].get(EVENT_TIME, END_MS))
        waiting.append(drawn)
        self._held.add(drawn[1].get(EVENT_TIME, END_MS))
        window[_WORST] = max(held[0] for held in waiting)

    def due(self, state: dict[int, Any], key: Any, timer: Timer, /) -> None:
        window = state.pop(int(timer.name), None)
        if window is not None:
            for _, context, event in self.take(window[_HELD]):
                self.let_go(context, event)

    def held_of(self, state: Any, /) -> Iterator[Held]:
        return (held for window in state.values() for held in window[_HELD])

    def take_all(self, state: Any, /) -> list[Held]:
        taken = [held for start in sorted(state) for held in self.take(state[start][_HELD])]
        state.clear()
        return taken

    def order(self, held: Held, /) -> int:
        at_ms: int = held[1].get(EVENT_TIME, 0)
        return at_ms

    def end(self, held: Held, /) -> None:
        self.let_go(held[1], held[2])

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        self._late.open()
        super().advance(watermark_ms, now_ms)

    def explain(self) -> dict[str, Any]:
        return {**super().explain(), "Late": self._late.count}
