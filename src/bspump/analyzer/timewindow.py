"""Analyzers over a window of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bspump.matrix import PersistentTimeWindowMatrix, TimeWindowMatrix

from .analyzer import Analyzer

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class TimeWindowAnalyzer(Analyzer):
    """Take notes in a window of time, the `TimeWindowMatrix` called `self.TimeWindow`.

    `evaluate` finds the row by name and the column by the time of the event, and changes that
    cell of `self.TimeWindow.Array`; `analyze` reads the array. See `TimeWindowMatrix` for when
    the window moves.

    Args:
        matrix_id: a matrix that is registered; default is one of its own, `<Id>Matrix`.
        dtype, columns, resolution, start_time, clock_driven: of its own matrix.
        persistent: its own matrix keeps itself in the folder `[matrix:<Id>Matrix] path`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - BSPump's signature
        self,
        app: Application,
        pipeline: Pipeline,
        matrix_id: str | TimeWindowMatrix | None = None,
        dtype: Any = "float_",
        columns: int | str = 15,
        analyze_on_clock: bool = False,
        resolution: float | str = 60,
        start_time: float | None = None,
        clock_driven: bool = False,
        persistent: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, analyze_on_clock, id, config)
        matrix_class = PersistentTimeWindowMatrix if persistent else self._matrix_class()
        self.TimeWindow: TimeWindowMatrix = self._own(
            matrix_id,
            lambda name: matrix_class(
                app,
                dtype=dtype,
                start_time=start_time,
                resolution=resolution,
                columns=columns,
                clock_driven=clock_driven,
                id=name,
            ),
        )

    def _matrix_class(self) -> type[TimeWindowMatrix]:
        return TimeWindowMatrix
