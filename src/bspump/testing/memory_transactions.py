"""Transactional sinks in memory, with a far side that outlives a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bspump.abc.sink import Batch, EpochId, EpochSink, TransactionalSinkOptions, TwoPhaseSink

from .memory_ends import RemoteDouble

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


@dataclass
class MemoryTable:
    """The far side of a transactional sink in memory.

    Attributes:
        Events: those that were committed.
        Epoch: the last epoch that was committed with them.
        Prepared: events by the token under which they wait to be committed.
    """

    Events: list[Any] = field(default_factory=list)
    Epoch: EpochId | None = None
    Prepared: dict[str, list[Any]] = field(default_factory=dict)


class _Transactional(RemoteDouble):
    """What both have in common: a table, and what was written to it and is not seen yet."""

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        table: MemoryTable,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Table = table
        self._open: list[Any] = []

    async def write(self, batch: Batch) -> None:
        self._check_connected()
        self._open += batch.events


class MemoryEpochSink(_Transactional, EpochSink[TransactionalSinkOptions]):
    """Keep the events of a transaction in a table, together with its epoch.

    A transaction ends with the connection; what was written in it is gone then.

    Args:
        table: the far side; it outlives the sink.
    """

    async def commit(self, epoch: EpochId, positions: Mapping[str, Any]) -> None:
        self._check_connected()
        self.Table.Events += self._open
        self.Table.Epoch = epoch
        self._open = []

    async def committed(self) -> EpochId | None:
        self._check_connected()
        return self.Table.Epoch

    async def close(self) -> None:
        await super().close()
        self._open = []


class MemoryTwoPhaseSink(_Transactional, TwoPhaseSink[TransactionalSinkOptions]):
    """Keep the events of a transaction aside until they are committed, also over a crash.

    Args:
        table: the far side; it outlives the sink.
    """

    async def prepare(self, epoch: EpochId) -> str | None:
        self._check_connected()
        if not self._open:
            return None
        token = f"{epoch.lineage}-{epoch.number}"
        self.Table.Prepared[token], self._open = self._open, []
        return token

    async def commit(self, token: str) -> None:
        self._check_connected()
        self.Table.Events += self.Table.Prepared.pop(token, [])

    async def abort(self) -> None:
        self._check_connected()
        self.Table.Prepared.clear()
