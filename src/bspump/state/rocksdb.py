"""Keyed state that is larger than memory, in files of RocksDB beside the store of checkpoints.

What belongs to an epoch is written to RocksDB when the epoch is durable, and never before: so it
need not be taken back. Until RocksDB has it on disk, it is in the checkpoint, too. That serves as
its log; RocksDB keeps none of its own. After a crash the files have all changes up to some epoch,
and maybe some of later ones, but none that are not in the checkpoint: these are written again, and
what is there is exactly what belongs to the checkpoint.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require
from bspump.abc.keyed_store import Changes, KeyedStore, Upgrade
from bspump.abc.state import FrozenState
from bspump.abc.timers import Record

from .plain import decode, encode, encode_key
from .rocksdb_files import RocksdbFiles

if TYPE_CHECKING:
    from bspump.abc.component import Component

DIRECTORY = "keyed"
"""Where the files are, in `var_dir`; each part has a directory there."""

FLUSH_BYTES = 8 * 1024 * 1024
"""When so much was written, RocksDB puts it on disk, and checkpoints need it no longer."""

_UNSTORED_KEYS, _UNSTORED_BYTES, _LEAST_KEYS = 50_000, 16 * 1024 * 1024, 500
_AGAIN_S = 1.0

_ABSENT: Any = object()


class _Generation(NamedTuple):
    """What changed until one snapshot: records by key, `None` where a key is gone."""

    number: int
    entries: dict[Any, Record | None]


class _Durable(NamedTuple):
    """Generations up to a number that have become durable, as bytes."""

    number: int
    keys: Sequence[bytes]
    values: Sequence[bytes]


class RocksdbKeyedStore(KeyedStore):
    """Keeps records in RocksDB; in memory is what has changed and is not written there yet.

    That is bounded: a checkpoint is asked for when much has changed, and while one that is taken
    does not become durable the pipeline is held back. Timers and times-to-live are in memory.

    Args:
        part: whose records these are.
        root: where the directory of the part is, or will be once something is durable.
        upgrade: of records of earlier versions, when they are read.
        flush_bytes: see `FLUSH_BYTES`.
    """

    def __init__(
        self, part: Component, root: Path, upgrade: Upgrade, *, flush_bytes: int = FLUSH_BYTES
    ) -> None:
        self._part, self._root, self._upgrade = part, root, upgrade
        self._flush_bytes, self._unflushed_bytes = flush_bytes, 0
        self._name, self._files = secrets.token_hex(8), RocksdbFiles()
        self._of = f"key of the state of {part.locate_address()!r}"
        self._count, self._limit, self._is_pressed = 0, _UNSTORED_KEYS, False
        # The last one that was handed over; written to RocksDB; on disk there; and the last one
        # that checkpoints do not need any more.
        self._number = self._written = self._flushed = self._trimmed = 0
        self._dirty: dict[Any, Record | None] = {}
        self._generations: list[_Generation] = []
        self._durable: list[_Durable] = []
        self._writing: asyncio.Task[Any] | None = None
        self._executor: ThreadPoolExecutor | None = None

    @classmethod
    def check(cls, part: Component, /) -> None:
        require("rocksdict", extra="rocksdb")
        if not var_dir_of(part):
            raise ConfigError(
                f"{part.locate_address()}: `store = rocksdb` needs a directory"
                f" [{ConfigError.Code}]\n"
                "  what to do: set `var_dir` in [general]; checkpoints are kept there as well"
            )

    @classmethod
    def make(cls, part: Component, upgrade: Upgrade, /) -> Self:
        return cls(part, Path(var_dir_of(part)) / DIRECTORY, upgrade)

    # One key

    def get(self, key: Any, /) -> Record | None:
        record: Any = self._dirty.get(key, _ABSENT)
        if record is not _ABSENT:
            return record
        for generation in reversed(self._generations):
            record = generation.entries.get(key, _ABSENT)
            if record is not _ABSENT:
                return record
        data = self._files.get(encode_key(key, of=self._of))
        if data is None:
            return None
        record = decode(data)
        self._upgrade(key, record)
        return record

    def add(self, key: Any, record: Record, /) -> None:
        self._count += 1
        self.note(key, record)

    def note(self, key: Any, record: Record, /) -> None:
        self._dirty[key] = record
        if len(self._dirty) >= self._limit and not self._is_pressed:
            self._is_pressed = True
            self._part.Pipeline.request_checkpoint()
            # What is taken already becomes durable without the pipeline; a new one would not.
            if self._number > self._last_durable():
                self._part.Pipeline.throttle(self)

    def remove(self, key: Any, /) -> None:
        self._count -= 1
        self._dirty[key] = None

    # All keys

    def items(self) -> Iterator[tuple[Any, Record]]:
        newer = {**_merged(self._generations), **self._dirty}
        for data, value in self._files.items():
            key = decode(data)
            if key not in newer:
                record = decode(value)
                self._upgrade(key, record)
                yield key, record
        for key, found in newer.items():
            if found is not None:
                yield key, found

    def __len__(self) -> int:
        return self._count

    # Checkpoints

    def changes(self) -> Changes:
        changed, self._dirty, self._is_pressed = self._dirty, {}, False
        is_complete = self._trimmed < self._flushed == self._written
        if not changed and not is_complete:
            return Changes({}, (), self._note())
        self._number += 1
        self._generations.append(_Generation(self._number, changed))
        if is_complete:
            self._trimmed = self._flushed
            changed = _merged(self._generations)
            self._write_soon()
        return Changes(changed, (), self._note(), is_complete)

    def _note(self) -> dict[str, Any]:
        return {
            "directory": self._name,
            "count": self._count,
            "number": self._number,
            "flushed": self._trimmed,
        }

    def load(self, keyed: dict[Any, Any], note: Any, /) -> None:
        if note is None:
            # It was kept in memory so far.
            self._count, self._dirty = len(keyed), dict(keyed)
            for key, record in keyed.items():
                self._upgrade(key, record)
            return
        self._name, self._count = note["directory"], note["count"]
        self._number, self._trimmed = note["number"], note["flushed"]
        files, path = self._files, self._root / self._name
        if self._trimmed and not path.is_dir():
            raise self._misfit(f"there is no directory {path}")
        if not self._number:
            return
        found = files.open(path)
        if not self._trimmed <= found <= self._number:
            files.close()
            raise self._misfit(
                f"{path} has the changes up to number {found}, the checkpoint needs"
                f" {self._trimmed} to {self._number}"
            )
        keys = [encode_key(key, of=self._of) for key in keyed]
        files.write(self._number, keys, [encode(r, of=self._of) for r in keyed.values()])
        files.flush()
        self._written = self._flushed = self._number

    def _misfit(self, what: str) -> ConfigError:
        address = self._part.locate_address()
        return ConfigError(
            f"{address}: its state in RocksDB does not belong to the checkpoint"
            f" [{ConfigError.Code}]\n"
            f"  got: {what}\n"
            f"  what to do: restore all of `var_dir` from the same backup; or, to begin without"
            f" this state, `forget = {address}` in [checkpoint]"
        )

    def _last_durable(self) -> int:
        return self._durable[-1].number if self._durable else self._written

    # What has become durable

    def stored(self, state: FrozenState, /) -> None:
        number = decode(state.value)["note"]["number"]
        if state.keys:
            each_bytes = state.size_bytes / len(state.keys)
            self._limit = max(_LEAST_KEYS, min(_UNSTORED_KEYS, int(_UNSTORED_BYTES / each_bytes)))
        if number > self._last_durable():
            self._durable.append(_Durable(number, state.keys, state.values))
            self._write_soon()
        self._part.Pipeline.throttle(self, False)

    def _write_soon(self) -> None:
        if self._durable and (self._writing is None or self._writing.done()):
            name = f"keyed state of {self._part.locate_address()}"
            self._writing = self._part.App.spawn(self._write(), name=name)

    async def _write(self) -> None:
        """Write what is durable, and pause behind a flush, so that a checkpoint can rely on it."""
        while self._durable and self._flushed == self._trimmed:
            number, keys, values = self._durable[0]
            await self._insist(self._write_now, number, keys, values)
            del self._durable[0]
            self._written = number
            self._generations = [g for g in self._generations if g.number > number]
            self._unflushed_bytes += sum(map(len, values)) + sum(map(len, keys))
            if self._unflushed_bytes >= self._flush_bytes:
                await self._insist(self._files.flush)
                self._flushed, self._unflushed_bytes = number, 0

    async def _insist(self, function: Any, *arguments: Any) -> None:
        """Do something in the thread, again and again if it fails; the pipeline stops then."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="bspump-rocksdb")
        loop, pipeline = asyncio.get_running_loop(), self._part.Pipeline
        while True:
            try:
                await loop.run_in_executor(self._executor, function, *arguments)
            except Exception as error:  # noqa: BLE001 - RocksDB raises nothing more special
                if not pipeline.has_error():
                    pipeline.set_error(None, None, error)
                await self._part.App.Clock.sleep(_AGAIN_S)
            else:
                return

    def _write_now(self, number: int, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        if not self._files.is_open:
            self._files.open(self._root / self._name)
        self._files.write(number, keys, values)

    async def close(self) -> None:
        if self._writing is not None and not self._writing.done():
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
        self._files.close()


def var_dir_of(part: Component) -> str:
    """Return the directory of the application's state, empty if it has none."""
    found = part.App.Config.entries("general").get("var_dir")
    return "" if found is None else str(found.value or "")


def _merged(generations: Sequence[_Generation]) -> dict[Any, Record | None]:
    found: dict[Any, Record | None] = {}
    for generation in generations:
        found.update(generation.entries)
    return found
