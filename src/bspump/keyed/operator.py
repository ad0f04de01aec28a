"""What the operators of this package have in common."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from bspump.abc.errors import ConfigError, ProcessingError
from bspump.abc.event_time import EVENT_TIME, no_time
from bspump.abc.keyed import Clock, KeyedOptions, KeyedProcessor, Timer

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

KeyOf = str | tuple[str, ...] | Callable[[Any, Any], Hashable] | None

_SIMPLE = (str, int, float, bool, bytes, type(None))


class KeyOptions(KeyedOptions, frozen=True, kw_only=True):
    """What belongs together, and for how many keys something is remembered."""

    key: Annotated[
        list[str],
        Meta(description="Fields by which events belong together; none: all of them do."),
    ] = field(default_factory=list)
    max_keys: Annotated[
        int, Meta(ge=1, description="Keys that are remembered at the same time at the most.")
    ] = 1_000_000


class OperatorOptions(KeyOptions, frozen=True, kw_only=True):
    """The same, and by which clock."""

    clock: Annotated[
        Literal["event", "wall"],
        Meta(description="Which time counts: that of events, or when they come."),
    ] = "event"


class KeyedOperator(KeyedProcessor):
    """Remembers for each key what one operator needs; what is empty is forgotten at once.

    Args:
        key: a field, several, or a function `(context, event)` that returns plain data; takes the
            place of the option.

    Raises:
        ConfigError: `ttl` is set where it would lose what is not done yet.
    """

    OptionsClass = KeyOptions

    _counted: ClassVar[tuple[str, ...]] = ()
    _may_expire: ClassVar[bool] = False

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, with_key(config, key))
        self._key_of = key if callable(key) else key_function(self.Options.key)
        self._clock: Clock | None = getattr(self.Options, "clock", None)
        self._is_event_time = self._clock == "event"
        self._max_keys = self.Options.max_keys
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.keyed",
            {"pipeline": pipeline.Id, "processor": self.Id},
            dict.fromkeys(self._counted, 0),
            description="Events that were dropped, marked or held back, by the reason",
        )
        if self.Options.ttl and not self._may_expire:
            raise self._config_error("ttl: it would forget what is not done yet; leave it out")

    def _config_error(self, what: str) -> ConfigError:
        return ConfigError(f"{self._address}: {what} [{ConfigError.Code}]")

    # What to override

    def work(self, state: Any, context: Context, event: Event, at_ms: int, /) -> Any:
        """Return what goes on, as `process_keyed` does; an empty state is forgotten afterwards."""
        raise NotImplementedError(f"{type(self).__name__}.work")

    def due(self, state: Any, key: Any, timer: Timer, /) -> Any:
        """Return what goes on, as `on_timer` does; an empty state is forgotten afterwards."""
        raise NotImplementedError(f"{type(self).__name__}.due")

    def without_room(self, context: Context, event: Event, /) -> Any:
        """Return what goes on of an event of a new key, where `max_keys` are remembered."""
        raise NotImplementedError(f"{type(self).__name__}.without_room")

    # What happens

    def key(self, context: Context, event: Event, /) -> Hashable:
        if self._is_event_time and EVENT_TIME not in context:
            raise ProcessingError(f"{no_time(self)}, or set `clock = wall`")
        return self._key_of(context, event)

    def _lazily(self, context: Context, event: Event, depth: int) -> Iterator[Any]:
        """Do what `generate` does when all that was returned so far has gone on."""
        yield from KeyedProcessor.generate(self, context, event, depth)

    def new_state(self) -> list[Any]:
        return []

    def process_keyed(self, state: Any, context: Context, event: Event, /) -> Any:
        if not state and self.keys() > self._max_keys:
            self.forget()
            return self.without_room(context, event)
        try:
            return self.work(state, context, event, self._at_ms(context))
        finally:
            if not state:
                self.forget()

    def on_timer(self, state: Any, key: Any, timer: Timer, /) -> Any:
        made = self.due(state, key, timer)
        if not state:
            self.forget()
        return made

    def release(self) -> None:
        # What is only remembered waits for no time: to let it pass would end sessions behind this.
        pass

    def _at_ms(self, context: Context) -> int:
        if self._is_event_time:
            return int(context[EVENT_TIME])
        return round(self.App.time() * 1000) if self._clock else 0

    def _set(self, name: str, at_ms: int) -> None:
        """Set a timer by the clock of the options."""
        self.set_timer(name, at_ms, self._clock or "event")

    def _for_each(self, look: Callable[[Any, Any], None]) -> None:
        """Call `look` with each key and its state, which it may change."""
        store = self._store
        if store is None:
            return
        for key in [key for key, _ in store.items()]:
            record = store.get(key)
            if record is None:
                continue
            store.note(key, record)
            self._key, self._record = key, record
            try:
                look(key, record[0])
                if not record[0]:
                    self.forget()
            finally:
                self._record = None

    def _states(self) -> Iterator[Any]:
        """Iterate over the states of all keys; nothing may be changed meanwhile."""
        return (record[0] for _, record in self._store.items()) if self._store else iter(())


def own(value: Any) -> Any:
    """Return a value that stays as it is, whatever becomes of the event that it was part of."""
    return value if type(value) in _SIMPLE else copy.deepcopy(value)


def with_key(config: Mapping[str, Any] | None, key: KeyOf) -> Mapping[str, Any] | None:
    """Return the options with the key that the constructor was given, if that is fields."""
    if key is None or callable(key):
        return config
    return {**(config or {}), "key": [key] if isinstance(key, str) else list(key)}


def key_function(names: Sequence[str]) -> Callable[[Any, Any], Hashable]:
    """Return what finds the key of an event, given its fields."""
    if not names:
        return lambda _context, _event: None
    if len(names) == 1:
        name = names[0]
        return lambda _context, event: event[name]
    return lambda _context, event: tuple([event[name] for name in names])
