"""A file that is written so that it lasts: under a temporary name until it is complete.

The steps are those of a transaction: `append`, `prepare`, then `commit` or `abort` of what
`prepare` returned, also by another process after a crash.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import threading
from pathlib import Path
from typing import Final, Self, TypedDict

from bspump.abc.durable import sync_directory

from .durable import free_path, rename_durably

PART: Final = ".part"
_BLOCK_BYTES: Final = 1 << 16
_DSYNC: Final[int] = getattr(os, "RWF_DSYNC", 0)
_TAG: Final = re.compile(r"\.~([0-9a-f]{16})\Z")


class Prepared(TypedDict):
    """A file that is written and durable, and has yet to get its name. Plain data."""

    temporary: str
    final: str


def temporary_path(final: Path, tag: str = "") -> Path:
    """Return the name under which `final` is written: hidden, so that no `*` matches it.

    Args:
        final: the name it gets when it is complete.
        tag: sixteen hexadecimal digits that say who writes it; empty: anybody.
    """
    return final.with_name(f".{final.name}{f'.~{tag}' if tag else ''}{PART}")


def final_path(temporary: Path) -> Path:
    """Return the name that the file `temporary` is to get."""
    name = temporary.name.removeprefix(".").removesuffix(PART)
    return temporary.with_name(_TAG.sub("", name))


def tag_of(temporary: Path) -> str:
    """Return the tag in the name of a file that is being written; empty if there is none."""
    found = _TAG.search(temporary.name.removesuffix(PART))
    return "" if found is None else found[1]


class OutputFile:
    """One file that is being written by this process, and by nobody else.

    What was appended counts when it is confirmed: what is not, because the caller was
    cancelled or the disk was full, is cut off by the next step. So a batch may be appended again
    and stands in the file once. The methods may be called from any thread.

    Args:
        path: where it is written.
        final: the name it gets when it is complete.
        fd: open for reading and writing, and locked.
        is_durable: each `append` waits for the disk.

    Attributes:
        size_bytes: how much is confirmed.
    """

    def __init__(self, path: Path, final: Path, fd: int, *, is_durable: bool) -> None:
        self.path = path
        self.final = final
        self.is_durable = is_durable
        self.size_bytes = os.fstat(fd).st_size
        self._fd = fd
        self._end = self.size_bytes
        self._lock = threading.Lock()

    @classmethod
    def create(cls, final: Path, *, is_durable: bool = True, tag: str = "") -> Self | None:
        """Begin a file that gets the name `final`; `None` if that name is taken.

        Args:
            final: the name it gets when it is complete.
            is_durable: each `append` waits for the disk.
            tag: who writes it, see `temporary_path`.

        Raises:
            OSError: it cannot be created.
        """
        path = temporary_path(final, tag)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            return None
        if not _lock(fd, path):
            # Somebody who cleans up was quicker.
            os.close(fd)
            return None
        if os.path.lexists(final):
            path.unlink()
            os.close(fd)
            return None
        if is_durable:
            sync_directory(path.parent)
        return cls(path, final, fd, is_durable=is_durable)

    @classmethod
    def extend(cls, path: Path, *, is_durable: bool = True) -> Self | None:
        """Go on with a file under its own name; `None` if somebody else is writing it.

        Raises:
            OSError: it cannot be opened.
        """
        is_new = not path.exists()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if not _lock(fd, path):
            os.close(fd)
            return None
        if is_new and is_durable:
            sync_directory(path.parent)
        return cls(path, path, fd, is_durable=is_durable)

    @classmethod
    def resume(
        cls, path: Path, final: Path, size_bytes: int, *, is_durable: bool = True
    ) -> Self | None:
        """Go on with a temporary file where it had `size_bytes`; `None` if it is not that large.

        Raises:
            OSError: it cannot be opened.
            BlockingIOError: somebody else is writing it.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if not _lock(fd, path):
            os.close(fd)
            raise BlockingIOError(errno.EAGAIN, "somebody else is writing it")
        file = cls(path, final, fd, is_durable=is_durable)
        if file.size_bytes < size_bytes:
            file.close()
            return None
        file.size_bytes = size_bytes
        return file

    def close(self) -> None:
        """Close it as it is; what was not confirmed may still be there."""
        with self._lock:
            if self._fd != -1:
                os.close(self._fd)
                self._fd = -1

    def append(self, data: bytes) -> None:
        """Write `data` behind what is confirmed.

        Raises:
            OSError: not all of it could be written; nothing of it counts.
        """
        with self._lock:
            self._cut()
            view, offset = memoryview(data), self.size_bytes
            while view:
                # Until it is known how much was written, all of it may have been.
                self._end = offset + len(view)
                # Writing and waiting for the disk in one call: a thread that waits twice for the
                # interpreter in between takes longer.
                written = os.pwritev(self._fd, [view], offset, _DSYNC if self.is_durable else 0)
                offset += written
                view = view[written:]
            self._end = offset
            if self.is_durable and not _DSYNC:
                os.fdatasync(self._fd)

    def confirm(self) -> None:
        """Let what was appended count."""
        self.size_bytes = self._end

    def last_byte(self) -> bytes:
        """Return the last byte that counts; empty if there is none."""
        return os.pread(self._fd, 1, self.size_bytes - 1) if self.size_bytes else b""

    def prepare(self) -> Prepared:
        """Make the file durable and close it; what was not confirmed is gone."""
        with self._lock:
            if self._fd != -1:
                self._cut()
                os.fsync(self._fd)
                os.close(self._fd)
                self._fd = -1
        return Prepared(temporary=str(self.path), final=str(self.final))

    def _cut(self) -> None:
        if self._end > self.size_bytes:
            os.ftruncate(self._fd, self.size_bytes)
            self._end = self.size_bytes


