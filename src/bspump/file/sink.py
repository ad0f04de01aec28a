"""Lines into files that are complete or not there."""

from __future__ import annotations

import asyncio
import errno
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.codec import Codec
from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.options import Duration, Options, Size
from bspump.abc.sink import Batch, EpochId, TransactionalSinkOptions, TwoPhaseSink
from bspump.abc.state import PartState, Snapshot
from bspump.clients.files.globs import literal_directory
from bspump.clients.files.output import Prepared
from bspump.clients.files.problems import sort_problem, transient_problem
from bspump.formats.compression import by_extension, compressor
from bspump.formats.registry import codec as codec_by_name

from .names import NameTemplate
from .writer import Mark, Writer, WriterOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class RotateOptions(Options, frozen=True, kw_only=True):
    """When a file is complete: as soon as one of the limits is reached. 0 is no limit."""

    max_bytes: Annotated[Size, Meta(description="Bytes of a file, unless one batch is more.")] = 0
    max_events: Annotated[int, Meta(ge=0, description="Events in a file.")] = 0
    max_age: Annotated[Duration, Meta(description="Seconds since the file was begun.")] = 0.0


class FileSinkOptions(TransactionalSinkOptions, frozen=True, kw_only=True):
    """What a sink of files can be told."""

    path: Annotated[
        str,
        Meta(description="Name of the files; fields: {index} {time:%Y%m%d} {pipeline} {sink}."),
    ]
    codec: Annotated[
        str, Meta(description="How an event becomes a line: `raw` (bytes), `json`, `text`, …")
    ] = "raw"
    compression: Annotated[
        str, Meta(description="`none`, `gzip`, `zstd`, `bz2`, `xz`; `auto`: by the extension.")
    ] = "auto"
    level: Annotated[int | None, Meta(description="Of the compression; none: its default.")] = None
    append: Annotated[
        bool, Meta(description="Go on with the file that has the name; excludes `rotate`.")
    ] = False
    fsync: Annotated[
        bool, Meta(description="Batches survive a power failure, not only a crash.")
    ] = True
    rotate: RotateOptions = RotateOptions()


