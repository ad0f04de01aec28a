"""Following files that grow, are renamed, truncated, copied away and deleted.

What has been read is a set of marks by device and inode. Everything else here (open files, who
left when) helps, and may be lost at any time.
"""

from __future__ import annotations

import glob
import io
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bspump.clients.files.blocks import Block, read_block
from bspump.clients.files.globs import Found, find_files
from bspump.clients.files.marks import (
    HEAD_BYTES,
    TAIL_BYTES,
    Mark,
    advance,
    continues,
    file_key,
    new_mark,
)
from bspump.formats.compression import by_extension

Marks = dict[str, Mark]

LOOK_S: Final = 0.25
"""While there is much to read, look for new and renamed files so often."""

NO_BLOCK: Final = Block(b"", 0)
_OPEN_FILES: Final = 500


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """What to follow, and how; see the options of `TailSource`."""

    patterns: Sequence[str]
    exclude: Sequence[str] = ()
    block_bytes: int = 1 << 16
    max_line_bytes: int = 1 << 24
    rotate_wait_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one step found.

    Attributes:
        marks: what has been read after it.
        path: of the file that `block` is from.
        block: lines, possibly none.
        is_idle: there was nothing to read.
        problems: what could not be done, for the log.
    """

    marks: Marks
    path: str = ""
    block: Block = NO_BLOCK
    is_idle: bool = False
    problems: list[str] = field(default_factory=list)


class Follower:
    """Reads what is new in a set of files, a block at a time. For any thread, one at a time."""

    def __init__(self, options: FollowOptions) -> None:
        self._options = options
        self._open_files: dict[str, io.FileIO] = {}
        self._left_s: dict[str, float] = {}
        self._first: set[str] = set()
        self._looked_s = float("-inf")
        self._last_path = ""
        self._problems: list[str] = []
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for file in self._open_files.values():
                file.close()
            self._open_files.clear()

    def start_at_end(self) -> Marks:
        """Return the marks of all files there are, at the end of their last whole lines."""
        with self._lock:
            marks = self._look({}, 0.0)
            return {key: self._at_end(key, mark) for key, mark in marks.items()}

    def step(self, marks: Marks, now_s: float) -> Step:
        """Read the next block of lines behind `marks`.

        Args:
            now_s: a monotonic clock.
        """
        with self._lock:
            self._problems = []
            self._forget(marks)
            is_due = now_s - self._looked_s >= LOOK_S
            if is_due:
                marks = self._look(marks, now_s)
            step = self._read_any(marks, now_s)
            if step is None and not is_due:
                # Everything is read, or a file is not what it was.
                marks = self._look(marks, now_s)
                step = self._read_any(marks, now_s)
            return step or Step(marks, is_idle=True, problems=self._problems)

    # Reading

    def _read_any(self, marks: Marks, now_s: float) -> Step | None:
        """Read from the first file that has something; `None` if none has, or one has changed."""
        for key in self._in_turn(marks):
            mark = marks[key]
            file = self._file(key, mark["path"])
            if file is None or self._is_copy(key, marks):
                continue
            left_s = self._left_s.get(key)
            has_left = left_s is not None and now_s - left_s >= self._options.rotate_wait_s
            block = read_block(
                file.fileno(),
                mark["offset"],
                self._options.block_bytes,
                self._options.max_line_bytes,
                is_skipping=mark["is_skipping"],
                takes_rest=has_left,
            )
            # Checked afterwards: so the block is what followed what was read before.
            if not continues(mark, file.fileno()):
                return None
            if block.end > mark["offset"]:
                self._last_path = mark["path"]
                moved = advance(mark, file.fileno(), block.end, is_skipping=block.is_skipping)
                return Step(marks | {key: moved}, mark["path"], block, problems=self._problems)
            self._first.discard(key)
            if has_left:
                marks = {other: marks[other] for other in marks if other != key}
                return Step(marks, problems=self._problems)
        return None

    def _in_turn(self, marks: Marks) -> list[str]:
        """Return the keys in the order in which to read: what is on its way out comes first."""

        def turn(key: str) -> tuple[bool, bool, str]:
            path = marks[key]["path"]
            return key not in self._first, path <= self._last_path, path

        return sorted(marks, key=turn)

    def _at_end(self, key: str, mark: Mark) -> Mark:
        file = self._file(key, mark["path"])
        if file is None:
            return mark
        size = os.fstat(file.fileno()).st_size
        start = max(0, size - self._options.block_bytes)
        cut = os.pread(file.fileno(), size - start, start).rfind(b"\n") + 1
        return advance(mark, file.fileno(), start + cut if cut else size)

    # Looking

    def _look(self, marks: Marks, now_s: float) -> Marks:
        """Return the marks of the files that are there now."""
        self._looked_s = now_s
        found = {
            file_key(each.stat): each
            for each in find_files(self._options.patterns, self._options.exclude)
            if by_extension(each.path) == "none"
        }
        result: Marks = {}
        copies: Marks = {}
        for key, mark in marks.items():
            moved = self._look_again(key, mark, found, now_s)
            if moved is not None:
                result[key] = moved
            if moved is None or moved["offset"] < mark["offset"]:
                copies |= self._copies(mark, marks)
        result |= copies
        self._first.update(copies)
        for key in copies.keys() - found.keys():
            self._leave(key, now_s)
        for key, each in found.items():
            if key not in result:
                result[key] = new_mark(each.path, each.stat)
        return result

    def _look_again(
        self, key: str, mark: Mark, found: dict[str, Found], now_s: float
    ) -> Mark | None:
        """Return what has become of one mark: itself, moved, begun anew, or nothing."""
        here = found.get(key)
        if here is not None:
            self._left_s.pop(key, None)
            if here.path != mark["path"]:
                self._first.add(key)
                mark = mark | Mark(path=here.path)  # type: ignore[typeddict-item]  # the rest is in `mark`
        file = self._file(key, mark["path"]) or self._search(key, mark)
        if file is None:
            if here is not None:
                return mark
            self._tell(f"{mark['path']}: is gone; what was not read of it is lost")
            return None
        if here is None:
            self._leave(key, now_s)
        if continues(mark, file.fileno()):
            return mark
        return None if here is None else new_mark(mark["path"], here.stat)

    def _leave(self, key: str, now_s: float) -> None:
        """Take note that `path` does not stand for a file any more: its rest is to be read."""
        if key not in self._left_s:
            self._left_s[key] = now_s
            self._first.add(key)

    def _copies(self, mark: Mark, known: Marks) -> Marks:
        """Return marks for the rest of a file that was copied and then truncated."""
        copies: Marks = {}
        for path in _rotated(mark["path"]):
            try:
                with io.FileIO(path) as file:
                    status = os.fstat(file.fileno())
                    key = file_key(status)
                    is_new = key not in known or not known[key]["offset"]
                    if is_new and continues(mark, file.fileno()):
                        copies[key] = mark | Mark(  # type: ignore[typeddict-item]  # the rest is in `mark`
                            path=path, device=status.st_dev, inode=status.st_ino
                        )
            except OSError:
                continue
        return copies

    def _is_copy(self, key: str, marks: Marks) -> bool:
        """Tell whether a file has the content of one that is followed: so it is read there.

        A log that is rotated by copying is for a while there twice, the copy growing.
        """
        if marks[key]["offset"]:
            return False
        path = marks[key]["path"]
        for other, mark in marks.items():
            if mark["offset"] and _is_rotated_name(path, mark["path"]):
                original, copy = self._file(other, mark["path"]), self._file(key, path)
                if original is None or copy is None:
                    continue
                if not continues(mark, original.fileno()):
                    # It was truncated. If this is its copy, the next look says what is to be read.
                    if continues(mark, copy.fileno()):
                        return True
                elif _is_prefix(copy, original):
                    return True
        return False

    # Files

    def _file(self, key: str, path: str) -> io.FileIO | None:
        """Return the open file of that key, `None` if it is not at `path` or cannot be read."""
        file = self._open_files.pop(key, None)
        if file is None:
            try:
                file = io.FileIO(path)
            except FileNotFoundError:
                return None
            except OSError as error:
                self._tell(f"{path}: {error.strerror}")
                return None
            if file_key(os.fstat(file.fileno())) != key:
                file.close()
                return None
        self._open_files[key] = file
        while len(self._open_files) > _OPEN_FILES:
            self._open_files.pop(next(iter(self._open_files))).close()
        return file

    def _search(self, key: str, mark: Mark) -> io.FileIO | None:
        """Find a file that was renamed, by its inode, in the directory where it was."""
        try:
            with os.scandir(Path(mark["path"]).parent) as entries:
                paths = [entry.path for entry in entries if entry.inode() == mark["inode"]]
        except OSError:
            return None
        return next((file for path in paths if (file := self._file(key, path))), None)

    def _forget(self, marks: Marks) -> None:
        """Close what is not followed any more."""
        for key in [key for key in self._open_files if key not in marks]:
            self._open_files.pop(key).close()
        for key in [key for key in self._left_s if key not in marks]:
            del self._left_s[key]
        self._first &= marks.keys()

    def _tell(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self._problems.append(problem)


def _is_rotated_name(path: str, original: str) -> bool:
    """Tell whether `path` may be an older part of `original`: `app.log.1`."""
    return path != original and path.startswith(original) and "/" not in path[len(original) :]


def _rotated(original: str) -> Iterator[str]:
    """Yield the paths of older parts of `original`."""
    for path in glob.iglob(f"{glob.escape(original)}?*"):  # noqa: PTH207 - `Path` resolves `./`
        if by_extension(path) == "none":
            yield path


def _is_prefix(copy: io.FileIO, original: io.FileIO) -> bool:
    """Tell whether `copy` begins like `original` and is not longer, by samples."""
    size = os.fstat(copy.fileno()).st_size
    if not size or size > os.fstat(original.fileno()).st_size:
        return False
    start = max(0, size - TAIL_BYTES)
    return all(
        os.pread(copy.fileno(), count, offset) == os.pread(original.fileno(), count, offset)
        for count, offset in ((min(HEAD_BYTES, size), 0), (size - start, start))
    )
