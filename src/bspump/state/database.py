"""A SQLite database that is used in a thread of its own, so that the loop never waits for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from bspump.abc.errors import ConfigError, PumpError, TransientError

from .durable import make_directory
from .folding import Maintenance
from .lock import ProcessLock
from .schema import check, create

T = TypeVar("T")
Synchronous = Literal["extra", "full", "normal", "off"]
Role = Literal["owner", "guest", "reader"]

_CACHE_KIB = 16 * 1024
_WAL_BYTES = 16 * 1024 * 1024
_BUSY_S = 10.0
_PASSING = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM")
_PASSING_AT_WORK = (*_PASSING, "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")


class Database:
    """One file of SQLite, its write-ahead log, its lock, and the thread that works on it.

    Args:
        path: of the file; its directory is made.
        role: an `owner` has it alone, and makes it where there is none; a `guest` writes beside
            an owner, as the owner allows for; a `reader` only looks.
        synchronous: `full` keeps every commit through a power failure; see SQLite's pragma.
        maintenance: what an owner does after each `write`, step by step, other calls coming
            between.
    """

    def __init__(
        self,
        path: Path,
        *,
        role: Role,
        synchronous: Synchronous = "full",
        maintenance: Maintenance | None = None,
    ) -> None:
        self.path = path
        self._role, self._synchronous = role, synchronous
        self._maintenance = maintenance
        self._lock = ProcessLock(path.with_name(f"{path.name}.lock"), str(path))
        self._connection: sqlite3.Connection | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._failure: PumpError | None = None
        self._is_closing = False

    async def open(self) -> None:
        """Open the file and start the thread. Raises ConfigError where that is not possible."""
        if self._executor is not None:
            raise RuntimeError(f"{self.path} is open already")
        self._executor = executor = ThreadPoolExecutor(1, thread_name_prefix="bspump-state")
        self._is_closing, self._failure = False, None
        try:
            await asyncio.get_running_loop().run_in_executor(executor, self._open)
        except Exception:
            executor.shutdown(wait=False)
            self._executor = None
            raise

    async def close(self) -> None:
        """Close the file and end the thread, after all that was asked for before."""
        if self._executor is None:
            return
        executor, self._executor, self._is_closing = self._executor, None, True
        closing = asyncio.get_running_loop().run_in_executor(executor, self._close)
        executor.shutdown(wait=False)
        # Whoever cancels the wait does not cancel the work: the lock has to go.
        await asyncio.shield(closing)

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function(connection)` in the thread, in one read transaction."""
        return await self._run(lambda: self._transact(function, "BEGIN"))

    async def write(
        self, function: Callable[[sqlite3.Connection], T], *, is_relaxed: bool = False
    ) -> T:
        """Call `function(connection)` in the thread, in one write transaction.

        Args:
            function: what it raises rolls the transaction back.
            is_relaxed: durable only with the next one that is not.
        """
        if self._role == "reader":
            raise RuntimeError(f"{self.path} was opened for reading only")
        if self._failure is not None:
            raise self._failure
        result = await self._run(lambda: self._transact(function, "BEGIN IMMEDIATE", is_relaxed))
        self._maintain_soon()
        return result

    async def _run(self, function: Callable[[], T]) -> T:
        if self._executor is None:
            raise RuntimeError(f"{self.path} is not open")
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    # What follows runs in the thread.

    def _open(self) -> None:
        try:
            if self._role == "owner":
                make_directory(self.path.parent)
                self._lock.acquire()
                create(self.path)
            self._connection = self._connect()
            check(self._connection, self.path)
        except (OSError, sqlite3.Error) as error:
            self._close()
            raise unreadable(self.path, error) from error
        except BaseException:
            self._close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={'ro' if self._role == 'reader' else 'rw'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=_BUSY_S,
        )
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if self._role == "owner":
            connection.execute("PRAGMA journal_mode = WAL")
        if self._role != "reader":
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            # Not within a commit, for which somebody waits: `_maintain_now` does it.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA journal_size_limit = {4 * _WAL_BYTES}")
        return connection

    def _close(self) -> None:
        try:
            if self._connection is not None:
                self._connection.close()
        finally:
            self._connection = None
            self._lock.release()

    def _transact(
        self, function: Callable[[sqlite3.Connection], T], begin: str, is_relaxed: bool = False
    ) -> T:
        connection = self._opened()
        try:
            with self._relaxed(connection, is_relaxed), transaction(connection, begin):
                return function(connection)
        except (sqlite3.Error, OverflowError) as error:
            raise translated(self.path, error) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError(f"{self.path} is not open")
        return self._connection

    @contextmanager
    def _relaxed(self, connection: sqlite3.Connection, is_relaxed: bool) -> Iterator[None]:
        if not is_relaxed or self._synchronous in ("normal", "off"):
            yield
            return
        connection.execute("PRAGMA synchronous = normal")
        try:
            yield
        finally:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")

    def _maintain_soon(self) -> None:
        if self._maintenance and self._executor is not None and not self._is_closing:
            self._executor.submit(self._maintain_now)

    def _maintain_now(self) -> None:
        if self._is_closing or self._connection is None or self._maintenance is None:
            return
        try:
            has_more = self._transact(self._maintenance.step, "BEGIN IMMEDIATE", is_relaxed=True)
            self._shorten_wal(self._connection)
        except (PumpError, sqlite3.Error, OSError, ValueError) as error:
            self._maintenance.abandon()
            # Nobody waits for this; the next who writes is told, unless it may pass.
            failure = error if isinstance(error, PumpError) else translated(self.path, error)
            self._failure = None if isinstance(failure, TransientError) else failure
            return
        if has_more:
            self._maintain_soon()

    def _shorten_wal(self, connection: sqlite3.Connection) -> None:
        wal = self.path.with_name(f"{self.path.name}-wal")
        if wal.stat().st_size > _WAL_BYTES:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """Commit what the block does, or roll it back where it raises."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Some errors, a full disk among them, have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def translated(path: Path, error: Exception) -> PumpError:
    """Return what an error at work means: it may pass, or somebody has to act."""
    if str(getattr(error, "sqlite_errorname", "")).startswith(_PASSING_AT_WORK) or isinstance(
        error, OSError
    ):
        return TransientError(f"{path}: it cannot be written or read now: {error}")
    return unreadable(path, error)


def unreadable(path: Path, error: Exception) -> ConfigError:
    """Return the error that says that the file cannot be used, why, and what to do."""
    name = getattr(error, "sqlite_errorname", "")
    advice = "see that the directory exists, that there is room, and that this user may write it"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or not name:
        advice = (
            "restore the file and those beside it from a backup; or, to begin without all that"
            " is stored, move them away"
        )
    if isinstance(error, OSError):
        advice = "see that the directory exists, and that this user may read and write it"
    return ConfigError(
        f"{path}: the state store cannot be used [{ConfigError.Code}]\n"
        f"  got: {error}\n"
        f"  what to do: {advice}"
    )
