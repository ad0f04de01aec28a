"""A sink that is written in batches: it sorts its failures, the engine does all the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_type

import bspump
from bspump.abc.errors import TransientError
from bspump.abc.sink import BatchSinkOptions


class TableOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """What the sink can be told, besides what every batch sink can."""

    table: str = "events"


class Table:
    """Stands for the client of a database."""

    async def insert(self, table: str, rows: Sequence[Any]) -> dict[int, str]:
        """Return what is wrong with which row."""
        return {}

    async def close(self) -> None:
        """Close it."""


class TableSink(bspump.BatchSink[TableOptions]):
    """Inserts events as rows."""

    OptionsClass = TableOptions
    Capabilities = bspump.Can.PARTIAL | bspump.Can.IDEMPOTENT

    _client: Table | None = None

    async def connect(self) -> None:
        self._client = Table()

    async def write(self, batch: bspump.Batch, /) -> None:
        if self._client is None:
            raise bspump.NotConnectedError("the table is not open")
        assert_type(self.Options.table, str)
        assert_type(self.Options.batch.max_events, int)
        wrong = await self._client.insert(self.Options.table, batch.events)
        errors: dict[int, TransientError | bspump.RejectedError] = {
            index: bspump.RejectedError(reason) for index, reason in wrong.items()
        }
        if errors:
            raise bspump.PartialWriteError(errors)
        assert_type(batch.take([0]), bspump.Batch)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