def commit(prepared: Prepared) -> None:
    """Give the file its name. Doing it twice is fine."""
    temporary, final = Path(prepared["temporary"]), Path(prepared["final"])
    if temporary != final and os.path.lexists(temporary):
        rename_durably(temporary, final)


def abort(prepared: Prepared) -> None:
    """Remove the file, unless it has its name already. Doing it twice is fine."""
    if prepared["temporary"] != prepared["final"]:
        Path(prepared["temporary"]).unlink(missing_ok=True)


def take_over(path: Path) -> OutputFile | None:
    """Open a temporary file whose writer is dead, ready to be repaired and completed.

    Returns `None` if its writer lives, or it is gone. Its name is chosen anew if another file
    has got it.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not _lock(fd, path):
        os.close(fd)
        return None
    return OutputFile(path, free_path(final_path(path)), fd, is_durable=True)


def cut_torn_line(file: OutputFile) -> None:
    """Cut off what follows the last newline: it was never confirmed."""
    with file.path.open("rb") as content:
        end = file.size_bytes
        while end:
            start = max(0, end - _BLOCK_BYTES)
            content.seek(start)
            found = content.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
    file.size_bytes = end


def _lock(fd: int, path: Path) -> bool:
    """Lock the open file; False if somebody else has it, or `path` is another one by now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def write_whole(
    path: Path, data: bytes, *, replaces: bool = True, syncs_directory: bool = True
) -> bool:
    """Write a file that is there with all of `data`, durably, or not at all.

    A crash may leave its temporary file, which the next call for `path` uses again.

    Args:
        replaces: an existing file is replaced. Otherwise it stays, and False is returned, unless
            its content is `data`.
        syncs_directory: the name is durable too; else call `sync_directory` for many at once.

    Raises:
        OSError: it cannot be written; the file is as before.
    """
    temporary = temporary_path(path)
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _lock(fd, temporary):
            raise BlockingIOError(errno.EAGAIN, "somebody else is writing it")
        try:
            os.ftruncate(fd, 0)
            view, offset = memoryview(data), 0
            while offset < len(view):
                offset += os.pwrite(fd, view[offset:], offset)
            os.fsync(fd)
            is_written = _publish(temporary, path, replaces=replaces)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    finally:
        os.close(fd)
    if syncs_directory:
        sync_directory(path.parent)
    return is_written or path.read_bytes() == data


def _publish(temporary: Path, path: Path, *, replaces: bool) -> bool:
    if replaces:
        temporary.replace(path)
        return True
    try:
        # Unlike a renaming it fails where there is a file.
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True
