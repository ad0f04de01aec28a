"""Which files are meant: globs, separated like the entries of `PATH`.

>>> split_patterns("/var/log/*.log:/srv/**/*.json")
['/var/log/*.log', '/srv/**/*.json']
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple


class Found(NamedTuple):
    """A regular file, and what is known of it without opening it."""

    path: str
    stat: os.stat_result


def split_patterns(text: str) -> list[str]:
    """Return the patterns in `text`; empty ones are left out."""
    return [pattern.strip() for pattern in text.split(os.pathsep) if pattern.strip()]


def is_match(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether the path, or the name at its end, matches one of `patterns`."""
    name = os.path.basename(path)  # noqa: PTH119 - twice as fast, and directories may be large
    return any(fnmatch(path, pattern) or fnmatch(name, pattern) for pattern in patterns)


def find_paths(patterns: Sequence[str]) -> list[str]:
    """Return what matches, sorted and each once. `**` stands for any number of directories."""
    found: set[str] = set()
    for pattern in patterns:
        found.update(glob.glob(pattern, recursive=True))  # noqa: PTH207 - `Path` resolves `./`
    return sorted(found)


def find_files(patterns: Sequence[str], exclude: Sequence[str] = ()) -> Iterator[Found]:
    """Yield the regular files that match, in the order of their paths.

    What vanishes meanwhile, and what cannot be looked at, is passed over.
    """
    for path in find_paths(patterns):
        if exclude and is_match(path, exclude):
            continue
        try:
            found = os.stat(path)  # noqa: PTH116 - millions of them, `Path` doubles the time
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            yield Found(path, found)


def literal_directory(pattern: str) -> Path:
    """Return the directory that all matches of `pattern` are in or below.

    >>> literal_directory("/var/log/*/app-?.log").as_posix()
    '/var/log'
    """
    directory = Path(pattern).parent
    while glob.has_magic(str(directory)):
        directory = directory.parent
    return directory
