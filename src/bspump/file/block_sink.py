"""Events as files of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.durable import sync_directory
from bspump.abc.errors import ConfigError, PartialWriteError, RejectedError, TransientError
from bspump.abc.host import Context, Event
from bspump.abc.options import Options
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions
from bspump.clients.files.output import write_whole
from bspump.clients.files.problems import transient_problem

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_FLAGS = frozenset({"O_CREAT", "O_EXCL", "O_TRUNC"})


class FileBlockSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """What a sink that makes a file of each event can be told."""

    path: Annotated[str, Meta(description="The file, unless `get_file_name` says another.")] = ""
    mode: Annotated[
        Literal["wb", "w", "wt"], Meta(description="`wb` for events of bytes, `w` for text.")
    ] = "wb"
    flags: Annotated[
        str, Meta(description="`O_CREAT`, or `O_CREAT|O_EXCL`: reject what would replace a file.")
    ] = "O_CREAT"
    encoding: Annotated[str, Meta(description="Of text; empty means UTF-8.")] = ""


class FileBlockSink(BatchSink[FileBlockSinkOptions]):
    """Write each event to a file of its own, which is there as a whole or not at all.

    Override `get_file_name` to choose the names. A file that exists is replaced, or with
    `O_EXCL` in `flags` the event is rejected. Files are durable before they are acknowledged.
    """

    OptionsClass: ClassVar[type[Options]] = FileBlockSinkOptions
    Options: FileBlockSinkOptions
    Capabilities: ClassVar[Can] = Can.PARTIAL | Can.IDEMPOTENT

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        # A write that was cancelled may still be at work in its thread.
        self._lock = threading.Lock()

    def get_file_name(self, context: Context, event: Event) -> str:
        """Return the path of the file for `event`."""
        return str(self.Config["path"])

    async def connect(self) -> None:
        if unknown := self._flags() - _FLAGS:
            raise ConfigError(
                f"{self.locate_address()}: expected `flags` out of "
                f"{', '.join(sorted(_FLAGS))}, got {', '.join(sorted(unknown))}"
            )

    async def write(self, batch: Batch, /) -> None:
        errors: dict[int, TransientError | RejectedError] = {}
        contents: dict[int, tuple[Path, bytes]] = {}
        for i, (context, event) in enumerate(zip(batch.contexts, batch.events, strict=True)):
            path = self.get_file_name(context, event)
            try:
                contents[i] = (Path(path), self._bytes(path, event))
            except RejectedError as error:
                errors[i] = error
        errors |= await asyncio.to_thread(self._write_files, contents)
        if errors:
            raise PartialWriteError(errors)

    def _write_files(
        self, contents: dict[int, tuple[Path, bytes]]
    ) -> dict[int, TransientError | RejectedError]:
        errors: dict[int, TransientError | RejectedError] = {}
        in_directory: dict[Path, list[int]] = {}
        with self._lock:
            for i, (path, data) in contents.items():
                try:
                    self._write_file(path, data)
                except OSError as error:
                    errors[i] = transient_problem(error, f"write {str(path)!r}")
                except RejectedError as error:
                    errors[i] = error
                else:
                    in_directory.setdefault(path.parent, []).append(i)
            for directory, indexes in in_directory.items():
                try:
                    sync_directory(directory)
                except OSError as error:
                    problem = transient_problem(error, f"write into {str(directory)!r}")
                    errors |= dict.fromkeys(indexes, problem)
        return errors

    def _write_file(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        replaces = "O_EXCL" not in self._flags()
        if not write_whole(path, data, replaces=replaces, syncs_directory=False):
            raise RejectedError(f"{path}: there is a file already, and `flags` has O_EXCL")

    def _bytes(self, path: str, event: Event) -> bytes:
        if not path:
            raise RejectedError(f"{self.locate_address()}: expected the name of a file, got none")
        if isinstance(event, bytes | bytearray | memoryview) and "b" in self.Options.mode:
            return bytes(event)
        if isinstance(event, str) and "b" not in self.Options.mode:
            try:
                return event.encode(self.Options.encoding or "utf-8")
            except UnicodeEncodeError as error:
                raise RejectedError(f"{path}: {error}") from error
        expected = "bytes" if "b" in self.Options.mode else "a str"
        raise RejectedError(
            f"{self.locate_address()}: expected {expected}, got {type(event).__name__}"
        )

    def _flags(self) -> set[str]:
        return set(self.Options.flags.replace("|", " ").replace(",", " ").split())
