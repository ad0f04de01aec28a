"""A lock on a file, so that one process at a time writes; the second is told which has it."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from bspump.abc.errors import ConfigError

_LONGEST_NOTE_BYTES = 4096


class ProcessLock:
    """A lock that ends with the process, however it ends. The file stays, it means nothing.

    Args:
        path: of the lock file.
        what: is locked, for the message.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ConfigError: another process has it, or another user of it in this process.
            OSError: the file cannot be opened.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, _LONGEST_NOTE_BYTES).decode("utf-8", "replace").strip()
            os.close(fd)
            raise ConfigError(
                f"{self._what}: another process uses it [{ConfigError.Code}]\n"
                f"  used by: {holder or 'a process that is just starting'}\n"
                f"  what to do: stop that process, or give this one a data directory of its own"
            ) from None
        except BaseException:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} ({_program()})\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _program() -> str:
    """Return the name of the program, without its arguments: they may hold secrets."""
    return Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
