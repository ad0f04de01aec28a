"""What a pipeline is made of: sources, processors, a sink, and its own log and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.connection import Connection
from bspump.abc.options import Configurable, Duration, Options, RetryOptions
from bspump.abc.processor import ProcessorBase
from bspump.abc.source import Source

from .accounts import Accounts
from .chain import is_sink
from .config_groups import Grouped
from .error_options import ErrorBudgetOptions, Policy
from .functions import as_processor
from .log import PipelineLogger
from .metric_kinds import Counter, DutyCycle, EPSCounter, Gauge
from .pubsub import PubSub
from .structure import Structure


class PipelineOptions(Options, frozen=True, kw_only=True):
    """What every pipeline can be told."""

    async_concurency_limit: Annotated[
        int, Meta(ge=2, description="Tasks of generators and futures at the most.")
    ] = 1000
    reset_profiler: Annotated[
        bool, Meta(description="Times of processors begin anew each minute.")
    ] = True
    profile_every: Annotated[
        int, Meta(ge=1, description="One event in so many is timed; 1: every event.")
    ] = 64
    slice: Annotated[
        Duration, Meta(description="So long events may go through before other tasks run.")
    ] = 0.005
    stop_timeout: Annotated[
        Duration, Meta(description="So long a stop may take; three quarters of it to drain.")
    ] = 30.0
    on_error: Annotated[
        Policy, Meta(description="After an error that `handle_error` did not handle.")
    ] = "stop"
    on_error_of: Annotated[
        dict[str, Policy],
        Meta(description="The same for single parts, by their Id: `on_error_of.Parser`."),
    ] = {}  # noqa: RUF012 - each component gets a copy
    error_retry: RetryOptions = RetryOptions(attempts=1)
    error_budget: ErrorBudgetOptions = ErrorBudgetOptions()
    dead_letters_to: Annotated[
        str,
        Meta(
            description="Address of a source, `Pipeline.*SourceId`, that takes dead letters in"
            " place of the store."
        ),
    ] = ""
    require: Annotated[
        Literal["nothing", "at-least-once", "exactly-once"],
        Meta(description="Do not start where less than this is promised."),
    ] = "nothing"


class Assembly(Configurable):
    """A pipeline as far as it can be looked at and changed; `Pipeline` makes it run."""

    OptionsClass: ClassVar[type[Options]] = PipelineOptions
    Options: PipelineOptions

    def __init__(
        self, app: Any, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.App, self.Loop, self.Clock = app, app.Loop, app.Clock
        grouped = Grouped(app.Config, type(self).OptionsClass)
        self._configure(grouped, f"pipeline:{self.Id}", config)
        self.Sources: list[Source] = []
        self.PubSub = PubSub(app)
        self.MetricsService = app.get_service("asab.MetricsService")
        self.ResetProfiler = self.Options.reset_profiler
        self.AsyncConcurencyLimit = self.Options.async_concurency_limit
        self._accounts = Accounts(self.MetricsService, self.Id, reset_profiler=self.ResetProfiler)
        self.L = PipelineLogger(f"bspump.pipeline.{self.Id}", self._accounts)
        self._structure = Structure()

    @property
    def Processors(self) -> list[list[ProcessorBase]]:
        """The processors by depth; the sink is the last one."""
        return self._structure.depths()

    @property
    def MetricsCounter(self) -> Counter:
        """Events in, out, dropped and failed; warnings and errors."""
        return self._accounts.counter

    @property
    def MetricsEPSCounter(self) -> EPSCounter:
        """The same per second."""
        return self._accounts.eps

    @property
    def MetricsGauge(self) -> Gauge:
        """Ratios of warnings and errors."""
        return self._accounts.gauge

    @property
    def MetricsDutyCycle(self) -> DutyCycle:
        """Share of the time in which the pipeline was ready."""
        return self._accounts.duty_cycle

    @property
    def ProfilerCounter(self) -> dict[str, Counter]:
        """Times and runs by the Id of the processor."""
        return self._accounts.profiler

    def build(self, source: Source | Iterable[Source], *processors: Any) -> None:
        """Say what the pipeline is made of: sources, processors in order, the sink last.

        Args:
            source: one source, or a list of them.
            processors: processors and functions `(context, event) -> event`, one by one or in
                lists; the last one is the sink.
        """
        self.set_source(source)
        for processor in _flat(processors):
            self.append_processor(processor)

    def set_source(self, source: Source | Iterable[Source]) -> None:
        """Add a source, or several."""
        self.Sources.extend([source] if isinstance(source, Source) else source)

    def append_processor(self, processor: Any) -> None:
        """Add a processor, a function or the sink at the end.

        Raises:
            ValueError: the last part is a sink already.
        """
        part = as_processor(self.App, self, processor)
        last = list(self._structure)[-1:]
        if last and is_sink(last[0]):
            raise ValueError(
                f"pipeline {self.Id!r}: nothing can follow the sink {last[0].Id!r}, "
                f"got {part.Id!r}; use `insert_before` to put it in front"
            )
        self._structure.append(part)
        self._changed(part)

    def insert_before(self, id: str, processor: Any) -> bool:
        """Put a processor before the one of that Id; False if there is none. Also while running."""
        return self._insert(id, processor, after=False)

    def insert_after(self, id: str, processor: Any) -> bool:
        """Put a processor behind the one of that Id; False if there is none. Also while running."""
        return self._insert(id, processor, after=True)

    def _insert(self, id: str, processor: Any, *, after: bool) -> bool:
        part = as_processor(self.App, self, processor)
        if not self._structure.insert(id, part, after=after):
            return False
        self._changed(part)
        return True

    def remove_processor(self, id: str) -> None:
        """Take out the processor of that Id, also while running. Raises KeyError."""
        part = self._structure.remove(id)
        self._accounts.forget(part)
        self._changed()

    def iter_processors(self) -> Iterator[ProcessorBase]:
        """Iterate over all processors, the sink last."""
        return iter(list(self._structure))

    def locate_source(self, id: str) -> Source | None:
        """Return the source of that Id, or `None`."""
        return next((source for source in self.Sources if source.Id == id), None)

    def locate_processor(self, id: str) -> ProcessorBase | None:
        """Return the first processor of that Id, or `None`."""
        return self._structure.find(id)

    def locate_connection(self, app: Any, connection: str | Connection) -> Connection:
        """Return the connection of that Id; an object passes through. Raises UnknownNameError."""
        found: Connection = app.PumpService.locate_connection(connection)
        return found

    def _changed(self, part: ProcessorBase | None = None) -> None:
        """Take note that `part` was added, or with `None` that one was removed."""
        if part is not None:
            self._accounts.profile(part)


def _flat(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, list | tuple):
            yield from _flat(part)
        else:
            yield part
