"""What joins have in common: two sides, what is kept of them by key, and when it is due."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.abc.event_time import EVENT_TIME, WATERMARK, no_time, shown_ms
from bspump.abc.keyed import KeyedOptions, KeyedProcessor
from bspump.windows.late import LateEvents

from .due import DueKeys
from .sides import Keys, Which, key_functions, predicate_of

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline
    from bspump.abc.state import PartState

Combine = Callable[[Any, Any], Any]

State = list[Any]
"""What is kept of a key: the events of both sides in the order of time, and when it is due."""

LEFT, RIGHT, DUE = 0, 1, 2

_AT_A_TIME = 10_000
"""So many keys are looked at without a break, where no event waits for them."""

_NOTHING: list[Any] = []
_COUNTS = ("joined", "unmatched", "evicted")


class JoinOptions(KeyedOptions, frozen=True, kw_only=True):
    """What becomes of late events, and how many are kept."""

    late: Annotated[
        str,
        Meta(
            description="What becomes of events that come too late: `drop`, `reject` (as an error"
            " of the event: skipped, a dead letter, …), or the address of a source,"
            " `Pipeline.*SourceId`. All are counted."
        ),
    ] = "drop"
    max_events: Annotated[
        int, Meta(ge=1, description="Events of one key that are kept on each side at the most.")
    ] = 100_000
    overflow: Annotated[
        Literal["reject", "evict"],
        Meta(
            description="What becomes of one more: it is an error of that event, or the oldest one"
            " is given up: it finds no partners any more. Those are counted."
        ),
    ] = "reject"
    others: Annotated[
        Literal["reject", "pass"],
        Meta(
            description="What becomes of events of neither side: they are errors, or go on as they"
            " are, for another join."
        ),
    ] = "reject"


class Join(KeyedProcessor):
    """Joins the events of two sides by key; subclasses say which belong together, and when.

    Events of both sides come in one pipeline, behind an `EventTime` or a `SenderTime`. They are
    kept while a partner may come, so they are plain data (see `abc.state`).

    What comes out is in the order in which it became certain; its context has its time, and nothing
    of the contexts of its parts. A key that is `None`, or has `None` in it, is equal to no other.
    """

    OptionsClass = JoinOptions

    Kinds: ClassVar[tuple[str, ...]] = ("inner", "left")

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        app: Application,
        pipeline: Pipeline,
        *,
        left: Which,
        right: Which,
        key: Keys,
        kind: str,
        combine: Combine | None,
        id: str | None,
        config: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        if self._ttl_ms:
            raise self._wrong("ttl: it would forget what still waits for a partner; leave it out")
        if kind not in self.Kinds:
            raise self._wrong(f"kind: expected one of {', '.join(self.Kinds)}, got {kind!r}")
        try:
            self._is_left, self._is_right = predicate_of(left), predicate_of(right)
            self._left_key, self._right_key = key_functions(key)
        except ValueError as error:
            raise self._wrong(str(error)) from error
        self._emits = (kind in ("left", "outer"), kind in ("right", "outer"))
        self._combine = combine or self.combine
        self._late = LateEvents(self, self.Options.late)
        self._late_is_open = False
        self._due = DueKeys()
        self._max_events = self.Options.max_events
        self._ended: list[tuple[int, Any]] | None = None
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.join",
            {"pipeline": pipeline.Id, "processor": self.Id},
            dict.fromkeys(_COUNTS, 0),
            description="Pairs, events without partner, and events given up for others",
        )

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"{self._address}: {what} [{ConfigError.Code}]")

    # What to override

    def combine(self, left: Event | None, right: Event | None, /) -> Event | None:
        """Return what comes out for two events that belong together; `None` for nothing.

        Both may be changed. What it raises is the error of an event that consists of both.

        Args:
            left: `None` if there is none, where events without a partner come out.
            right: the same.
        """
        return {"left": left, "right": right}

    @abstractmethod
    def _take(
        self, state: State, is_left: bool, at_ms: int, context: Context, event: Event
    ) -> None:
        """Deal with an event, and keep what is needed of it."""

    @abstractmethod
    def _settle(self, state: State, until_ms: int) -> None:
        """Hand on what is due at `until_ms`, and forget what is needed no longer then."""

    @abstractmethod
    def _waits_until(self, state: State) -> int | None:
        """Return when an event of a key comes out next; later than `_settle` was told last."""

    @abstractmethod
    def _due_ms(self, state: State) -> int | None:
        """Return the same; if nothing waits, when to forget something, unless that is known."""

    def _is_late(self, state: State, is_left: bool, at_ms: int) -> bool:
        """Tell whether an event from before the watermark is too late."""
        return True

    # What happens

    def key(self, context: Context, event: Event, /) -> Hashable:
        find = self._left_key if self._is_left(context, event) else self._right_key
        return find(context, event)

    def new_state(self) -> State:
        return [[], [], None]

    def generate(self, context: Context, event: Event, depth: int, /) -> Sequence[Any]:
        try:
            at_ms, watermark_ms = context[EVENT_TIME], context[WATERMARK]
        except KeyError:
            raise no_time(self) from None
        if watermark_ms >= self._due.first_ms:
            self._move(watermark_ms)
        elif watermark_ms > self._watermark_ms:
            self._watermark_ms = watermark_ms
        if self._is_left(context, event):
            is_left, key = True, self._left_key(context, event)
        elif self._is_right(context, event):
            is_left, key = False, self._right_key(context, event)
        else:
            return self._other(event)
        self._deal_with(context, event, at_ms, is_left, key)
        return _NOTHING

    def _deal_with(
        self, context: Context, event: Event, at_ms: int, is_left: bool, key: Any
    ) -> None:
        store = self._store
        if store is None:
            store = self._open()
        record = store.get(key)
        if record is None:
            record = [self.new_state(), None, None, self.Version]
            store.add(key, record)
        else:
            store.note(key, record)
        state = record[0]
        try:
            if at_ms < self._watermark_ms and self._is_late(state, is_left, at_ms):
                self._take_late(context, event, at_ms)
            elif key is None or (type(key) is tuple and None in key):
                self._pass_alone(is_left, at_ms, event)
            else:
                self._take(state, is_left, at_ms, context, event)
        finally:
            self._schedule(key, state)

    def _other(self, event: Event) -> Sequence[Any]:
        if self.Options.others == "pass":
            return [event]
        raise ProcessingError(
            f"{self._address}: the event belongs to neither side\n"
            "  what to do: see `left` and `right`, filter it out before, or set `others = pass`"
        )

    def _schedule(self, key: Any, state: State) -> None:
        """Note when a key is due, if that is earlier than known; forget it if nothing is left."""
        due_ms = self._due_ms(state)
        if due_ms is None:
            if not state[LEFT] and not state[RIGHT]:
                self._store.remove(key)  # type: ignore[union-attr]
        elif state[DUE] is None or due_ms < state[DUE]:
            state[DUE] = due_ms
            self._due.add(due_ms, key)

    def _move(self, watermark_ms: int, *, politely: bool = False) -> None:
        """Let time go on, and let come out what is due.

        Args:
            watermark_ms: how far.
            politely: leave the rest for later where it is too much now.
        """
        due, count = self._due, 0
        while due.first_ms <= watermark_ms:
            if politely and (count >= _AT_A_TIME or not self.Pipeline.is_ready()):
                return
            due_ms, keys = due.take()
            # What is due now may have the time just before.
            self._watermark_ms = max(self._watermark_ms, due_ms - 1)
            count += len(keys)
            for key in keys:
                self._visit(key, due_ms)
        self._watermark_ms = max(self._watermark_ms, watermark_ms)

    def _visit(self, key: Any, due_ms: int) -> None:
        """Let come out what of a key is due, if it was not looked at earlier."""
        store: Any = self._store
        record = store.get(key)
        if record is not None and record[0][DUE] == due_ms:
            store.note(key, record)
            state = record[0]
            state[DUE] = None
            self._settle(state, due_ms)
            self._schedule(key, state)

    def advance(self, watermark_ms: int, now_ms: int) -> None:
        if watermark_ms > self._watermark_ms:
            self._move(watermark_ms, politely=True)

    def restore(self, state: PartState) -> None:
        super().restore(state)
        store: Any = self._store
        # Where the program has changed, something may be due earlier than it was.
        due = {key: self._due_ms(record[0]) for key, record in store.items()}
        for key, due_ms in due.items():
            record = store.get(key)
            kept = record[0]
            if due_ms is not None and (kept[DUE] is None or due_ms < kept[DUE]):
                store.note(key, record)
                kept[DUE] = due_ms
            if kept[DUE] is not None:
                self._due.add(kept[DUE], key)

    def release(self) -> None:
        # What only waits to be forgotten stays: there may be more in another run.
        store = self._store
        if store is None:
            return
        waiting = [key for key, record in store.items() if self._waits_until(record[0]) is not None]
        self._ended = []
        for key in sorted(waiting, key=repr):
            record: Any = store.get(key)
            store.note(key, record)
            state = record[0]
            while (due_ms := self._waits_until(state)) is not None:
                self._settle(state, due_ms)
            state[DUE] = None
            self._schedule(key, state)
        ended, self._ended = self._ended, None
        for at_ms, event in sorted(ended, key=_time_of):
            self.hand_on(event, at_ms, self._watermark_ms)
            self._watermark_ms = max(self._watermark_ms, at_ms)

    def _take_late(self, context: Context, event: Event, at_ms: int) -> None:
        if not self._late_is_open:
            self._late_is_open = True
            self._late.open()
        self._late.take(context, event, at_ms, self._watermark_ms)

    def _make_room(self, events: list[Any]) -> Any:
        """Take out and return the oldest event, where there is no room for another one.

        Raises:
            RejectedError: that is not wanted.
        """
        if self.Options.overflow == "reject":
            raise RejectedError(
                f"{self._address}: {len(events)} events of its key are kept already\n"
                "  what to do: find out why the watermark stands still, raise max_events, or set"
                " `overflow = evict`"
            )
        self._counter.add("evicted", 1)
        return events.pop(0)

    # What comes out

    def _pass_alone(self, is_left: bool, at_ms: int, event: Event) -> None:
        """Let an event that has no partner come out, if those of its side do."""
        if self._emits[LEFT if is_left else RIGHT]:
            self._counter.values["unmatched"] += 1
            left, right = (event, None) if is_left else (None, event)
            self._say(left, right, at_ms)

    def _pass_pair(self, left: Event, right: Event, at_ms: int) -> None:
        self._counter.values["joined"] += 1
        self._say(left, right, at_ms)

    def _say(self, left: Any, right: Any, at_ms: int) -> None:
        try:
            event = self._combine(left, right)
        except Exception as error:  # noqa: BLE001 - it is the error of this pair alone
            self.Pipeline.set_error({EVENT_TIME: at_ms}, {"left": left, "right": right}, error)
            return
        if event is None:
            return
        if self._ended is not None:
            self._ended.append((at_ms, event))
        else:
            # Also where it is late by that: time may have been told behind this part already.
            self.hand_on(event, at_ms, self._watermark_ms)

    def explain(self) -> dict[str, Any]:
        counts = {name.capitalize(): self._counter.values[name] for name in _COUNTS}
        due = {"Due": shown_ms(self._due.first_ms), "Late": self._late.count}
        return {**super().explain(), **due, **counts}


def _time_of(ended: tuple[int, Any]) -> int:
    return ended[0]
