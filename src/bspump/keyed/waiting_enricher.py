"""Enrichment that may come later than the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.errors import RejectedError
from bspump.abc.keyed import Timer
from bspump.abc.lookup import MappingLookup
from bspump.abc.options import Duration

from .holding import Held, HoldingOperator, WaitingOptions
from .operator import KeyOf, own

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_TIMEOUT, _FORGET, _LOOK = "timeout", "forget", "look"
_COMPANION, _UNTIL, _WAITING = range(3)


class WaitingEnricherOptions(WaitingOptions, frozen=True, kw_only=True):
    """For how long an event waits, and what then becomes of it."""

    timeout: Annotated[Duration, Meta(description="Seconds that an event waits at the most.")] = (
        60.0
    )
    then: Annotated[
        Literal["pass", "reject", "drop"],
        Meta(
            description="What becomes of it then: it goes on as it is, is rejected (skipped, a dead"
            " letter, …), or dropped. It is counted as `unmatched`."
        ),
    ] = "pass"
    remember: Annotated[
        Duration,
        Meta(
            description="Seconds for which a companion is known to events that come after it; 0: it"
            " is only for those that wait."
        ),
    ] = 3600.0
    retry: Annotated[
        Duration, Meta(description="Seconds after which `find` is asked again, by the wall clock.")
    ] = 1.0
    into: Annotated[str, Meta(description="The field for what was found.")] = "enrichment"


class WaitingEnricher(HoldingOperator):
    """Let each event wait for what belongs to it, up to a time.

    ::

        WaitingEnricher(
            app, self, key="order",
            companion=lambda context, event: event["kind"] == "payment",
            config={"timeout": "5m", "then": "reject"},
        )

    What belongs to an event is a *companion*, another event of the same key, or what a lookup
    knows of the key, or what `find` returns. An event goes on as a copy with the field `into`, at
    once if that is known already; else as soon as it is, those of a key in their order. Companions
    end here; each is remembered for `remember` after its time, or until another one comes.

    Events that wait keep their own time, and are not late behind this part. At the end of the
    input nothing waits any longer: `then` decides.

    State: companions that are remembered, events that wait. If `max_keys` have some, events of
    others are dealt with as `full` says.

    Args:
        companion: tells of an event whether it is one.
        lookup: a lookup that has all its content here, or its Id; asked with the key.
    """

    OptionsClass = WaitingEnricherOptions
    Options: WaitingEnricherOptions

    _counted: ClassVar[tuple[str, ...]] = ("waited", "unmatched", "full")

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        *,
        companion: Callable[[Any, Any], Any] | None = None,
        lookup: str | MappingLookup | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, key, id, config)
        self._is_companion = companion
        self._lookup = self._locate(lookup)
        self._timeout_ms = round(self.Options.timeout * 1000)
        self._remember_ms = round(self.Options.remember * 1000)
        finds = lookup is not None or type(self).find is not WaitingEnricher.find
        self._retry_ms = max(1, round(self.Options.retry * 1000)) if finds else 0
        if companion is None and not finds:
            raise self._config_error("expected a companion or a lookup, got neither")

    def _locate(self, lookup: str | MappingLookup | None) -> MappingLookup | None:
        found = None if lookup is None else self.App.PumpService.locate_lookup(lookup)
        if found is None or isinstance(found, MappingLookup):
            return found
        raise self._config_error(
            f"lookup {found.Id!r} has to be waited for; use an `AsyncProcessor` for it"
        )

    # What to override

    def find(self, key: Any, /) -> Any:
        """Return what is known of a key, `None` for nothing; must not wait.

        Asked when an event comes, and every `retry` while events wait.
        """
        return None if self._lookup is None else self._lookup.get(key)

    def enrich(self, event: Event, found: Any, /) -> Event:
        """Return what goes on of an event, given its companion or what was found."""
        return {**event, self.Options.into: found}

    # What happens

    def work(self, state: list[Any], context: Context, event: Event, at_ms: int, /) -> Any:
        if self._is_companion is not None and self._is_companion(context, event):
            self._meet(state, event, at_ms)
            return None
        is_known = state and state[_COMPANION] is not None and at_ms < state[_UNTIL]
        found = own(state[_COMPANION]) if is_known else self.find(self.key(context, event))
        if found is not None:
            event = self.enrich(event, found)
            self.behind(context)
            return event
        self._wait(state, context, event, at_ms)
        return None

    def _meet(self, state: list[Any], companion: Event, at_ms: int) -> None:
        """Enrich what waits, and remember the companion."""
        for held in self.take(state[_WAITING]) if state else ():
            self._go_on(held, own(companion))
        if not self._remember_ms:
            state.clear()
            return
        until_ms = at_ms + self._remember_ms
        state[:] = [companion, until_ms, []]
        self._set(_FORGET, until_ms)

    def _wait(self, state: list[Any], context: Context, event: Event, at_ms: int) -> None:
        until_ms = at_ms + self._timeout_ms
        waiting = state[_WAITING] if state else []
        if not self.hold(waiting, [until_ms, context, event], self.Options.max_waiting):
            return
        self._counter.add("waited", 1)
        if not state:
            state += [None, 0, waiting]
        if until_ms <= min(held[0] for held in waiting[:1]):
            self._set(_TIMEOUT, until_ms)
        if self._retry_ms and len(waiting) == 1:
            self._look_later()

    def _look_later(self) -> None:
        self.set_timer(_LOOK, round(self.App.time() * 1000) + self._retry_ms, "wall")

    def due(self, state: list[Any], key: Any, timer: Timer, /) -> None:
        waiting = state[_WAITING]
        if timer.name == _FORGET:
            state[_COMPANION] = None
        elif timer.name == _TIMEOUT:
            for held in self.take(waiting, timer.at_ms):
                self.end(held)
            if waiting:
                self._set(_TIMEOUT, min(held[0] for held in waiting))
        elif (found := self.find(key)) is not None:
            for held in self.take(waiting):
                self._go_on(held, found)
        elif waiting:
            self._look_later()
        if state[_COMPANION] is None and not waiting:
            state.clear()

    def _go_on(self, held: Held, found: Any) -> None:
        _, context, event = held
        try:
            event = self.enrich(event, found)
        except Exception as error:  # noqa: BLE001 - it is the error of this event alone
            self.Pipeline.set_error(context, event, error)
            return
        self.let_go(context, event)

    def end(self, held: Held, /) -> None:
        _, context, event = held
        self._counter.add("unmatched", 1)
        if self.Options.then == "pass":
            self.let_go(context, event)
        elif self.Options.then == "reject":
            error = RejectedError(
                f"{self._address}: nothing that belongs to it came within"
                f" {self.Options.timeout:g} s"
            )
            self.Pipeline.reject([(context, event)], error, self)

    def held_of(self, state: Any, /) -> list[Held]:
        held: list[Held] = state[_WAITING]
        return held

    def take_all(self, state: Any, /) -> list[Held]:
        taken = self.take(state[_WAITING])
        if state[_COMPANION] is None:
            state.clear()
        return taken
