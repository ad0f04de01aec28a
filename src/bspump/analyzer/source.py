"""A source that brings in what was found in a matrix."""

from __future__ import annotations

from typing import Any

from bspump.matrix import MatrixSource


class AnalyzingSource(MatrixSource):
    """Emit what `await matrix.analyze()` returns, in each cycle; nothing where it is `None`."""

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        found = await self.Matrix.analyze()
        if found is not None:
            await self.process(found)
