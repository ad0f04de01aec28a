"""The processor that finds patterns in the events of each key."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.state import PartState, Snapshot
from bspump.windows.ordered import OrderedOptions, OrderedProcessor

from .machine import Hit, Machine
from .pattern import Pattern

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

KeyOf = str | tuple[str, ...] | Callable[[Any, Any], Hashable] | None


class PatternOptions(OrderedOptions, frozen=True, kw_only=True):
    """How much of matches that have begun is kept."""

    max_partials: Annotated[
        int, Meta(ge=1, description="Matches of a key that have begun; more are dropped.")
    ] = 1000
    max_length: Annotated[
        int, Meta(ge=1, description="Events of a match; one that gets longer is dropped.")
    ] = 1000
    drop: Annotated[
        Literal["oldest", "newest"],
        Meta(description="Where `max_partials` is exceeded: those that began first, or last."),
    ] = "oldest"


class Match(NamedTuple):
    """What was found.

    Args:
        key: of the events.
        start_ms: the time of the first event.
        end_ms: when it was complete: the time of the last event, or the time until which
            something else had to be absent.
        events: by the name of their part, in their order; parts that are missing are not there.
    """

    key: Any
    start_ms: int
    end_ms: int
    events: dict[str, list[Any]]


class PatternMatcher(OrderedProcessor):
    """Find a pattern in the events of each key.

    ::

        PatternMatcher(
            app, self,
            pattern=Pattern.begin("small", where=lambda e: e["amount"] < 10)
                .then("big", where=lambda e: e["amount"] > 500)
                .within("1m"),
            key="card",
        )

    Events end here. For each match this comes out, as soon as the watermark says that nothing
    can come any more that would change it::

        {"pattern": "PatternMatcher", "key": "1234", "start_ms": …, "end_ms": …,
         "matched": {"small": [{…}], "big": [{…}]}}

    Its time is `end_ms`. An `EventTime` stands somewhere before it in the pipeline. Events and
    keys are plain data. A condition that raises makes an error of the event alone, which then
    counts as if it had not come.

    State: for each key the events that wait for their time, and those of matches that have begun.
    Cut anywhere and restored, the same comes out.

    Args:
        pattern: what to look for.
        key: a field, several, a function `(context, event)`; `None`: all events belong together.
    """

    OptionsClass = PatternOptions
    Options: PatternOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        *,
        pattern: Pattern,
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._shape = pattern.shape()
        self._key_of = _key_function(key)
        try:
            self._machine = Machine(
                pattern,
                max_runs=self.Options.max_partials,
                max_length=self.Options.max_length,
                drops_oldest=self.Options.drop == "oldest",
            )
        except ValueError as error:
            raise ConfigError(f"{self._address}: {error} [{ConfigError.Code}]") from error
        self._found = self._dropped = 0
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.pattern",
            {"pipeline": pipeline.Id, "processor": self.Id},
            {"matches": 0, "dropped": 0},
            description="Matches that were found, and such as had begun and were too many",
        )

    # What to override

    def report(self, match: Match, /) -> Event | None:
        """Return what comes out for a match, `None` for nothing."""
        return {
            "pattern": self.Id,
            "key": match.key,
            "start_ms": match.start_ms,
            "end_ms": match.end_ms,
            "matched": match.events,
        }

    # What happens

    def key(self, context: Context, event: Event, /) -> Hashable:
        return self._key_of(context, event)

    def new_work(self) -> dict[str, Any]:
        return self._machine.new()

    def is_idle(self, work: dict[str, Any], /) -> bool:
        return self._machine.is_idle(work)

    def due_ms(self, work: dict[str, Any], /) -> int:
        return self._machine.due_ms(work)

    def take(self, work: dict[str, Any], key: Any, at_ms: int, event: Event, /) -> list[Match]:
        return self._matches(key, self._machine.take(work, at_ms, event))

    def expire(self, work: dict[str, Any], key: Any, at_ms: int, /) -> list[Match]:
        return self._matches(key, self._machine.expire(work, at_ms))

    def _matches(self, key: Any, hits: Sequence[Hit]) -> list[Match]:
        if hits:
            self._found += len(hits)
            self._counter.add("matches", len(hits))
        if self._machine.dropped > self._dropped:
            self._counter.add("dropped", self._machine.dropped - self._dropped)
            self._dropped = self._machine.dropped
        return [Match(key, *hit) for hit in hits]

    # Checkpoints

    def snapshot(self) -> Snapshot | None:
        found = super().snapshot()
        if found is None:
            return None
        return replace(found, value={**found.value, "pattern": self._shape})

    def restore(self, state: PartState) -> None:
        if state.value["pattern"] != self._shape:
            raise ConfigError(
                f"{self._address}: what is stored is of another pattern [{ConfigError.Code}]\n"
                f"  stored: {state.value['pattern']}\n"
                f"  expected: {self._shape}\n"
                "  what to do: go on with the pattern as it was, give the new one another Id, or"
                f" `forget = {self._address}` in [checkpoint]"
            )
        super().restore(state)

    def explain(self) -> dict[str, Any]:
        return {**super().explain(), "Matches": self._found, "Dropped": self._dropped}


def _key_function(key: KeyOf) -> Callable[[Any, Any], Hashable]:
    """Return what finds the key of an event."""
    if key is None:
        return lambda _context, _event: None
    if isinstance(key, str):
        return lambda _context, event: event[key]
    if isinstance(key, tuple | list):
        names = tuple(key)
        return lambda _context, event: tuple([event[name] for name in names])
    return key
