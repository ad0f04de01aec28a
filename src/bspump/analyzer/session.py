"""Analyzers over sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bspump.matrix import PersistentSessionMatrix, SessionMatrix

from .analyzer import Analyzer

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class SessionAnalyzer(Analyzer):
    """Take notes in named records, the `SessionMatrix` called `self.Sessions`.

    Whoever opens a row closes it: `self.Sessions.close_row(name)`.

    Args:
        matrix_id: a matrix that is registered; default is one of its own, `<Id>Matrix`.
        dtype: of its own matrix; a list of fields.
        persistent: its own matrix keeps itself in the folder `[matrix:<Id>Matrix] path`.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        matrix_id: str | SessionMatrix | None = None,
        dtype: Any = "float_",
        analyze_on_clock: bool = False,
        persistent: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, analyze_on_clock, id, config)
        matrix_class = PersistentSessionMatrix if persistent else SessionMatrix
        self.Sessions: SessionMatrix = self._own(
            matrix_id, lambda name: matrix_class(app, dtype=dtype, id=name)
        )
