"""Matrices that keep themselves in files."""

from __future__ import annotations

import asyncio
import logging
import pathlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Duration

from .journal import Journal
from .kept import Kept
from .matrix import VERSION, Matrix, MatrixOptions
from .named import NamedMatrix
from .timer import LEAST_PERIOD_S

if TYPE_CHECKING:
    from bspump.abc.host import Application

log = logging.getLogger(__name__)

Path = Annotated[str, Meta(description="The folder of this matrix alone; made where missing.")]
SavePeriod = Annotated[
    Duration, Meta(description="A crash loses what was changed in this time at the most.")
]


class PersistentOptions(MatrixOptions, frozen=True, kw_only=True):
    """What a matrix in files can be told."""

    path: Path = ""
    save_period: SavePeriod = 1.0


class Persistent(Matrix):
    """Keeps a matrix in a folder: see `PersistentMatrix`, and extend what this is mixed into."""

    def __init__(self, app: Application, *args: Any, **kwargs: Any) -> None:
        super().__init__(app, *args, **kwargs)
        if not self.Config["path"]:
            raise ConfigError(
                f"[matrix:{self.Id}] path: expected a folder, got nothing\n"
                "  what to do: name one there, or config={'path': …}"
            )
        self.Path = pathlib.Path(self.Config["path"])
        self._saved = Kept()
        self._saving: asyncio.Task[Any] | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._journal = Journal(self.Path, self.locate_address())
        try:
            self._load()
        except BaseException:
            self._journal.close()
            raise
        app.PubSub.subscribe("Application.init!", self._on_begin)

    def start(self) -> None:
        super().start()
        if self._saving is None or self._saving.done():
            name = f"{self.locate_address()}: save"
            self._saving = self.App.spawn(self._save_again_and_again(), name=name)

    def _on_begin(self, message: str) -> None:
        self.start()

    def save(self) -> None:
        """Write what has changed since the last time; it is durable when this returns.

        Raises:
            OSError: it is not; nothing is lost, and the next call tries again.
        """
        record = self._record()
        if record is not None:
            self._executor().submit(self._write, *record).result()

    def close(self) -> None:
        """Let other processes use the folder; nothing is saved any more. Twice is fine."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None
        self._journal.close()

    async def _save_again_and_again(self) -> None:
        """Save until the application has ended, and what there is then; close."""
        period_s = max(LEAST_PERIOD_S, self.Config.getseconds("save_period"))
        try:
            while True:
                await self.App.Clock.sleep(period_s)
                record = self._record()
                if record is not None:
                    await self._write_in_thread(record)
        finally:
            self._save_last()
            self.close()

    async def _write_in_thread(self, record: tuple[bytes, bool]) -> None:
        try:
            await self.Loop.run_in_executor(self._executor(), self._write, *record)
        except OSError as error:
            self._complain(error)

    def _save_last(self) -> None:
        try:
            self.save()
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        fields = {"matrix": self.Id, "path": str(self.Path), "error": str(error)}
        log.error("matrix is not saved", extra={"fields": fields})

    def _executor(self) -> ThreadPoolExecutor:
        """Return the thread that writes: records must not overtake each other."""
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix=self.locate_address())
        return self._writer

    def _record(self) -> tuple[bytes, bool] | None:
        """Return what is to be written, and whether that is all."""
        is_complete = self._journal.wants_all()
        if is_complete:
            self._saved = Kept()
        snapshot = self._changes(self._saved)
        if snapshot is None:
            return None
        content = [VERSION, snapshot.value, list(snapshot.changed.items()), [*snapshot.removed]]
        return msgspec.msgpack.encode(content), is_complete

    def _write(self, record: bytes, is_complete: bool) -> None:
        self._journal.write(record, is_complete=is_complete)

    def _load(self) -> None:
        facts: Mapping[str, Any] = {}
        version, pieces = VERSION, dict[Any, Any]()
        records = self._journal.read()
        for record in records:
            version, facts, changed, removed = msgspec.msgpack.decode(record)
            pieces.update((_frozen(key), _frozen(piece)) for key, piece in changed)
            for key in removed:
                del pieces[_frozen(key)]
        if records:
            self._put(version, facts, pieces)
            self._saved.follow(facts, pieces)


def _frozen(value: Any) -> Any:
    """Return lists, as they come from a file, as the tuples that they were."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


class PersistentMatrix(Persistent):
    """A matrix that keeps itself in the folder `path`.

    It is read when it is made. While the application runs, what has changed is written every
    `save_period`, and for the last time when everything else has ended; a crash loses what was
    changed since then, and leaves the file whole. `save` writes at once. One matrix of one
    process at a time can use the folder.

    Where checkpoints are kept this is not needed: they contain every matrix, and fit to the
    positions of the sources. If there is one, it counts and not the file.

    Raises:
        ConfigError: no `path`; it cannot be used, is used by another process, or what is there
            is another matrix or damaged.
    """

    OptionsClass = PersistentOptions

    def __init__(
        self,
        app: Application,
        dtype: Any = "float_",
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, dtype, id=id, config=config)


class PersistentNamedMatrix(Persistent, NamedMatrix):
    """A `NamedMatrix` that keeps itself in files; see `PersistentMatrix`."""

    OptionsClass = PersistentOptions
