"""Replacing a file so that every reader, at any moment, sees all of the old or all of the new."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from bspump.abc.durable import sync_directory


def replace_file(path: Path, data: bytes, *, is_private: bool = False) -> None:
    """Write `data` to `path` atomically and durably; blocks, so call it in a thread.

    Directories on the way are created. A file that is replaced keeps its permissions. After a
    crash the file is as before or as wanted; a temporary one may be left beside it.

    Args:
        is_private: a new file can be read by its owner only.

    Raises:
        OSError: it cannot be written; the file is as before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    mode = 0o600 if is_private else 0o666
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    sync_directory(path.parent)
