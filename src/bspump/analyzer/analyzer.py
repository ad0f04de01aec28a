"""The analyzer that all others extend."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta

from bspump.abc.options import Duration, Options
from bspump.abc.processor import Processor
from bspump.matrix.timer import Timer

if TYPE_CHECKING:
    from bspump.abc.component import Stateful
    from bspump.abc.host import Application, Context, Event, Pipeline
    from bspump.matrix import Matrix

M = TypeVar("M", bound="Matrix")


class AnalyzerOptions(Options, frozen=True, kw_only=True):
    """What every analyzer can be told."""

    analyze_period: Annotated[
        Duration, Meta(description="Seconds from one analysis by the clock to the next.")
    ] = 60.0


class Analyzer(Processor):
    """Look at every event and pass it on unchanged; draw conclusions now and then.

    Override `predicate` to choose events, `evaluate` to take note of one, and `analyze` to look
    at all that was noted. An error in `predicate` or `evaluate` is that of the event; one in
    `analyze` is an error of the pipeline.

    While the pipeline has an error it is not analyzed.

    Args:
        analyze_on_clock: call `analyze` every `analyze_period` while the pipeline runs.
            Otherwise it is called by whoever needs it.
    """

    OptionsClass = AnalyzerOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        analyze_on_clock: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.AnalyzeOnClock = analyze_on_clock
        self.AnalyzePeriod: float = self.Options.analyze_period
        self.Timer = Timer(app, self._on_clock, name=f"{self.locate_address()}: analyze")
        self._matrix: Matrix | None = None
        self._profiler = self._make_profiler()
        pipeline.PubSub.subscribe("bspump.pipeline.start!", self._on_start)
        pipeline.PubSub.subscribe("bspump.pipeline.stop!", self._on_stop)

    def _make_profiler(self) -> Any:
        """Return the counter under `analyzer_<Id>`; the pipeline removes it with its others."""
        pipeline: Any = self.Pipeline
        counter = self.App.get_service("asab.MetricsService").create_counter(
            "bspump.pipeline.profiler",
            {"pipeline": pipeline.Id, "analyzer": self.Id},
            {"duration": 0.0, "run": 0},
            reset=pipeline.ResetProfiler,
            description="Seconds spent in the analysis of an analyzer, and how often",
        )
        pipeline.ProfilerCounter[f"analyzer_{self.Id}"] = counter
        return counter

    def _own(self, matrix_id: str | M | None, make: Callable[[str], M]) -> M:
        """Return the matrix of that Id; without one, a new one that is registered."""
        service: Any = self.App.PumpService
        if matrix_id is not None:
            matrix = service.locate_matrix(matrix_id)
        else:
            matrix = service.add_matrix(make(f"{self.Id}Matrix"))
        self._matrix = matrix
        return matrix

    def shares(self) -> Collection[Stateful]:
        return () if self._matrix is None else (self._matrix,)

    def predicate(self, context: Context, event: Event) -> bool:
        """Override: tell whether the event is to be evaluated."""
        return True

    def evaluate(self, context: Context, event: Event) -> None:
        """Override: take note of an event; do not change it."""

    def analyze(self) -> Any:
        """Override: look at all that was noted. It may be a coroutine function."""

    def process(self, context: Context, event: Event) -> Event:
        if self.predicate(context, event):
            self.evaluate(context, event)
        return event

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        shown = super().rest_get()
        return shown if self._matrix is None else {**shown, "Matrix": self._matrix.rest_get()}

    def _on_start(self, message: str, pipeline: Pipeline) -> None:
        if self._matrix is not None:
            self._matrix.start()
        if self.AnalyzeOnClock:
            self.Timer.start(self.AnalyzePeriod)

    def _on_stop(self, message: str, pipeline: Pipeline) -> None:
        self.Timer.stop()

    async def _on_clock(self) -> None:
        if self.Pipeline.has_error():
            return
        began_at = self.App.Clock.monotonic()
        try:
            result = self.analyze()
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - code of users; the owner of it is the pipeline
            self.Pipeline.set_error(None, None, error)
        self._profiler.add("duration", self.App.Clock.monotonic() - began_at)
        self._profiler.add("run", 1)
