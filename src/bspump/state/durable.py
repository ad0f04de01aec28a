"""Files and directories that only their owner can read and that survive a power failure."""

from __future__ import annotations

from pathlib import Path

from bspump.abc.durable import sync_directory


def make_directory(directory: Path) -> None:
    """Make a directory, and those above it, durably; one that exists is left as it is."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory.parent)
