"""A copy on disk of what a lookup was fetched as, for a start while its master is away."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path
from typing import NamedTuple

from .durable import replace_file

_LENGTH = struct.Struct("<L")
_LONGEST_ETAG = 8192


class Copy(NamedTuple):
    """Content and the ETag it came with, empty where there was none."""

    etag: str
    body: bytes


def copy_path(directory: Path, lookup_id: str, url: str) -> Path:
    """Return where the copy of a lookup is: a file of its own for each Id and URL.

    >>> copy_path(Path("/var/cache"), "A/B", "http://host/A").name
    'lookup-A_B-4874ca3d80c17db7.cache'
    """
    digest = hashlib.blake2b(f"{lookup_id}\n{url}".encode(), digest_size=8).hexdigest()
    readable = re.sub(r"[^0-9A-Za-z.-]", "_", lookup_id)[:64]
    return directory / f"lookup-{readable}-{digest}.cache"


def write_copy(path: Path, copy: Copy) -> None:
    """Replace the copy, atomically; it can be read by its owner only. Blocks.

    Layout: length of the ETag (unsigned 32 bits, little-endian), ETag, newline, body.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    etag = copy.etag.encode()
    replace_file(path, _LENGTH.pack(len(etag)) + etag + b"\n" + copy.body, is_private=True)


def read_copy(path: Path, max_bytes: int) -> Copy | None:
    """Return the copy, `None` where there is none that can be used. Blocks.

    Raises:
        OSError: it is there, but cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + _LONGEST_ETAG)
            is_whole = not file.read(1)
    except FileNotFoundError:
        return None
    if not is_whole or len(data) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size
    if length > _LONGEST_ETAG or data[start + length : start + length + 1] != b"\n":
        return None
    etag = data[start : start + length].decode("utf-8", "replace")
    return Copy(etag, data[start + length + 1 :])
