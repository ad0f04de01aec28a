"""The store in one SQLite file: the default, for which no server is needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bspump.abc.dead_letters import DeadLetterOptions
from bspump.abc.errors import ConfigError
from bspump.abc.state import (
    Attempt,
    Checkpoint,
    Epoch,
    FrozenState,
    PartState,
    Snapshot,
    Staged,
    StateStore,
)

from . import keyed_log, staging, tables
from .database import Database, Synchronous
from .epochs import EncodedEpoch, encoded
from .folding import Maintenance
from .freezing import freeze, thaw
from .plain import encode
from .schema import lineage
from .sqlite_letters import SqliteDeadLetters, check_room, insert_letters, mark_replayed

T = TypeVar("T")


class SqliteStateStore(StateStore):
    """Keeps state in a file of SQLite with a write-ahead log, used in a thread of its own.

    To freeze 50,000 changed keys holds up the loop for about 20 ms, to commit them for a quarter
    of that; a commit waits for the disk once. Beside the file, `<file>.lock` tells that a process
    uses it; all of them are readable by their owner only.

    Args:
        path: of the file; it and its directory are made.
        synchronous: `full` keeps every commit through a failure of power; with `normal` the
            last ones may be lost, but never a part of one.
        letters: limits of the dead letters.
        is_read_only: only look, also while another process uses the store; then every change
            is a RuntimeError.
        maintenance: when changes are folded.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: Synchronous = "full",
        letters: DeadLetterOptions = DeadLetterOptions(),  # noqa: B008 - it is frozen
        is_read_only: bool = False,
        maintenance: Maintenance | None = None,
    ) -> None:
        self._maintenance = maintenance or Maintenance()
        self._db = Database(
            Path(path),
            role="reader" if is_read_only else "owner",
            synchronous=synchronous,
            maintenance=self._maintenance,
        )
        self._limits = letters
        self._letters = SqliteDeadLetters(self._db, letters)
        self._lineage = ""

    @property
    def dead_letters(self) -> SqliteDeadLetters:
        return self._letters

    @property
    def lineage(self) -> str:
        if not self._lineage:
            raise RuntimeError(f"{self._db.path} is not open")
        return self._lineage

    async def open(self) -> None:
        await self._db.open()
        self._lineage = await self._db.read(lineage)

    async def close(self) -> None:
        await self._db.close()

    def freeze(self, address: str, snapshot: Snapshot, /) -> FrozenState:
        return freeze(address, snapshot)

    async def commit(self, epoch: Epoch, /) -> None:
        whole = encoded(epoch)

        def write(connection: sqlite3.Connection) -> None:
            tables.check_epoch(connection, whole)
            check_room(connection, whole.letters, self._limits)
            state_ids = self._write(connection, whole)
            for address, state in whole.states.items():
                keyed_log.append(connection, state_ids[address], state.keys, state.values)

        await self._db.write(write)

    async def stage(self, epoch: Epoch, /) -> None:
        whole = encoded(epoch)

        def write(connection: sqlite3.Connection) -> None:
            tables.check_epoch(connection, whole)
            check_room(connection, whole.letters, self._limits)
            staging.put(connection, whole)

        await self._db.write(write)

    async def staged(self, group: str, /) -> Staged | None:
        return await self._decoded(lambda connection: staging.staged(connection, group))

    async def promote(self, group: str, number: int, /) -> None:
        def write(connection: sqlite3.Connection) -> None:
            epoch = staging.take(connection, group, number)
            for address, state_id in self._write(connection, epoch).items():
                staging.move_changes(connection, group, address, state_id)
            staging.forget(connection, group)

        await self._db.write(write)

    async def rollback(self, group: str, /) -> None:
        await self._db.write(lambda connection: staging.forget(connection, group))

    def _write(self, connection: sqlite3.Connection, epoch: EncodedEpoch) -> dict[str, int]:
        """Write all of an epoch but keyed state; return where that belongs, by address."""
        state_ids = tables.write_epoch(connection, epoch)
        mark_replayed(connection, epoch.replayed, epoch.at_s)
        insert_letters(connection, epoch.letters, self._limits)
        if any(state.is_complete for state in epoch.states.values()):
            self._maintenance.orphans_arose()
        return state_ids

    async def mark(
        self,
        group: str,
        epoch: int,
        /,
        *,
        committed: Collection[str] = (),
        acknowledged: Collection[str] = (),
    ) -> None:
        await self._db.write(
            lambda connection: tables.mark(connection, group, epoch, committed, acknowledged),
            is_relaxed=True,
        )

    async def groups(self) -> Sequence[str]:
        return await self._db.read(tables.groups)

    async def load(self, group: str, /) -> Checkpoint | None:
        return await self._decoded(lambda connection: tables.load(connection, group))

    async def load_state(self, group: str, address: str, /) -> PartState | None:
        def load(connection: sqlite3.Connection) -> PartState | None:
            found = tables.load_state(connection, group, address)
            return None if found is None else thaw(*found)

        return await self._decoded(load)

    async def move(
        self, group: str, address: str, /, *, to_group: str | None = None, to_address: str
    ) -> None:
        target = group if to_group is None else to_group
        await self._db.write(
            lambda connection: tables.move(connection, group, address, target, to_address)
        )

    async def drop(self, group: str, address: str, /) -> None:
        def write(connection: sqlite3.Connection) -> None:
            tables.drop(connection, group, address)
            self._maintenance.orphans_arose()

        await self._db.write(write)

    async def drop_group(self, group: str, /) -> None:
        def write(connection: sqlite3.Connection) -> None:
            tables.drop_group(connection, group)
            self._maintenance.orphans_arose()

        await self._db.write(write)

    async def count_attempt(
        self, group: str, source: str, position: Any, /, partition: Any = None
    ) -> int:
        of = f"group {group!r}, position of {source!r}"
        where = group, source, encode(partition, of=of), encode(position, of=of)
        return await self._db.write(lambda connection: tables.count_attempt(connection, where))

    async def attempts(self, group: str, /) -> Sequence[Attempt]:
        return await self._decoded(lambda connection: tables.attempts(connection, group))

    async def _decoded(self, load: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._db.read(load)
        except (ValueError, RecursionError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"{self._db.path}: something in the state store is damaged"
                f" [{ConfigError.Code}]\n"
                f"  got: {error}\n"
                f"  what to do: restore the file and those beside it from a backup; or, to begin"
                f" without all that is stored, move them away"
            ) from error
