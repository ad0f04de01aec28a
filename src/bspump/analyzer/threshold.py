"""Values that leave their bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Duration
from bspump.matrix import TimeWindowMatrix
from bspump.matrix.arrays import numpy

from .analyzer import AnalyzerOptions
from .timewindow import TimeWindowAnalyzer

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class ThresholdOptions(AnalyzerOptions, frozen=True, kw_only=True):
    """Which values are watched, and what their bounds are."""

    event_attribute: Annotated[
        str, Meta(description="The field whose value names the row, such as a host.")
    ] = ""
    event_value: Annotated[str, Meta(description="The field with the number to be watched.")] = ""
    lower_bound: Annotated[
        float, Meta(description="What is below it is out of bounds.")
    ] = -math.inf
    upper_bound: Annotated[float, Meta(description="What is above it is out of bounds.")] = math.inf
    anomaly_occurrence: Annotated[
        int, Meta(ge=1, description="So many cells of a row out of bounds are an alarm.")
    ] = 1
    analyze_period: Annotated[
        Duration, Meta(description="Seconds from one analysis to the next.")
    ] = 300.0


class _Values(TimeWindowMatrix):
    """A window in which it is known where there is no value: such a cell is NaN."""

    def _blank(self, shape: tuple[int, ...]) -> Any:
        return numpy().full(shape, math.nan)


class ThresholdAnalyzer(TimeWindowAnalyzer):
    """Watch a number in events, by another field of theirs; call `alarm` for what is out of bounds.

    The window has 15 columns of a minute and follows the clock; `@timestamp` of an event, Unix
    seconds, says which column it belongs to. A cell keeps the last value; one that is out of
    bounds is not replaced by one that is not. A cell without a value is NaN and in no case out
    of bounds. A row without any value is closed when the window is analyzed.

    Raises:
        ConfigError: `event_attribute` or `event_value` is missing.
    """

    OptionsClass = ThresholdOptions
    Options: ThresholdOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            app, pipeline, analyze_on_clock=True, clock_driven=True, id=id, config=config
        )
        options = self.Options
        if not options.event_attribute or not options.event_value:
            raise ConfigError(
                f"{self.locate_address()}: expected event_attribute and event_value, "
                f"got {options.event_attribute!r} and {options.event_value!r}"
            )
        self.EventAttribute, self.EventValue = options.event_attribute, options.event_value
        self.Lower, self.Upper = options.lower_bound, options.upper_bound
        self.AnomalyOccurrence = options.anomaly_occurrence

    def _matrix_class(self) -> type[TimeWindowMatrix]:
        return _Values

    def predicate(self, context: Context, event: Event) -> bool:
        needed = (self.EventAttribute, self.EventValue, "@timestamp")
        return isinstance(event, Mapping) and all(event.get(key) is not None for key in needed)

    def evaluate(self, context: Context, event: Event) -> None:
        value = float(event[self.EventValue])
        column = self.TimeWindow.get_column(float(event["@timestamp"]))
        if column is None:
            return
        row = self.TimeWindow.add_row(event[self.EventAttribute])
        if not self._is_out(self.TimeWindow.Array[row, column]) or self._is_out(value):
            self.TimeWindow.Array[row, column] = value

    def _is_out(self, value: float) -> bool:
        return bool(value < self.Lower or value > self.Upper)

    def analyze(self) -> None:
        """Call `alarm` for each row with too many cells out of bounds; close empty rows."""
        np, window = numpy(), self.TimeWindow
        x, y = np.nonzero((window.Array < self.Lower) | (window.Array > self.Upper))
        rows, counts = np.unique(x, return_counts=True)
        for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
            if count >= self.AnomalyOccurrence:
                self.alarm(x, y, count, row)
        is_empty = np.isnan(window.Array).all(axis=1)
        names = map(window.get_row_name, np.flatnonzero(is_empty).tolist())
        window.close_rows([name for name in names if name is not None])

    def alarm(self, x: Any, y: Any, count: int, i: int) -> None:
        """Override: react to a row that is too often out of bounds. By default, log a warning.

        It is called at each analysis for as long as that is so.

        Args:
            x: the rows of all cells that are out of bounds.
            y: their columns, in the same order.
            count: how many cells of this row are out of bounds.
            i: the row; `self.TimeWindow.get_row_name(i)` is its name.
        """
        self.Pipeline.L.warning(
            "values out of bounds",
            analyzer=self.Id,
            name=str(self.TimeWindow.get_row_name(i)),
            count=count,
        )
