"""The base of processors that look at the events of a key in the order of their times."""

from __future__ import annotations

from abc import abstractmethod
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import RejectedError
from bspump.abc.event_time import BEGIN_MS, END_MS, EVENT_TIME, WATERMARK, no_time
from bspump.abc.keyed import KeyedOptions, KeyedProcessor, Timer

from .late import LateEvents

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_NEXT = "next"
_NOTHING: list[Any] = []


class OrderedOptions(KeyedOptions, frozen=True, kw_only=True):
    """What becomes of events that come late, and how many may wait."""

    late: Annotated[
        str,
        Meta(
            description="What becomes of events that come late: `drop`, `reject` (as an error of"
            " the event: skipped, a dead letter, …), or the address of a source,"
            " `Pipeline.*SourceId`. All are counted."
        ),
    ] = "drop"
    max_waiting: Annotated[
        int,
        Meta(ge=1, description="Events of a key that wait for their time; more are rejected."),
    ] = 100_000


class OrderedProcessor(KeyedProcessor):
    """Look at the events of each key in the order of their times, whatever order they come in.

    An event waits until the watermark has reached its time; of the same time, the one that came
    first is first. Events are kept meanwhile, so they have to be plain data. Subclasses say what
    they remember of a key and what they find; the state that they get is only theirs. A key of
    which nothing is left to remember is forgotten.

    At the end of bounded input everything is due. Where the pipeline is stopped and no checkpoint
    keeps its state, only what has come by then is looked at: nothing is absent before its time.
    """

    OptionsClass = OrderedOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._late = LateEvents(self, self.Options.late)
        self._late_is_open = False
        self._latest_ms = BEGIN_MS
        self._ended: list[tuple[int, Any]] | None = None

    # What to override

    @abstractmethod
    def new_work(self) -> Any:
        """Return what is remembered of a key at first, as plain data that can be changed."""

    @abstractmethod
    def take(self, work: Any, key: Any, at_ms: int, event: Event, /) -> Sequence[Any]:
        """Return what is found at an event. If it raises, nothing may have changed."""

    @abstractmethod
    def expire(self, work: Any, key: Any, at_ms: int, /) -> Sequence[Any]:
        """Return what is found because `due_ms` has come; events of that time come afterwards."""

    @abstractmethod
    def due_ms(self, work: Any, /) -> int:
        """Return when `expire` is to be called, `END_MS` for never; always after what was taken."""

    @abstractmethod
    def is_idle(self, work: Any, /) -> bool:
        """Tell whether there is nothing to remember any more."""

    @abstractmethod
    def report(self, found: Any, /) -> Event | None:
        """Return what comes out for what was found, `None` for nothing."""

    # What happens

    def new_state(self) -> list[Any]:
        return [[], self.new_work()]

    def generate(self, context: Context, event: Event, depth: int, /) -> Any:
        return _NOTHING if self.is_late(context, event) else super().generate(context, event, depth)

    def is_late(self, context: Context, event: Event) -> bool:
        """Tell whether an event has come too late; then it is dealt with.

        Raises:
            ProcessingError: it has no time.
        """
        if WATERMARK not in context:
            raise no_time(self)
        at_ms, watermark_ms = context[EVENT_TIME], context[WATERMARK]
        if at_ms >= watermark_ms and at_ms >= self._watermark_ms:
            return False
        self.advance(watermark_ms, 0)
        self._open_late()
        self._late.take(context, event, at_ms, self._watermark_ms)
        return True

    def _open_late(self) -> None:
        if not self._late_is_open:
            self._late_is_open = True
            self._late.open()

    def process_keyed(self, state: Any, context: Context, event: Event, /) -> None:
        waiting = state[0]
        if len(waiting) >= self.Options.max_waiting:
            raise RejectedError(
                f"{self._address}: {len(waiting)} events of one key wait for their time already\n"
                "  what to do: find out why the watermark stands still, or raise max_waiting"
            )
        at_ms = context[EVENT_TIME]
        self._latest_ms = max(self._latest_ms, at_ms)
        entry = [at_ms, event]
        if not waiting or waiting[-1][0] <= at_ms:
            waiting.append(entry)
        else:
            insort(waiting, entry, key=_time_of)
        if waiting[0] is entry and at_ms < self.due_ms(state[1]):
            self.set_timer(_NEXT, at_ms)

    def on_timer(self, state: Any, key: Any, timer: Timer, /) -> list[Any]:
        # At the end of the input timers set no others, so all that is left is done at once.
        until_ms = timer.at_ms if self._ended is None else END_MS - 1
        made = list(self._look_at(state, key, until_ms))
        waiting, work = state
        due_ms = self.due_ms(work)
        if not waiting and due_ms == END_MS and self.is_idle(work):
            self.forget()
        elif waiting or due_ms < END_MS:
            self.set_timer(_NEXT, min(due_ms, waiting[0][0]) if waiting else due_ms)
        if self._ended is None:
            return [event for _, event in made]
        self._ended += made
        return _NOTHING

    def _look_at(self, state: Any, key: Any, until_ms: int) -> Iterator[tuple[int, Any]]:
        """Look at all that has come up to a time; yield what comes out, with the time of each."""
        waiting, work = state
        count = 0
        try:
            while True:
                due_ms = self.due_ms(work)
                at_ms = waiting[count][0] if count < len(waiting) else END_MS
                if min(due_ms, at_ms) > until_ms:
                    return
                if due_ms <= at_ms:
                    found = self.expire(work, key, due_ms)
                    yield from self._reported(found, due_ms)
                    continue
                event = waiting[count][1]
                count += 1
                try:
                    found = self.take(work, key, at_ms, event)
                except Exception as error:  # noqa: BLE001 - it is the error of this event alone
                    self.Pipeline.set_error({EVENT_TIME: at_ms}, event, error)
                    continue
                yield from self._reported(found, at_ms)
        finally:
            del waiting[:count]

    def _reported(self, found: Sequence[Any], at_ms: int) -> Iterator[tuple[int, Any]]:
        for each in found:
            try:
                event = self.report(each)
            except Exception as error:  # noqa: BLE001 - it is the error of this one alone
                self.Pipeline.set_error({EVENT_TIME: at_ms}, each, error)
                continue
            if event is not None:
                yield at_ms, event

    def release(self) -> None:
        if not self.Pipeline.is_at_end():
            # It was stopped: what has come is looked at, but time has not gone on for that.
            self._fire("event", self._latest_ms)
            return
        before_ms = self._watermark_ms
        self._ended = []
        try:
            super().release()
        finally:
            ended, self._ended = self._ended, None
        for at_ms, event in sorted(ended, key=_time_of):
            self._watermark_ms = max(self._watermark_ms, at_ms)
            self.hand_on(event, at_ms, before_ms)

    def explain(self) -> dict[str, Any]:
        return {**super().explain(), "Late": self._late.count}


def _time_of(entry: Sequence[Any]) -> int:
    at_ms: int = entry[0]
    return at_ms
