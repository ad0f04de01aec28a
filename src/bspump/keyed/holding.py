"""Operators that hold events back for a while, and hand them on with their own times."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from bspump.abc.errors import RejectedError
from bspump.abc.event_time import END_MS, EVENT_TIME, WATERMARK

from .operator import KeyedOperator, KeyOf, OperatorOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline
    from bspump.abc.state import PartState

Held = list[Any]
"""An event that is held back: `[until_ms, context, event]`, plain data."""


class HoldingOptions(OperatorOptions, frozen=True, kw_only=True):
    """How many events are held back, and what becomes of more."""

    max_held: Annotated[
        int, Meta(ge=1, description="Events of all keys that are held back at the most.")
    ] = 100_000
    full: Annotated[
        Literal["reject", "drop"],
        Meta(
            description="What becomes of more: `reject` (as an error of the event: skipped, a dead"
            " letter, …) or `drop`."
        ),
    ] = "reject"


class WaitingOptions(HoldingOptions, frozen=True, kw_only=True):
    """The same, and how many of one key."""

    max_waiting: Annotated[
        int, Meta(ge=1, description="Events of one key that are held back at the most.")
    ] = 1000


class HeldTimes:
    """Knows the earliest of the times of what is held.

    >>> times = HeldTimes()
    >>> times.add(3), times.add(2), times.remove(2), times.earliest_ms, len(times)
    (None, None, None, 3, 1)
    """

    def __init__(self) -> None:
        self._times: list[int] = []
        self._gone: Counter[int] = Counter()
        self._count = 0
        self.earliest_ms = END_MS

    def __len__(self) -> int:
        return self._count

    def add(self, at_ms: int) -> None:
        """Add a time; there may be several that are equal."""
        heappush(self._times, at_ms)
        self._count += 1
        self.earliest_ms = self._times[0]

    def remove(self, at_ms: int) -> None:
        """Remove a time that was added."""
        times, gone = self._times, self._gone
        self._count -= 1
        gone[at_ms] += 1
        while times and gone.get(times[0]):
            first = heappop(times)
            gone[first] -= 1
            if not gone[first]:
                del gone[first]
        self.earliest_ms = times[0] if times else END_MS


class HoldingOperator(KeyedOperator):
    """Holds events back, bounded, and lets none of them come late behind it.

    What goes on carries no later a watermark than the earliest event that is held. At the end of
    the input nothing is held any more.

    State: what is held, with its context; so events have to be plain data.
    """

    OptionsClass = HoldingOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        key: KeyOf = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, key, id, config)
        self._held = HeldTimes()

    # What to override

    @abstractmethod
    def held_of(self, state: Any, /) -> Iterable[Held]:
        """Return what is held, given a state that is not empty."""

    @abstractmethod
    def take_all(self, state: Any, /) -> Iterable[Held]:
        """Remove from a state what is held, and return it."""

    @abstractmethod
    def end(self, held: Held, /) -> None:
        """Deal with one that is still held at the end of the input; no state has it any more."""

    def order(self, held: Held, /) -> int:
        """Return by what they are put in order at the end of the input."""
        until_ms: int = held[0]
        return until_ms

    # What happens

    def generate(self, context: Context, event: Event, depth: int, /) -> Any:
        # What is held may be let go on account of this event.
        if len(self._held):
            return self._lazily(context, event, depth)
        return super().generate(context, event, depth)

    def held_ms(self) -> int:
        return self._held.earliest_ms

    def hold(self, waiting: list[Held], held: Held, most: int) -> bool:
        """Hold an event back; tell whether there was room.

        Raises:
            RejectedError: there was none.
        """
        if len(waiting) >= most or len(self._held) >= self.Options.max_held:
            self._counter.add("full", 1)
            if self.Options.full == "drop":
                return False
            raise RejectedError(
                f"{self._address}: {len(waiting)} events of its key and {len(self._held)} of all"
                " are held back already\n"
                "  what to do: allow more of them, or set `full = drop`"
            )
        waiting.append(held)
        self._held.add(held[1].get(EVENT_TIME, END_MS))
        return True

    def take(self, waiting: list[Held], until_ms: int = END_MS) -> list[Held]:
        """Remove those from a list that are held until then, and return them in their order."""
        taken = [held for held in waiting if held[0] <= until_ms]
        if taken:
            waiting[:] = [held for held in waiting if held[0] > until_ms]
            for held in taken:
                self._held.remove(held[1].get(EVENT_TIME, END_MS))
        return taken

    def let_go(self, context: Context, event: Event) -> None:
        """Let an event go on that was held."""
        self.Pipeline.inject(self.behind(context), event, (self.PipelineDepth or 0) + 1)

    def behind(self, context: Context) -> Context:
        """Return the context with a watermark that makes nothing late that is held."""
        if context.get(WATERMARK, END_MS) > self._held.earliest_ms and WATERMARK in context:
            context[WATERMARK] = self._held.earliest_ms
        return context

    def release(self) -> None:
        ended: list[Held] = []
        self._for_each(lambda _key, state: ended.extend(self.take_all(state)))
        # Not in the order of the keys: that is another one after a restart.
        for held in sorted(ended, key=self.order):
            self.end(held)

    def without_room(self, context: Context, event: Event, /) -> None:
        self._counter.add("full", 1)
        if self.Options.full == "reject":
            raise RejectedError(
                f"{self._address}: {self._max_keys} keys are remembered already\n"
                "  what to do: raise max_keys, or set `full = drop`"
            )

    def restore(self, state: PartState) -> None:
        super().restore(state)
        for each in self._states():
            for _, context, _event in self.held_of(each):
                self._held.add(context.get(EVENT_TIME, END_MS))

    def explain(self) -> dict[str, Any]:
        return {**super().explain(), "Held": len(self._held)}
