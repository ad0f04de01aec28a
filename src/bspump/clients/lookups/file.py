"""Lookups whose content is a file."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

from msgspec import Meta

from bspump.abc.errors import RejectedError, TransientError
from bspump.abc.lookupprovider import LookupProvider
from bspump.abc.options import Options, Size

from .durable import replace_file

if TYPE_CHECKING:
    from bspump.abc.lookup import Lookup

# Two writes within one tick of the file system's clock look alike; the coarsest tick is 2 s.
_CLOCK_TICK_S = 2.0


class FileProviderOptions(Options, frozen=True, kw_only=True):
    """What a provider of files can be told."""

    max_bytes: Annotated[Size, Meta(description="A file that is larger is refused.")] = 1 << 30


class FileBatchLookupProvider(LookupProvider):
    """Read the content of a lookup from a file, whole and in a thread.

    A file whose time, size and inode are as they were is not read again; one that was only
    touched counts as unchanged. Write it with `save`, or by renaming a finished file over it:
    what is read while someone writes into the file itself may be half of it.
    """

    OptionsClass = FileProviderOptions
    Options: FileProviderOptions

    def __init__(
        self,
        lookup: Lookup,
        url: str,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(lookup, url, id, config)
        self.Path = local_path(url)
        self._used: _Seen | None = None
        self._read: _Seen | None = None

    async def load(self) -> bytes | None:
        where = f"lookup {self.Lookup.Id!r}: file {str(self.Path)!r}"
        try:
            seen, data = await asyncio.to_thread(
                _read, self.Path, self._used, self.Options.max_bytes, self.App.time()
            )
        except OSError as error:
            raise TransientError(f"{where} cannot be read: {error.strerror or error}") from error
        if seen.size > self.Options.max_bytes:
            raise RejectedError(
                f"{where} has {seen.size} bytes, expected {self.Options.max_bytes} at the most;"
                " set `max_bytes` higher if that is right"
            )
        self._read = seen
        if data is None:
            self._used = seen
        return data

    async def commit(self) -> None:
        self._used = self._read

    async def save(self, data: bytes) -> None:
        """Replace the file atomically; directories on the way are created.

        Raises:
            TransientError: it cannot be written; the file is as before.
        """
        try:
            await asyncio.to_thread(replace_file, self.Path, data)
        except OSError as error:
            raise TransientError(
                f"lookup {self.Lookup.Id!r}: file {str(self.Path)!r} cannot be written:"
                f" {error.strerror or error}"
            ) from error

    def is_local(self) -> bool:
        return True


def local_path(url: str) -> Path:
    """Return the path that a `file:` URL or a plain path means.

    >>> str(local_path("file:///var/a%20b.json")), str(local_path("etc/a%20b.json"))
    ('/var/a b.json', 'etc/a%20b.json')
    """
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://").removeprefix("localhost")))
    return Path(url.removeprefix("file:"))


class _Seen:
    """What a file looked like when it was read."""

    __slots__ = ("digest", "identity", "is_certain", "size")

    def __init__(self, stat: os.stat_result, now: float, digest: bytes | None) -> None:
        self.identity = (stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_dev)
        self.size = stat.st_size
        self.is_certain = now - stat.st_mtime > _CLOCK_TICK_S
        self.digest = digest


def _read(path: Path, used: _Seen | None, max_bytes: int, now: float) -> tuple[_Seen, bytes | None]:
    """Return what the file looks like, and its content if that differs from what is `used`."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        seen = _Seen(stat, now, None if used is None else used.digest)
        if stat.st_size > max_bytes:
            return seen, None
        if used is not None and used.is_certain and used.identity == seen.identity:
            return seen, None
        data = file.read(max_bytes + 1)
    seen.digest = hashlib.blake2b(data).digest()
    seen.size = max(seen.size, len(data))
    if used is not None and used.digest == seen.digest:
        return seen, None
    return seen, data
