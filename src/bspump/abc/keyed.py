"""The contract of processors that remember something for each key."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from msgspec import Meta

from .errors import ConfigError
from .event_time import (
    BEGIN_MS,
    EVENT_TIME,
    WATERMARK,
    TimedProcessor,
    check_version,
    shown_ms,
)
from .keyed_store import KeyedStore, Record, make_keyed_store
from .options import Duration, Options
from .state import PartState, Snapshot
from .timers import TimerQueue

if TYPE_CHECKING:
    from .host import Application, Context, Event, Pipeline

Clock = Literal["event", "wall"]

_EXPIRY = ""
"""The name of the timer that ends a time-to-live; `last_ms` of the record is its truth."""

_NOTHING: list[Any] = []


class Timer(NamedTuple):
    """A time that was waited for.

    Args:
        name: as it was set.
        at_ms: when it was to fire, Unix milliseconds.
        clock: `event` or `wall`.
    """

    name: str
    at_ms: int
    clock: Clock


class KeyedOptions(Options, frozen=True, kw_only=True):
    """Where state is kept, and for how long."""

    store: Annotated[
        str,
        Meta(description="Where state is kept: `memory`, or `rocksdb` where that is too small."),
    ] = "memory"
    ttl: Annotated[
        Duration,
        Meta(
            description="Seconds after the last event of a key when it is forgotten; by the time of"
            " events if they have one, else by the wall clock. 0: never."
        ),
    ] = 0.0


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
    second. At the end of bounded input all timers of event time fire, and those of the wall clock
    do not: nobody would wait for them.

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
        self._store: KeyedStore | None = None
        self._event_timers, self._wall_timers = TimerQueue(), TimerQueue()
        self._live_timers = 0
        self._key: Any = None
        self._record: Record | None = None
        self._ttl_clock: Clock = "event"
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
        """Return the state of a key in its present form; `version` is less than `Version`."""
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
            at_ms: Unix milliseconds.
            clock: `event` or `wall`.

        Raises:
            RuntimeError: no key is being processed.
        """
        record = self._current()
        timers = record[2]
        if timers is None:
            timers = record[2] = {}
        before = timers.get(name)
        timers[name] = [at_ms, clock]
        self._live_timers += before is None
        if before is None or before[1] != clock or at_ms < before[0]:
            self._queue(clock).add(at_ms, self._key, name)

    def cancel_timer(self, name: str) -> None:
        """Take a timer of the key that is being processed back; an unknown one is ignored."""
        timers = self._current()[2]
        if timers and timers.pop(name, None) is not None:
            self._live_timers -= 1

    def timers(self) -> list[Timer]:
        """Return the timers of the key that is being processed."""
        return _timers(self._current())

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
        timers = [timer._asdict() for timer in _timers(record)]
        return {"Key": key, "State": record[0], "Timers": timers, "Last": record[1]}

    # What happens

    def generate(self, context: Context, event: Event, depth: int, /) -> Any:
        watermark_ms = context.get(WATERMARK)
        if watermark_ms is not None:
            if watermark_ms >= self._event_timers.due_ms:
                return self._fire_and_process(context, event, watermark_ms)
            if watermark_ms > self._watermark_ms:  # noqa: PLR1730 - half the time of `max`
                self._watermark_ms = watermark_ms
        return self._process(context, event)

    def _fire_and_process(self, context: Context, event: Event, watermark_ms: int) -> Iterator[Any]:
        self._fire(self._event_timers, "event", watermark_ms)
        yield from self._process(context, event)

    def _process(self, context: Context, event: Event) -> Sequence[Any]:
        key = self.key(context, event)
        store = self._store or self._open()
        record = store.get(key)
        if record is None:
            record = [self.new_state(), None, None]
        store.put(key, record)
        if self._ttl_ms:
            self._touch(key, record, context)
        self._key, self._record = key, record
        try:
            made = self.process_keyed(record[0], context, event)
        finally:
            self._record = None
        if made is None:
            return _NOTHING
        return made if type(made) is list else [made]

    def _open(self) -> KeyedStore:
        self._store = make_keyed_store(self.Options.store, self)
        return self._store

    def _current(self) -> Record:
        if self._record is None:
            raise RuntimeError(f"{self._address}: no key is being processed")
        return self._record

    def _touch(self, key: Any, record: Record, context: Context) -> None:
        """Begin the time-to-live of a key anew; an entry of the queue finds that it has moved."""
        at_ms = context.get(EVENT_TIME)
        if at_ms is None:
            self._ttl_clock = "wall"
            at_ms = round(self.App.time() * 1000)
        if record[1] is None:
            record[1] = at_ms
            self._queue(self._ttl_clock).add(at_ms + self._ttl_ms, key, _EXPIRY)
        elif at_ms > record[1]:
            record[1] = at_ms

    def _queue(self, clock: Clock) -> TimerQueue:
        if clock not in ("event", "wall"):
            raise ValueError(
                f"{self._address}: expected the clock 'event' or 'wall', got {clock!r}"
            )
        queue = self._event_timers if clock == "event" else self._wall_timers
        if queue.is_wasteful(self._live_timers + self.keys()):
            self._rebuild()
        return queue

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        if watermark_ms > self._watermark_ms or watermark_ms >= self._event_timers.due_ms:
            self._fire(self._event_timers, "event", watermark_ms)
        self._fire(self._wall_timers, "wall", now_ms)

    def release(self) -> None:
        # Each once: one that sets itself again would go on for ever.
        self._rebuild()
        queue, self._event_timers = self._event_timers, TimerQueue()
        before_ms = self._watermark_ms
        while len(queue):
            at_ms, key, name = queue.take()
            if name == _EXPIRY:
                self._event_timers.add(at_ms, key, name)
            elif (record := self._store.get(key) if self._store is not None else None) is not None:
                self._watermark_ms = max(self._watermark_ms, at_ms)
                self._look(key, record, Timer(name, at_ms, "event"), before_ms)

    def _fire(self, queue: TimerQueue, clock: Clock, until_ms: int) -> None:
        """Fire what is due; what comes out of it carries the watermark from before."""
        before_ms = self._watermark_ms
        while queue.due_ms <= until_ms:
            at_ms, key, name = queue.take()
            record = None if self._store is None else self._store.get(key)
            if record is not None:
                self._look(key, record, Timer(name, at_ms, clock), before_ms)
        if clock == "event" and until_ms > before_ms:
            self._watermark_ms = until_ms

    def _look(self, key: Any, record: Record, timer: Timer, before_ms: int) -> None:
        """Fire a timer of a key, unless it was taken back or has moved."""
        name, at_ms, clock = timer
        if name == _EXPIRY:
            expires_ms = (record[1] or 0) + self._ttl_ms
            if expires_ms > at_ms:
                self._queue(clock).add(expires_ms, key, name)
            else:
                self._drop(key, record)
            return
        timers = record[2] or {}
        found = timers.get(name)
        if found is None or found[1] != clock:
            return
        if found[0] > at_ms:
            self._queue(clock).add(found[0], key, name)
            return
        (self._store or self._open()).put(key, record)
        del timers[name]
        self._live_timers -= 1
        self._key, self._record = key, record
        try:
            made = self.on_timer(record[0], key, timer)
        except Exception as error:  # noqa: BLE001 - the event that moved time on is not to blame
            self.Pipeline.set_error({EVENT_TIME: at_ms}, {"key": key, **timer._asdict()}, error)
            return
        finally:
            self._record = None
        for event in made if type(made) is list else () if made is None else (made,):
            self.hand_on(event, at_ms, before_ms)

    def _drop(self, key: Any, record: Record) -> None:
        self._live_timers -= len(record[2] or ())
        record[2] = None
        if self._store is not None:
            self._store.remove(key)

    # Checkpoints

    def snapshot(self) -> Snapshot | None:
        if self._store is None and self._kept is None and self._watermark_ms == BEGIN_MS:
            return None
        changed, removed, note = (self._store or self._open()).changes()
        value = {"watermark_ms": self._watermark_ms, "ttl_clock": self._ttl_clock, "note": note}
        if not changed and not removed and value == self._kept:
            return None
        self._kept = value
        return Snapshot(version=self.Version, value=value, changed=changed, removed=removed)

    def restore(self, state: PartState) -> None:
        check_version(self, state.version, self.Version)
        self._watermark_ms, self._ttl_clock = state.value["watermark_ms"], state.value["ttl_clock"]
        store = self._open()
        store.load(state.keyed, state.value["note"])
        if state.version < self.Version:
            for key, record in list(store.items()):
                record[0] = self.migrate(state.version, key, record[0])
                store.put(key, record)
        self._rebuild()

    def _rebuild(self) -> None:
        """Put together the queues of timers, from what is known of each key."""
        entries: dict[str, list[tuple[int, Any, str]]] = {"event": [], "wall": []}
        self._live_timers = 0
        for key, (_, last_ms, timers) in self._store.items() if self._store is not None else ():
            for name, (at_ms, clock) in (timers or {}).items():
                entries[clock].append((at_ms, key, name))
                self._live_timers += 1
            if self._ttl_ms:
                entries[self._ttl_clock].append(((last_ms or 0) + self._ttl_ms, key, _EXPIRY))
        self._event_timers.rebuild(entries["event"])
        self._wall_timers.rebuild(entries["wall"])

    def explain(self) -> dict[str, Any]:
        due_ms = shown_ms(self._event_timers.due_ms)
        return {
            **super().explain(),
            "Keys": self.keys(),
            "Timers": self._live_timers,
            "Due": due_ms,
        }

    def sample(self, count: int = 10) -> list[dict[str, Any]]:
        """Return what is remembered of some keys."""
        keys = [] if self._store is None else [key for key, _ in islice(self._store.items(), count)]
        return [found for key in keys if (found := self.inspect(key)) is not None]


def _timers(record: Record) -> list[Timer]:
    return [Timer(name, at_ms, clock) for name, (at_ms, clock) in (record[2] or {}).items()]
