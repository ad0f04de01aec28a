"""Changes of directories that survive a power failure."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from bspump.abc.durable import sync_directory


def rename_durably(source: Path, target: Path) -> None:
    """Give `source` the name `target`, replacing what had it; both in one file system."""
    source.replace(target)
    sync_directory(target.parent)


def move_durably(source: Path, target: Path) -> None:
    """Move `source` to `target`, also to another file system.

    Whenever it is interrupted, `source` or `target` is there and whole.
    """
    try:
        rename_durably(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = target.with_name(f".{target.name}.part")
        shutil.copy2(source, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        rename_durably(copy, target)
        source.unlink()


def free_path(path: Path, tail: str = "") -> Path:
    """Return `path` with `tail` behind its name; with a number between them if that is taken.

    >>> free_path(Path("/nowhere/data.csv"), "-processed").name
    'data.csv-processed'
    """
    candidate, number = path.with_name(path.name + tail), 0
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}.{number}{tail}")
    return candidate
