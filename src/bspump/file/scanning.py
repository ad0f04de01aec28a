"""What there is to read for the sources that rename their files, and what became of the rest."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bspump.clients.files.claims import FAILED, LOCKED, PROCESSED, split_mark
from bspump.clients.files.globs import find_paths, is_match

Version = tuple[int, int, int, int]
"""Device, inode, size and time of the last change: differs when there is something new."""


@dataclass(slots=True)
class Scan:
    """What one look found.

    Attributes:
        files: unmarked files by name, and what was known of them then.
        locked: names of files, without the mark, that are being read or were left behind.
        counts: the values of the metric `file_count`.
    """

    files: dict[str, Version] = field(default_factory=dict)
    locked: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)


def version(found: os.stat_result) -> Version:
    """Return what tells whether a file is still the same."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def scan(patterns: Sequence[str], include: Sequence[str], exclude: Sequence[str]) -> Scan:
    """Look at all files that match one of `patterns`, marked or not, in the order of their names.

    Args:
        patterns: globs of the names without marks.
        include: where there are any, one of them must match too.
        exclude: none of them may match.
    """
    begin = time.perf_counter()
    found = Scan()
    processed = failed = 0
    meant = set(find_paths(patterns))
    marked = find_paths([pattern + "-*" for pattern in patterns])
    for path in sorted(meant.union(marked)):
        name, mark = split_mark(path)
        if (include and not is_match(name, include)) or is_match(name, exclude):
            continue
        try:
            status = Path(path).stat()
        except OSError:
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        if mark == LOCKED:
            found.locked.append(name)
        elif mark == PROCESSED:
            processed += 1
        elif mark == FAILED:
            failed += 1
        elif path in meant:
            found.files[path] = version(status)
    found.counts = {
        "processed": processed,
        "failed": failed,
        "locked": len(found.locked),
        "unprocessed": len(found.files),
        "all_files": processed + failed + len(found.locked) + len(found.files),
        "scan_time": time.perf_counter() - begin,
    }
    return found
