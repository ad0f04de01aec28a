"""The processor that aggregates events by key and window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.event_time import (
    BEGIN_MS,
    END_MS,
    EVENT_TIME,
    WATERMARK,
    TimedProcessor,
    check_version,
    no_time,
)
from bspump.abc.options import Duration, Options
from bspump.abc.state import PartState, Snapshot
from bspump.windows.aggregation import Aggregation
from bspump.windows.folding import fold_of
from bspump.windows.late import LateEvents
from bspump.windows.open_windows import TOO_LATE, Firing, Manner, OpenWindows
from bspump.windows.spans import Span
from bspump.windows.triggers import Early, Says

from .aggregations import aggregation_of
from .opening import open_windows

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

KeyOf = str | tuple[str, ...] | Callable[[Any, Any], Hashable] | None

_NOTHING: list[Any] = []


class WindowOptions(Options, frozen=True, kw_only=True):
    """What becomes of events that come late."""

    allowed_lateness: Annotated[
        Duration,
        Meta(description="So long after its end a window is corrected by events that come late."),
    ] = 0.0
    late: Annotated[
        str,
        Meta(
            description="What becomes of events that come even later: `drop`, `reject` (as an"
            " error of the event: skipped, a dead letter, …), or the address of a source,"
            " `Pipeline.*SourceId`. All are counted."
        ),
    ] = "drop"


class WindowAggregator(TimedProcessor):
    """Aggregate events by key and window.

    ::

        WindowAggregator(
            app, self,
            window=Tumbling("1h"),                                  # which windows
            clock="event",                                          # by which clock
            early=Every("10m"),                                     # when they fire before the end
            says="accumulate",                                      # what a firing says
            key="airport",
            aggregate={"flights": "count", "delay": Mean("delay"), "worst": Max("delay")},
        )

    Events end here. For each key and window this comes out when the watermark has reached the end
    of the window, oldest window first::

        {"key": "JFK", "start_ms": …, "end_ms": …, "firing": "final", "pane": 0,
         "flights": 61, "delay": 12.5, "worst": 93}

    Windows are half-open: `start_ms` belongs to them, `end_ms` does not. What comes out has the
    time `end_ms - 1`. `firing` is `early`, `final` or `late`; `pane` counts the firings of a window
    for a key. With `says="retract"` there is also `retracted`: true for what is taken back. At the
    end of bounded input every window fires.

    An event is late if all of its windows have ended, by `allowed_lateness` or more.

    State: what is accumulated, for each key and open window. Cut anywhere and restored, the same
    comes out.

    Args:
        window: `Tumbling`, `Hopping`, `Session`, `Calendar`, `Counted` or `Global`.
        aggregate: aggregations by the name of their result, or the names of those that need no
            field: `count`, `first`, `last`, `collect`.
        key: a field, several, a function `(context, event)`; `None`: all events belong together.
            Keys are plain data.
        clock: `event`, for which an `EventTime` stands somewhere before it in the pipeline, or
            `wall`: events belong to when they come.
        early: `Every`, `EveryCount` or `When`.
        says: `accumulate`, `discard` or `retract`.
    """

    OptionsClass = WindowOptions
    Options: WindowOptions

    Version: ClassVar[int] = 1

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        app: Application,
        pipeline: Pipeline,
        *,
        window: Span,
        aggregate: Mapping[str, Aggregation | str],
        key: KeyOf = None,
        clock: Literal["event", "wall"] = "event",
        early: Early | None = None,
        says: Says = "accumulate",
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        allowed_ms = round(self.Options.allowed_lateness * 1000)
        self._manner = Manner(says=says, early=early, allowed_ms=allowed_ms)
        self._window, self._is_wall = window, clock == "wall"
        self._fold = fold_of({n: aggregation_of(a, self._address) for n, a in aggregate.items()})
        self._windows = self._checked(aggregate, clock)
        self._late = LateEvents(self, self.Options.late)
        self._early_ms, self._early_wall = BEGIN_MS, 0
        self._is_open = False
        self._kept: Any = None
        self._compiled = self._compile(key)
        if type(self).generate is WindowAggregator.generate:
            # A call less for every event.
            self.generate = self._compiled  # type: ignore[method-assign]

    def _checked(self, aggregate: Collection[str], clock: str) -> OpenWindows:
        """Return windows, if the choices go together."""
        taken = {"key", "start_ms", "end_ms", "firing", "pane", "retracted"} & set(aggregate)
        try:
            if taken:
                raise ValueError(f"results cannot be called {', '.join(sorted(taken))}")  # noqa: TRY301
            if clock not in ("event", "wall"):
                raise ValueError(f"expected the clock 'event' or 'wall', got {clock!r}")  # noqa: TRY301
            if self._manner.says not in get_args(Says):
                raise ValueError(f"expected one of {get_args(Says)}, got {self._manner.says!r}")  # noqa: TRY301
            early = self._manner.early
            if not isinstance(early, Early | None):
                raise ValueError(f"expected Every, EveryCount or When, got {early!r}")  # noqa: TRY004, TRY301
            return open_windows(self._window, self._fold, self._manner)
        except ValueError as error:
            raise ConfigError(f"{self._address}: {error} [{ConfigError.Code}]") from error

    # What to override

    def report(self, firing: Firing, /) -> Event | None:
        """Return what comes out for a firing, `None` for nothing."""
        key, start_ms, end_ms, kind, pane, results, is_retracted = firing
        event = {"key": key, "start_ms": start_ms, "end_ms": end_ms, "firing": kind, "pane": pane}
        if self._manner.says == "retract":
            event["retracted"] = is_retracted
        event.update(results)  # type: ignore[arg-type]
        return event

    # What happens

    def generate(self, context: Context, event: Event, depth: int, /) -> list[Any]:
        return self._compiled(context, event, depth)

    def _compile(self, key: KeyOf) -> Callable[[Context, Event, int], list[Any]]:
        """Return `generate`, compiled for the choices that were made."""
        scope: dict[str, Any] = {
            "part": self,
            "move": self._move,
            "slow": self._add,
            "N": _NOTHING,
            "no_time": no_time,
            "windows": self._windows,
        }
        told = ["try:", f"    at, wm = c[{EVENT_TIME!r}], c[{WATERMARK!r}]"]
        told += ["except KeyError:", "    raise no_time(part) from None"]
        lines = [
            *(["wm = at = part._now_ms()"] if self._is_wall else told),
            "if wm > part._watermark_ms:",
            "    if wm >= windows.due_ms or wm >= part._early_ms:",
            "        move(wm)",
            "    else:",
            "        part._watermark_ms = wm",
            f"k = {_key_text(key, scope)}",
        ]
        hot = self._windows.hot()
        if hot is not None:
            lines += hot.lines
            scope |= hot.scope
        text = "\n".join(
            [
                f"def make({', '.join(scope)}):",
                "    def generate(c, e, depth):",
                *("        " + line for line in lines),
                "        return slow(k, at, c, e)",
                "    return generate",
            ]
        )
        made: dict[str, Any] = {}
        exec(text, made)  # noqa: S102 - our own text
        generate: Callable[[Context, Event, int], list[Any]] = made["make"](**scope)
        return generate

    def _add(self, key: Hashable, at_ms: int, context: Context, event: Event) -> list[Any]:
        """Add an event where there is no quicker way."""
        if not self._is_open:
            self._open()
        fired = self._windows.add(key, at_ms, self._watermark_ms, context, event)
        if fired is TOO_LATE:
            self._late.take(context, event, at_ms, self._watermark_ms)
        elif fired is not None:
            self._say(fired, self._watermark_ms)
        return _NOTHING

    def _open(self) -> None:
        """Prepare for the first event, or for what is stored."""
        self._is_open = True
        self._late.open()
        self._windows.is_kept = bool(self.Pipeline.is_durable())
        self._find_early()

    def _now_ms(self) -> int:
        """Return the wall clock; what it was set back by does not count."""
        return max(int(self.App.time() * 1000), self._watermark_ms)

    def _move(self, watermark_ms: int) -> None:
        """Let time go on; what comes out carries the watermark from before."""
        if not self._is_open:
            self._open()
        windows, before_ms = self._windows, self._watermark_ms
        is_early = self._early_ms <= watermark_ms
        if is_early:
            # Whatever multiples of the interval have passed, there is something new only once.
            self._say(windows.advance(self._early_ms), before_ms)
            self._say(windows.fire_early(), before_ms)
        self._say(windows.advance(watermark_ms), before_ms)
        self._watermark_ms = max(before_ms, watermark_ms)
        if is_early:
            self._find_early()

    def _find_early(self) -> None:
        """Look when windows fire early the next time, by the clock of the windows."""
        interval_ms = self._manner.interval_ms("wall" if self._is_wall else "event")
        if not interval_ms:
            self._early_ms = END_MS
        elif self._watermark_ms > BEGIN_MS:
            self._early_ms = self._watermark_ms - self._watermark_ms % interval_ms + interval_ms
        else:
            self._early_ms = BEGIN_MS

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        if not self._is_open:
            self._open()
        if self._is_wall:
            watermark_ms = now_ms
        if watermark_ms > self._watermark_ms:
            self._move(watermark_ms)
        interval_ms = 0 if self._is_wall else self._manner.interval_ms("wall")
        if interval_ms and now_ms // interval_ms > self._early_wall:
            if self._early_wall:
                self._say(self._windows.fire_early(), self._watermark_ms)
            self._early_wall = now_ms // interval_ms

    def release(self) -> None:
        latest_ms, before_ms = self._watermark_ms, self._watermark_ms
        for firing in self._windows.end():
            latest_ms = max(latest_ms, firing.end_ms)
            self._say([firing], before_ms)
        self._watermark_ms = latest_ms
        self._find_early()

    def _say(self, firings: Iterable[Firing], before_ms: int) -> None:
        for firing in firings:
            try:
                if isinstance(firing.results, Exception):
                    raise firing.results  # noqa: TRY301 - one place deals with both
                event = self.report(firing)
            except Exception as error:  # noqa: BLE001 - the event that moved time is not to blame
                fired = {"key": firing.key, "start_ms": firing.start_ms, "end_ms": firing.end_ms}
                self.Pipeline.set_error({EVENT_TIME: firing.end_ms - 1}, fired, error)
                continue
            if event is not None:
                self.hand_on(event, firing.end_ms - 1, before_ms)

    # Checkpoints

    def _shape(self) -> list[Any]:
        """Return what a state must have been made by to be of use."""
        kinds = [[name, type(each).__name__] for name, each in self._aggregations()]
        return [
            self._window.shape(),
            kinds,
            self._manner.says,
            "wall" if self._is_wall else "event",
        ]

    def _aggregations(self) -> Iterator[tuple[str, Aggregation]]:
        return zip(self._fold.names, self._fold.aggregations, strict=True)

    def snapshot(self) -> Snapshot | None:
        if not self._is_open:
            return None
        changed, removed = self._windows.changes()
        value = {"watermark_ms": self._watermark_ms, "shape": self._shape()}
        if not changed and not removed and value == self._kept:
            return None
        self._kept = value
        return Snapshot(version=self.Version, value=value, changed=changed, removed=removed)

    def restore(self, state: PartState) -> None:
        check_version(self, state.version, self.Version)
        if state.value["shape"] != self._shape():
            raise ConfigError(
                f"{self._address}: what is stored does not fit [{ConfigError.Code}]\n"
                f"  stored: {state.value['shape']}\n"
                f"  expected: {self._shape()}\n"
                "  what to do: go on with windows and aggregations as they were, give the new ones"
                f" another Id, or `forget = {self._address}` in [checkpoint]"
            )
        self._watermark_ms = state.value["watermark_ms"]
        self._open()
        self._windows.load(state.keyed.items(), self._watermark_ms)

    def explain(self) -> dict[str, Any]:
        return {
            **super().explain(),
            "Late": self._late.count,
            "Open": self._windows.count(),
            "Windows": self._windows.explain(),
        }


def _key_text(key: KeyOf, scope: dict[str, Any]) -> str:
    """Return an expression for the key of an event; `scope` gets what it refers to."""
    if key is None:
        return "None"
    if isinstance(key, str):
        return f"e[{key!r}]"
    if isinstance(key, tuple | list):
        return "(" + "".join(f"e[{name!r}], " for name in key) + ")"
    scope["key_of"] = key
    return "key_of(c, e)"