class FileSink(TwoPhaseSink[FileSinkOptions]):
    """Write events as lines to files that appear under their names when they are complete.

    Until then a file is called `.<name>.part`. It is complete when a limit of `rotate` is
    reached and when the sink stops. No file is ever overwritten: where `path` leaves no other
    choice a number is added (`out-1.json`).

    A written batch is on the disk before it is acknowledged. A crash leaves a `.part` file; the
    next sink with that `path` completes it, without the line that may be torn at its end. A
    batch that fails half way or is cancelled leaves nothing behind. So every event is written at
    least once, and twice only if it had been written but not acknowledged when the process died.

    Where checkpoints outlive the process (`var_dir` in `[general]`) every event is written
    exactly once, as far as the source can read on from a position: files get their names with
    the checkpoint that covers them, and after a crash what was written since the last one is cut
    off. Until then they are called `.<name>.~<tag>.part`.

    With `append` lines are added to one file, at once under its name; a crash may leave a torn
    line, which the next start ends. That is at least once.

    Args:
        app: the application.
        pipeline: the pipeline it belongs to.
        id: names it within the pipeline.
        config: options that override all others.
        codec: encodes the events, instead of the option `codec`.
        schema: the type of the events, for the option `codec`.
    """

    OptionsClass: ClassVar[type[Options]] = FileSinkOptions
    Options: FileSinkOptions
    Capabilities: ClassVar[Can] = Can.PARTIAL

    _codec: Codec

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        codec: Codec | None = None,
        schema: Any = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Codec = codec
        self.Schema = schema
        self._writer: Writer | None = None
        self._busy = asyncio.Lock()
        self._timer: asyncio.Task[Any] | None = None
        self._mark: Mark | None = None
        self._kept_mark: Mark | None = None
        self._is_ending = False

    def is_transactional(self) -> bool:
        return self.Pipeline.is_durable() and not self.Options.append

    async def connect(self) -> None:
        self._codec = self.Codec or codec_by_name(self.Options.codec, self.Schema)
        writer = self._writer or self._make_writer()
        try:
            recovered = await asyncio.to_thread(self._prepare, writer)
        except OSError as error:
            raise sort_problem(error, f"write to {self.Options.path!r}") from error
        for path in recovered:
            self.Pipeline.L.warning(
                "a file that was left incomplete is completed", sink=self.Id, path=str(path)
            )
        self._writer = writer
        if self.Options.rotate.max_age:
            self._timer = self.App.spawn(self._rotate_in_time(writer), name=f"{self!r} rotate")

    async def write(self, batch: Batch, /) -> None:
        writer = self._open_writer()
        errors: dict[int, TransientError | RejectedError] = {}
        start = 0
        while start < len(batch):
            room = writer.room()
            stop = len(batch) if room is None else min(start + room, len(batch))
            data, rejected = self._encode(batch.events[start:stop])
            try:
                if data:
                    await self._put(writer, data, stop - start - len(rejected))
            except TransientError as error:
                if not start:
                    raise
                errors |= dict.fromkeys(range(start, len(batch)), error)
                break
            errors |= {start + i: error for i, error in rejected.items()}
            start = stop
        if errors:
            raise PartialWriteError(errors)

    async def close(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        writer = self._writer
        if writer is None:
            return
        if self.is_transactional():
            # It is needed again, unless this was the end of the process.
            await asyncio.to_thread(writer.suspend)
        else:
            self._writer = None
            await asyncio.to_thread(writer.complete)

    # With checkpoints

    def release(self) -> None:
        """Let the next checkpoint complete the file being written: it may be the last one."""
        self._is_ending = True

    def snapshot(self) -> Snapshot | None:
        mark = self._mark
        if self._writer is not None:
            mark = self._writer.mark(is_complete=self._is_ending)
        if mark == self._kept_mark:
            return None
        self._kept_mark = mark
        return Snapshot(value=mark)

    def restore(self, state: PartState) -> None:
        self._mark = self._kept_mark = state.value

    def is_stateful(self) -> bool:
        return self.is_transactional()

    async def prepare(self, epoch: EpochId, /) -> list[Prepared] | None:
        writer = self._open_writer()
        if self._is_ending:
            await self._complete(writer)
            self._is_ending = False
        return writer.unnamed() or None

    async def commit(self, token: list[Prepared], /) -> None:
        writer = self._open_writer()
        try:
            await asyncio.to_thread(writer.publish, token)
        except OSError as error:
            raise transient_problem(error, f"name files of {self.Options.path!r}") from error

    async def abort(self) -> None:
        """Do nothing: `connect` has taken back what no checkpoint covers."""

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise NotConnectedError(f"{self.locate_address()}: is not connected")
        return self._writer

    async def _complete(self, writer: Writer) -> None:
        async with self._busy:
            try:
                await asyncio.to_thread(writer.complete)
            except OSError as error:
                raise transient_problem(error, f"complete {writer.path}") from error

    def _make_writer(self) -> Writer:
        """Return the writer that the options ask for; raises ConfigError."""
        options, rotate = self.Options, self.Options.rotate
        names = NameTemplate(options.path, pipeline=self.Pipeline.Id, sink=self.Id)
        compression = options.compression
        if compression == "auto":
            compression = by_extension(options.path)
        compressor(compression, options.level)
        if options.append and (compression != "none" or rotate != RotateOptions()):
            raise ConfigError(
                f"{self.locate_address()}: `append` goes on with one plain file, "
                f"got `compression` or `rotate`\n"
                f"  what to do: leave out `append`, or the others"
            )
        return Writer(
            names,
            WriterOptions(
                compression=compression,
                level=options.level,
                is_durable=options.fsync,
                appends=options.append,
                max_bytes=rotate.max_bytes,
                max_events=rotate.max_events,
                max_age_s=rotate.max_age,
                tag=self._tag() if self.is_transactional() else "",
            ),
            self.App.time,
        )

    def _tag(self) -> str:
        """Return what marks temporary files as those of this sink and this store."""
        owner = zlib.crc32(self.locate_address().encode())
        return f"{self.Pipeline.lineage()[:8]}{owner:08x}"

    def _prepare(self, writer: Writer) -> Sequence[Path]:
        """Complete what was left, and see that files can be written; blocks."""
        directory = literal_directory(self.Options.path.replace("{", "*"))
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not self.is_transactional():
            return writer.recover()
        is_known = writer is self._writer
        is_whole = writer.resume() if is_known else writer.rewind(self._mark)
        if not is_whole:
            self.Pipeline.L.error("a file that was being written is gone", sink=self.Id)
        return writer.recover()

    def _encode(self, events: Sequence[Any]) -> tuple[bytes, dict[int, RejectedError]]:
        """Return the lines of `events`, and by index those that cannot be expressed."""
        try:
            return self._codec.encode_lines(events), {}
        except RejectedError:
            lines: list[bytes] = []
            rejected: dict[int, RejectedError] = {}
            for i, event in enumerate(events):
                try:
                    lines.append(self._codec.encode_lines([event]))
                except RejectedError as error:
                    rejected[i] = error
            return b"".join(lines), rejected

    async def _put(self, writer: Writer, data: bytes, events: int) -> None:
        async with self._busy:
            try:
                await asyncio.to_thread(writer.put, data, events)
            except OSError as error:
                raise transient_problem(error, f"write to {self.Options.path!r}") from error
            writer.confirm()
        await self._complete_if_due(writer)

    async def _complete_if_due(self, writer: Writer) -> None:
        async with self._busy:
            if not writer.is_due():
                return
            try:
                await asyncio.to_thread(writer.complete)
            except OSError as error:
                # What was written is safe under its temporary name; the next call tries again.
                problem = transient_problem(error, f"complete {writer.path}")
                self.Pipeline.L.warning("not completed", sink=self.Id, error=str(problem))

    async def _rotate_in_time(self, writer: Writer) -> None:
        """Complete files when they are old enough, also when nothing more comes."""
        max_age_s = self.Options.rotate.max_age
        while True:
            due_s = writer.due_s()
            wait_s = max_age_s if due_s is None else due_s - self.App.time()
            await self.App.Clock.sleep(max(wait_s, min(max_age_s, 1.0)))
            await self._complete_if_due(writer)
