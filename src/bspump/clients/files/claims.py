"""The rename protocol of file sources: who reads a file, and what became of it.

A file that is being read is called `<name>-locked`, and its reader holds a lock (`flock`) on
it. The system takes the lock away when the reader dies, however it dies: so a `-locked` file
on which nobody holds a lock was left behind, and may be claimed again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Final, Self

from bspump.abc.errors import ConfigError

from .durable import free_path, move_durably

LOCKED: Final = "-locked"
PROCESSED: Final = "-processed"
FAILED: Final = "-failed"

_MARKS: Final = (LOCKED, PROCESSED, FAILED)
_NO_LOCKS: Final = frozenset({errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP})


def split_mark(path: str) -> tuple[str, str]:
    """Return the name without its mark, and the mark, which may be empty.

    >>> split_mark("in/a.csv-locked"), split_mark("in/a.csv")
    (('in/a.csv', '-locked'), ('in/a.csv', ''))
    """
    for mark in _MARKS:
        if path.endswith(mark):
            return path.removesuffix(mark), mark
    return path, ""


class Claim:
    """A file that belongs to this reader until it says what became of it.

    One of `release`, `fail`, `delete` and `move` ends the claim. A claim that is only closed
    leaves a `-locked` file for the next reader.

    Attributes:
        filename: the name of the file, without marks.
        path: where it is now.
        stat: what it was like when it was claimed.
    """

    def __init__(self, filename: str, path: str, fd: int) -> None:
        self.filename = filename
        self.path = path
        self.stat = os.fstat(fd)
        self._fd = fd

    def release(self) -> None:
        """Give the file back under its name, for somebody to read it again."""
        # A new file may have come under that name; then this one waits as a `-locked` one.
        if self.path != self.filename and not os.path.lexists(self.filename):
            Path(self.path).rename(self.filename)
        self.close()

    def fail(self) -> None:
        """Set the file aside as `<name>-failed`."""
        self._rename(Path(self.filename), FAILED)

    def delete(self) -> None:
        """Delete the file."""
        Path(self.path).unlink()
        self.close()

    def move(self, destination: str = "") -> None:
        """Put the file aside as `<name>-processed`, or as that into the directory `destination`."""
        target = Path(self.filename)
        if destination:
            Path(destination).mkdir(parents=True, exist_ok=True)
            target = Path(destination, target.name)
        self._rename(target, PROCESSED)

    def close(self) -> None:
        """Let the lock go. Closing twice is fine."""
        fd, self._fd = self._fd, -1
        if fd != -1:
            os.close(fd)

    def _rename(self, path: Path, mark: str) -> None:
        # A file that was processed before is never overwritten by another of its name.
        move_durably(Path(self.path), free_path(path, mark))
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def claim(filename: str) -> Claim | None:
    """Claim a file and mark it as `-locked`; `None` if somebody else has it, or it is gone."""
    taken = _lock(filename, filename)
    if taken is None:
        return None
    locked = filename + LOCKED
    with contextlib.ExitStack() as stack:
        stack.enter_context(taken)
        if os.path.lexists(locked):
            # An earlier file of this name is not finished with.
            return None
        try:
            Path(filename).rename(locked)
        except FileNotFoundError:
            return None
        if not _is_same(locked, taken):
            # Another file was put in its place in between, and that is the one renamed now.
            return reclaim(filename)
        taken.path = locked
        stack.pop_all()
    return taken


def reclaim(filename: str) -> Claim | None:
    """Claim `<filename>-locked` if its reader is dead; `None` if it lives, or it is gone."""
    return _lock(filename, filename + LOCKED)


def hold(filename: str) -> Claim | None:
    """Claim a file under the name it has; `None` if somebody else has it, or it is gone."""
    return _lock(filename, filename)


def _lock(filename: str, path: str) -> Claim | None:
    try:
        fd = _open(path)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = Claim(filename, path, fd)
        # Whoever had the lock before may have finished with the file.
        if _is_same(path, found):
            return found
    except BlockingIOError:
        pass
    except OSError as error:
        os.close(fd)
        if error.errno not in _NO_LOCKS:
            raise
        raise ConfigError(
            f"{path}: its file system has no locks ({error.strerror})\n"
            f"  what to do: mount it with locks, or read from another file system"
        ) from error
    os.close(fd)
    return None


def _open(path: str) -> int:
    # Network file systems lock only what is open for writing.
    try:
        return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except PermissionError:
        pass
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ETXTBSY):
            raise
    return os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)


def _is_same(path: str, claim: Claim) -> bool:
    try:
        return os.path.samestat(Path(path).stat(), claim.stat)
    except FileNotFoundError:
        return False
