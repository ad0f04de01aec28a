"""Sources that bring in matrices, or what was found in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.source import TriggerSource

from .matrix import Matrix

if TYPE_CHECKING:
    from bspump.abc.component import Stateful
    from bspump.abc.host import Application, Pipeline


class MatrixSource(TriggerSource):
    """Emit a matrix, the object itself, in each cycle.

    Args:
        matrix_id: the matrix or its Id; it is registered before its users.

    Raises:
        UnknownNameError: there is no matrix of that Id.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        matrix_id: str | Matrix,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        service: Any = app.PumpService
        self.Matrix: Any = service.locate_matrix(matrix_id)

    def shares(self) -> Collection[Stateful]:
        return (self.Matrix,)

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        await self.process(self.Matrix)
