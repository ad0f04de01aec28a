"""The last events, as they passed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.state import PartState, Snapshot
from bspump.filter import compile_query

from .analyzer import Analyzer, AnalyzerOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class LatchOptions(AnalyzerOptions, frozen=True, kw_only=True):
    """How many events are latched."""

    latch_max_size: Annotated[
        int, Meta(ge=0, description="Events at the most, the last ones; 0: all there are.")
    ] = 50


class LatchAnalyzer(Analyzer):
    """Keep the last events that match a query in the deque `self.Latch`.

    The events themselves are kept: what parts behind change in them is seen here. Where
    checkpoints are kept, they must be plain data; others are an error there.

    State: the latched events.

    Args:
        query: True is all, False none, a mapping a query in MongoDB's language (see
            `bspump.filter.compile_query`).
        inclusive: keep those that do *not* match. The name is BSPump's.

    Raises:
        ConfigError: the query is none; the message says where.
    """

    OptionsClass = LatchOptions
    Options: LatchOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        query: bool | Mapping[str, Any] = True,
        analyze_on_clock: bool = False,
        inclusive: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, analyze_on_clock, id, config)
        self.Query = query
        self.Inclusive = inclusive
        self.Latch: deque[Any] = deque(maxlen=self.Options.latch_max_size or None)
        self._is_match = self._compiled(query)
        self._kept: list[Any] = []

    def _compiled(self, query: Any) -> Callable[[Any], bool]:
        if isinstance(query, bool):
            return lambda event: query
        if isinstance(query, Mapping):
            return compile_query(query)
        raise ConfigError(
            f"{self.locate_address()}: query: expected True, False or a mapping, got {query!r}"
        )

    def process(self, context: Context, event: Event) -> Event:
        if self.predicate(context, event) and self._is_match(event) != self.Inclusive:
            self.Latch.append(event)
            self.evaluate(context, event)
        return event

    def snapshot(self) -> Snapshot | None:
        latched, kept = list(self.Latch), self._kept
        if len(latched) == len(kept) and all(a is b for a, b in zip(latched, kept, strict=True)):
            return None
        self._kept = latched
        return Snapshot(value=latched)

    def restore(self, state: PartState) -> None:
        self.Latch.clear()
        self.Latch.extend(state.value)
        self._kept = list(self.Latch)
