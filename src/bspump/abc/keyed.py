"""The contract of processors that remember something for each key."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import ConfigError
from .event_time import (
    BEGIN_MS,
    END_MS,
    EVENT_TIME,
    WATERMARK,
    TimedProcessor,
    check_version,
    no_time,
    shown_ms,
)
from .keyed_options import KeyedOptions
from .keyed_store import KeyedStore, find_keyed_store, other_store
from .state import FrozenState, PartState, Snapshot
from .timers import EXPIRY, Clock, Deadlines, Record, Timer, check_timer, timers_of

if TYPE_CHECKING:
    from .host import Application, Context, Event, Pipeline

__all__ = ["KIND", "Clock", "KeyedOptions", "KeyedProcessor", "Timer"]

KIND = "keyed"
"""By this those who look at checkpoints know what a `KeyedProcessor` has stored."""

_AT_A_TIME = 10_000
"""So many timers fire without a break, where no event waits for them."""

_NOTHING: list[Any] = []


class KeyedProcessor(TimedProcessor):
    """Remembers a state for each key; subclass it and say what the key, the state and the work is.

    ::

        class Repeated(KeyedProcessor):
            def key(self, context, event):
                return event["user"]

            def new_state(self):
                return {"seen": 0}

            def process_keyed(self, state, context, event):
                state["seen"] += 1
                return event if state["seen"] > 1 else None

    Keys and state are plain data (see `abc.state`) and belong to this class: it keeps them in
    checkpoints, only what has changed each time, and gives them back. Nothing else is kept: what a
    subclass needs in attributes of its own must follow from its options.

    Timers belong to keys: one for each name. A timer of event time fires before the first event
    that carries a watermark as late as its time; one of the wall clock within a fraction of a
    second. At the end of bounded input all timers of event time fire, each once, and those of the
    wall clock do not: nobody would wait for them. They fire in the order of their times; at the
    same time in an order that depends on keys and names alone.

    Attributes:
        Version: of the form of the state; a greater one than what is stored calls `migrate`.
    """

    OptionsClass = KeyedOptions
    Options: Any

    Version: ClassVar[int] = 1

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._ttl_ms = round(self.Options.ttl * 1000)
        self._deadlines = Deadlines(self._ttl_ms)
        self._queue = self._deadlines.queues["event"]
        self._store_class = find_keyed_store(self.Options.store, self)
        self._store: KeyedStore | None = None
        self._key: Any = None
        self._record: Record | None = None
        self._fired: Timer | None = None
        self._kept: dict[str, Any] | None = None

    # What to override

    def key(self, context: Context, event: Event, /) -> Hashable:
        """Return what the event belongs to, as plain data."""
        raise NotImplementedError(f"{type(self).__name__}.key")

    def new_state(self) -> Any:
        """Return the state of a key that is not known yet, as plain data."""
        raise NotImplementedError(f"{type(self).__name__}.new_state")

    def process_keyed(self, state: Any, context: Context, event: Event, /) -> Any:
        """Return the event, another one, a list of events, or `None` if nothing goes on.

        Args:
            state: of the key of the event, to be changed at will; see also `replace` and `forget`.
            context: of the event.
            event: the event. What is raised is its error, and what was changed stays changed.
        """
        raise NotImplementedError(f"{type(self).__name__}.process_keyed")

    def on_timer(self, state: Any, key: Any, timer: Timer, /) -> Any:
        """Return what goes on because a timer has fired: an event, a list of them, or `None`.

        What it raises is the error of an event that consists of the key and the timer.
        """
        raise NotImplementedError(f"{type(self).__name__}.on_timer")

    def migrate(self, version: int, key: Any, state: Any, /) -> Any:
        """Return the state of a key in its present form; `version` is less than `Version`.

        Called when the program starts; for what is kept in `rocksdb`, when a key is needed.
        """
        raise ConfigError(
            f"{self._address}: its state is of version {version} [{ConfigError.Code}]\n"
            f"  expected: {self.Version}\n"
            f"  what to do: define {type(self).__name__}.migrate, or `forget = {self._address}`"
            " in [checkpoint]"
        )

    # What they may call

    def set_timer(self, name: str, at_ms: int, clock: Clock = "event") -> None:
        """Set a timer of the key that is being processed, or move it.

        A time that has come already fires before the next event.

        Args:
            name: not empty; there is one timer of each name.
            at_ms: Unix milliseconds; in `on_timer`, later than the timer that has fired.
            clock: `event` or `wall`.

        Raises:
            RuntimeError: no key is being processed.
            ValueError: one of the arguments cannot be.
        """
        record = self._current()
        timer = Timer(name, at_ms, clock)
        check_timer(self, timer, self._fired)
        deadlines = self._deadlines
        if deadlines.set(self._key, record, timer) and deadlines.is_wasteful(self.keys()):
            self._rebuild()

    def cancel_timer(self, name: str) -> None:
        """Take a timer of the key that is being processed back; an unknown one is ignored."""
        self._deadlines.cancel(self._current(), name)

    def timers(self) -> list[Timer]:
        """Return the timers of the key that is being processed."""
        return timers_of(self._current())

    def replace(self, state: Any) -> None:
        """Let the key that is being processed have another state: where it cannot be changed."""
        self._current()[0] = state

    def forget(self) -> None:
        """Forget the key that is being processed, with its timers."""
        self._drop(self._key, self._current())
        self._record = None

    def keys(self) -> int:
        """Return how many keys there are."""
        return 0 if self._store is None else len(self._store)

    def inspect(self, key: Any) -> dict[str, Any] | None:
        """Return what is remembered of a key, for whoever looks at it; `None` for nothing."""
        record = None if self._store is None else self._store.get(key)
        if record is None:
            return None
        timers = [timer._asdict() for timer in timers_of(record)]
        return {"Key": key, "State": record[0], "Timers": timers, "Last": record[1]}

    def sample(self, count: int = 10) -> list[dict[str, Any]]:
        """Return what is remembered of some keys."""
        keys = [] if self._store is None else [key for key, _ in islice(self._store.items(), count)]
        return [found for key in keys if (found := self.inspect(key)) is not None]

    # What happens

    def generate(self, context: Context, event: Event, depth: int, /) -> Any:
        watermark_ms = context.get(WATERMARK)
        if watermark_ms is not None:
            if watermark_ms >= self._queue.due_ms:
                return self._fire_and_process(context, event, watermark_ms)
            if watermark_ms > self._watermark_ms:  # noqa: PLR1730 - half the time of `max`
                self._watermark_ms = watermark_ms
        return self._process(context, event)

    def _fire_and_process(self, context: Context, event: Event, watermark_ms: int) -> Iterator[Any]:
        self._fire("event", watermark_ms)
        yield from self._process(context, event)

    def _process(self, context: Context, event: Event) -> Sequence[Any]:
        key = self.key(context, event)
        store = self._store
        if store is None:
            store = self._open()
        record = store.get(key)
        is_new = record is None
        if record is None:
            record = [self.new_state(), None, None, self.Version]
            store.add(key, record)
        else:
            store.note(key, record)
        if self._ttl_ms:
            self._touch(key, record, context, is_new)
        self._key, self._record = key, record
        try:
            made = self.process_keyed(record[0], context, event)
        finally:
            self._record = None
        if made is None:
            return _NOTHING
        return made if type(made) is list else [made]

    def _open(self) -> KeyedStore:
        self._store = self._store_class.make(self, self._upgrade)
        return self._store

    def _current(self) -> Record:
        if self._record is None:
            raise RuntimeError(f"{self._address}: no key is being processed")
        return self._record

    def _drop(self, key: Any, record: Record) -> None:
        self._deadlines.drop(record)
        if self._store is not None:
            self._store.remove(key)

    # Time

    def _touch(self, key: Any, record: Record, context: Context, is_new: bool) -> None:
        """Begin the time-to-live of a key anew, by the clock that the first event has decided."""
        deadlines, at_ms = self._deadlines, context.get(EVENT_TIME)
        if deadlines.ttl_clock is None:
            deadlines.ttl_clock = "wall" if at_ms is None else "event"
            # What is there already lives from now on.
            deadlines.ttl_since_ms = self._now_ms() if at_ms is None else at_ms
            self._rebuild()
            is_new = False
        if deadlines.ttl_clock == "wall":
            at_ms = self._now_ms()
        elif at_ms is None:
            raise no_time(self)
        deadlines.touch(key, record, at_ms, is_new)

    def _now_ms(self) -> int:
        return int(self.App.time() * 1000)

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        self._fire("event", max(watermark_ms, self._watermark_ms), politely=True)
        self._fire("wall", now_ms, politely=True)

    def release(self) -> None:
        # Each once: one that sets itself again would go on for ever.
        self._rebuild()
        before_ms = self._watermark_ms
        for key, timer in self._deadlines.take_all("event"):
            if timer.name == EXPIRY:
                self._deadlines.queues["event"].add(timer.at_ms, key, EXPIRY)
                continue
            self._watermark_ms = max(self._watermark_ms, timer.at_ms)
            self._look(key, timer, before_ms)
        self._queue = self._deadlines.queues["event"]

    def _fire(self, clock: Clock, until_ms: int, *, politely: bool = False) -> None:
        """Fire what is due; what comes out of it carries the watermark from before.

        Args:
            clock: of which.
            until_ms: the time of that clock.
            politely: leave the rest for later where it is too much now.
        """
        queue, before_ms = self._deadlines.queues[clock], self._watermark_ms
        left = _AT_A_TIME if politely else END_MS
        while queue.due_ms <= until_ms:
            if politely and (left <= 0 or not self.Pipeline.is_ready()):
                return
            at_ms, entries = queue.take()
            left -= len(entries)
            if clock == "event" and at_ms > self._watermark_ms:
                self._watermark_ms = at_ms
            for key, name in entries:
                self._look(key, Timer(name, at_ms, clock), before_ms)
        if clock == "event" and until_ms > before_ms:
            self._watermark_ms = until_ms

    def _look(self, key: Any, timer: Timer, before_ms: int) -> None:
        """Fire a timer of a key, unless it was taken back or has moved."""
        store = self._store
        record = None if store is None else store.get(key)
        if store is None or record is None or not self._deadlines.look(key, record, timer):
            return
        if timer.name == EXPIRY:
            self._drop(key, record)
            return
        store.note(key, record)
        self._deadlines.cancel(record, timer.name)
        for event in self._call(key, record, timer):
            self.hand_on(event, timer.at_ms, before_ms)

    def _call(self, key: Any, record: Record, timer: Timer) -> Sequence[Any]:
        self._key, self._record, self._fired = key, record, timer
        try:
            made = self.on_timer(record[0], key, timer)
        except Exception as error:  # noqa: BLE001 - the event that moved time on is not to blame
            fired = {"key": key, **timer._asdict()}
            self.Pipeline.set_error({EVENT_TIME: timer.at_ms}, fired, error)
            return _NOTHING
        finally:
            self._record = self._fired = None
        if made is None:
            return _NOTHING
        return made if type(made) is list else [made]

    def _rebuild(self) -> None:
        self._deadlines.rebuild(() if self._store is None else self._store.items())

    # Checkpoints

    def snapshot(self) -> Snapshot | None:
        if self._store is None and self._kept is None and self._watermark_ms == BEGIN_MS:
            return None
        store = self._open() if self._store is None else self._store
        changes, deadlines = store.changes(), self._deadlines
        value = {
            "kind": KIND,
            "watermark_ms": self._watermark_ms,
            "ttl_ms": self._ttl_ms,
            "ttl_clock": deadlines.ttl_clock if self._ttl_ms else None,
            "ttl_since_ms": deadlines.ttl_since_ms,
            "timers": deadlines.live,
            "store": self.Options.store,
            "note": changes.note,
        }
        if not changes.changed and not changes.removed and value == self._kept:
            return None
        self._kept = value
        return Snapshot(
            version=self.Version,
            value=value,
            changed=changes.changed,
            removed=changes.removed,
            is_complete=changes.is_complete,
        )

    def restore(self, state: PartState) -> None:
        check_version(self, state.version, self.Version)
        if state.version < self.Version and type(self).migrate is KeyedProcessor.migrate:
            self.migrate(state.version, None, None)
        value = state.value
        if value["note"] is not None and value["store"] != self.Options.store:
            raise other_store(self, value["store"], self.Options.store)
        self._watermark_ms = value["watermark_ms"]
        self._deadlines.ttl_clock = value["ttl_clock"]
        self._deadlines.ttl_since_ms = value["ttl_since_ms"]
        self._open().load(state.keyed, value["note"])
        if value["timers"] or self._ttl_ms:
            self._rebuild()

    def _upgrade(self, key: Any, record: Record) -> bool:
        if record[3] == self.Version:
            return False
        record[0] = self.migrate(record[3], key, record[0])
        record[3] = self.Version
        return True

    def stored(self, state: FrozenState) -> None:
        """Take note that what was handed over is durable; called by the engine."""
        if self._store is not None:
            self._store.stored(state)

    async def close_store(self) -> None:
        """Release the store; called by the engine when the state is needed no longer."""
        if self._store is not None:
            await self._store.close()

    def explain(self) -> dict[str, Any]:
        due_ms = shown_ms(self._queue.due_ms)
        found = {"Keys": self.keys(), "Timers": self._deadlines.live, "Due": due_ms}
        return {**super().explain(), **found}
