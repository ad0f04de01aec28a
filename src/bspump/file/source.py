"""Files as input that is read once, from beginning to end, by position."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar, TypedDict

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError, RejectedError, TransientError
from bspump.abc.source import Chunk
from bspump.clients.files.blocks import Block, Pread, read_block
from bspump.clients.files.globs import Found, find_files, split_patterns
from bspump.clients.files.marks import Mark, new_mark
from bspump.clients.files.problems import transient_problem

from .block_file import BlockFile, open_block_file
from .block_lines import BlockLinesSource


class FilePosition(TypedDict, total=False):
    """How far a `FileSource` is: all files before this one are done. Plain data."""

    file: Mark
    is_done: bool


class FileSource(BlockLinesSource[FilePosition]):
    """Read the lines of files, once and to the end: then the source has finished.

    The files are those that match when the source connects, in the order of their paths.
    Compressed ones (`.gz`, `.bz2`, `.xz`, `.lzma`, `.zst`) are decompressed on the way; what
    cannot be decompressed is rejected. Nothing is renamed and nothing is locked: for files
    that still grow use `TailSource`, for a directory that files are moved into `FileLineSource`.

    Emits one event per line, without its newline: `bytes`, or what `codec` makes of it. Empty
    lines are passed over.

    Position: path, offset and checksums, for plain files and, by decompressing them again from
    their beginning, for compressed ones. A file that was replaced since is read from its
    beginning; one that is gone in the middle is waited for.
    """

    Capabilities: ClassVar[Can] = Can.RESUME | Can.ORDER | Can.END

    _files: Sequence[Found] = ()
    _before: Sequence[int] = ()
    _file: BlockFile | None = None
    _done_bytes = 0

    async def connect(self) -> None:
        await super().connect()
        patterns = split_patterns(self.Options.path)
        exclude = split_patterns(self.Options.exclude)
        if not patterns:
            raise ConfigError(f"{self.locate_address()}: `path` is empty: name the files to read")
        self._files = await asyncio.to_thread(lambda: list(find_files(patterns, exclude)))
        self._before = [0, *accumulate(found.stat.st_size for found in self._files)]
        if not self._files:
            self.Pipeline.L.warning("no files", source=self.Id, path=self.Options.path)
            self.Pipeline.PubSub.publish("bspump.file_source.no_files!")

    async def read(self, position: FilePosition | None, /) -> Chunk[FilePosition]:
        while True:
            mark = self._mark_after(position)
            if mark is None:
                return Chunk([], position or FilePosition(), is_last=True)
            block, position = await self._read_block(mark)
            events, contexts = self.decode(mark["path"], block)
            is_last = position["is_done"] and self._next(mark["path"]) is None
            if events or is_last:
                return Chunk(events, position, contexts, is_last)
            # There may be much that is no event: let others run.
            await self.App.Clock.sleep(0)

    async def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def progress(self) -> tuple[float, float | None, str] | None:
        """Return how many bytes were read and how many there are, as they are on the disk."""
        return (self._done_bytes, self._before[-1], "bytes") if self._files else None

    def _mark_after(self, position: FilePosition | None) -> Mark | None:
        """Return where to read on, `None` at the end of the last file."""
        if position and not position["is_done"]:
            return position["file"]
        found = self._next(position["file"]["path"] if position else "")
        return None if found is None else new_mark(found.path, found.stat)

    def _next(self, path: str) -> Found | None:
        """Return the file that follows `path` in the order of the paths."""
        i = bisect_right(self._files, path, key=lambda found: found.path)
        return self._files[i] if i < len(self._files) else None

    async def _read_block(self, mark: Mark) -> tuple[Block, FilePosition]:
        """Return the lines at `mark`, and the position behind them."""
        path, offset = mark["path"], mark["offset"]
        try:
            file, mark = await self._open(mark)
            block, is_done = await self._block(file, mark)
        except FileNotFoundError as error:
            raise TransientError(
                f"{path}: is gone, after {offset} bytes of its content were read\n"
                f"  what to do: put it back, or remove the position of {self.Id!r}"
            ) from error
        except OSError as error:
            raise transient_problem(error, f"read {path!r}") from error
        mark = file.advance(mark, block.end, is_skipping=block.is_skipping)
        self._count(file, block.end)
        if is_done:
            await self.close()
        return block, FilePosition(file=mark, is_done=is_done)

    async def _open(self, mark: Mark) -> tuple[BlockFile, Mark]:
        """Return the file of `mark`, and from where to read it."""
        file = self._file
        if file is not None and file.path == mark["path"]:
            return file, mark
        await self.close()
        file = self._file = open_block_file(mark["path"])
        if mark["offset"] and not await asyncio.to_thread(file.continues, mark):
            self.Pipeline.L.warning(
                "the file is another one by now and is read from its beginning",
                source=self.Id,
                path=mark["path"],
            )
            return file, new_mark(mark["path"], file.stat)
        return file, mark

    async def _block(self, file: BlockFile, mark: Mark) -> tuple[Block, bool]:
        """Return the lines at `mark`, and whether there are no more of them in the file."""
        try:
            try:
                return self._read_now(file, mark, file.pread_cached)
            except BlockingIOError:
                return await asyncio.to_thread(self._read_now, file, mark, file.pread)
        except RejectedError as error:
            context = {"filename": file.path, "offset": mark["offset"]}
            self.Pipeline.reject([(context, file.path)], error, self)
            return Block(b"", mark["offset"], True), True

    def _read_now(self, file: BlockFile, mark: Mark, pread: Pread) -> tuple[Block, bool]:
        options = self.Options
        block = read_block(
            file.fd,
            mark["offset"],
            options.block,
            options.max_line,
            is_skipping=mark["is_skipping"],
            takes_rest=True,
            pread=pread,
        )
        return block, block.is_end or file.is_end(block.end)

    def _count(self, file: BlockFile, offset: int) -> None:
        i = bisect_right(self._files, file.path, key=lambda found: found.path)
        self._done_bytes = self._before[max(0, i - 1)] + file.consumed_bytes(offset)
