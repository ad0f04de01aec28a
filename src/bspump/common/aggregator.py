"""Many events put together into one, by number or by time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Duration, Options
from bspump.abc.processor import Generator
from bspump.abc.state import PartState, Snapshot

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class AggregationStrategy(ABC):
    """Collects events and makes one of them. Each aggregator has one of its own."""

    @abstractmethod
    def append(self, context: Context, event: Event) -> None:
        """Take an event."""

    @abstractmethod
    def flush(self) -> Event:
        """Return what was collected, and begin anew."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Tell whether nothing was collected since the last `flush`."""

    def snapshot(self) -> Any:
        """Override with `restore`: return what was collected, as plain data, for a checkpoint."""
        raise NotImplementedError(f"{type(self).__name__}.snapshot")

    def restore(self, collected: Any) -> None:
        """Go on with what `snapshot` has returned."""
        raise NotImplementedError(f"{type(self).__name__}.restore")


class ListAggregationStrategy(AggregationStrategy):
    """Make a list of (context, event) pairs."""

    def __init__(self) -> None:
        self._collected: list[Any] = []

    def append(self, context: Context, event: Event) -> None:
        self._collected.append((context, event))

    def flush(self) -> list[Any]:
        collected, self._collected = self._collected, []
        return collected

    def is_empty(self) -> bool:
        return not self._collected

    def snapshot(self) -> list[Any]:
        return self._collected

    def restore(self, collected: list[Any]) -> None:
        self._collected = list(collected)


class ListEventAggregationStrategy(ListAggregationStrategy):
    """Make a list of events."""

    def append(self, context: Context, event: Event) -> None:
        self._collected.append(event)


class StringAggregationStrategy(ListAggregationStrategy):
    """Make a text of all events, `str(event)`, with a delimiter between them."""

    def __init__(self, delimiter: str = "\n") -> None:
        super().__init__()
        self._delimiter = delimiter

    def append(self, context: Context, event: Event) -> None:
        self._collected.append(str(event))

    def flush(self) -> Any:
        return self._delimiter.join(super().flush())


class AggregatorOptions(Options, frozen=True, kw_only=True):
    """When what was collected goes on."""

    completion_size: Annotated[int, Meta(ge=1, description="Events at the most.")] = 10
    completion_timeout: Annotated[
        Duration, Meta(description="So long the first event waits at the most; 0: no limit.")
    ] = 0.0
    completion_interval: Annotated[
        Duration, Meta(description="What there is goes on at each multiple of it; 0: not so.")
    ] = 0.0


class Aggregator(Generator):
    """Put events together; what the strategy made of them goes on with an empty context.

    It goes on when `completion_size` events are there, when the time is up and when bounded input
    ends; while the pipeline is not ready it stays here. Where checkpoints outlive the process,
    what was collected is kept by them; `completion_timeout` then begins anew. Otherwise, or if the
    strategy has no `snapshot`, it goes on when the pipeline stops, and is lost in a crash.

    Args:
        aggregation_strategy: how to put events together; default is `ListAggregationStrategy()`.

    Raises:
        ConfigError: both `completion_timeout` and `completion_interval` are given.
    """

    OptionsClass = AggregatorOptions
    Options: AggregatorOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        aggregation_strategy: AggregationStrategy | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.AggregationStrategy = aggregation_strategy or ListAggregationStrategy()
        options = self.Options
        if options.completion_timeout and options.completion_interval:
            raise ConfigError(
                f"{self.locate_address()}: expected completion_timeout or completion_interval, "
                f"got {options.completion_timeout} and {options.completion_interval}"
            )
        self._size = options.completion_size
        self._is_timed = bool(options.completion_timeout or options.completion_interval)
        self._began_at = app.Clock.monotonic()
        self._due_at = 0.0
        self._count = self._depth = 0
        self._is_changed = False
        self._watch: asyncio.Task[Any] | None = None

    def generate(self, context: Context, event: Event, depth: int) -> tuple[()]:
        self.AggregationStrategy.append(context, event)
        self._depth = depth
        self._is_changed = True
        self._count += 1
        if self._count >= self._size:
            self.flush()
        elif self._count == 1:
            self._begin()
        return ()

    def flush(self) -> None:
        """Hand on what was collected, if there is any."""
        if self.AggregationStrategy.is_empty():
            return
        self._count = 0
        self._is_changed = True
        self.Pipeline.inject({}, self.AggregationStrategy.flush(), self._depth)

    def release(self) -> None:
        self.flush()

    def is_stateful(self) -> bool:
        return type(self.AggregationStrategy).snapshot is not AggregationStrategy.snapshot

    def snapshot(self) -> Snapshot | None:
        if not self._is_changed:
            return None
        self._is_changed = False
        return Snapshot(value=[self._count, self.AggregationStrategy.snapshot()])

    def restore(self, state: PartState) -> None:
        self._count, collected = state.value
        self.AggregationStrategy.restore(collected)
        self._depth = (self.PipelineDepth or 0) + 1
        if self._count:
            self._begin()

    def _begin(self) -> None:
        """Decide when what begins with this event has to go on."""
        if self._is_timed:
            self._due_at = self._next_due(self.App.Clock.monotonic())
            if self._watch is None or self._watch.done():
                self._watch = self.App.spawn(self._flush_in_time(), name=f"{self!r}")

    def _next_due(self, now: float) -> float:
        if self.Options.completion_timeout:
            return now + self.Options.completion_timeout
        interval = self.Options.completion_interval
        return self._began_at + interval * ((now - self._began_at) // interval + 1)

    async def _flush_in_time(self) -> None:
        """Wait and flush, until there is nothing left to wait for."""
        clock = self.App.Clock
        while not self.AggregationStrategy.is_empty():
            left_s = self._due_at - clock.monotonic()
            if left_s > 0:
                await clock.sleep(left_s)
            elif not self.Pipeline.is_ready():
                await self.Pipeline.ready()
            else:
                self.flush()
