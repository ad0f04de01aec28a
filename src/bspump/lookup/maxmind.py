"""Lookups in MaxMind DB files (`.mmdb`)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ConfigError, RejectedError, TransientError
from bspump.abc.extras import require
from bspump.abc.lookup import Lookup
from bspump.clients.lookups.file import FileBatchLookupProvider

if TYPE_CHECKING:
    from bspump.abc.host import Application


class MaxMindDatabase:
    """A MaxMind DB file, memory-mapped: it costs next to no memory, and processes share it.

    Args:
        where: what messages begin with.
    """

    def __init__(self, where: str) -> None:
        self._library = require("maxminddb", extra="geoip")
        self._where = where
        self._reader: Any = None
        self._identity: tuple[int, ...] | None = None

    def find(self, address: Any) -> Any:
        """Return the record of an address, `None` where there is none or it is no address."""
        if self._reader is None:
            return None
        try:
            return self._reader.get(address)
        except (ValueError, TypeError):
            return None

    async def reopen(self, path: Path) -> bool:
        """Map `path` if it is another file than the one that is mapped; tell whether it was.

        Raises:
            TransientError: it cannot be read; the old one stays.
            RejectedError: it is no MaxMind DB; the old one stays.
        """
        try:
            stat = await asyncio.to_thread(path.stat)
        except OSError as error:
            raise self._unreadable(path, error) from error
        identity = (stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_dev)
        if identity == self._identity:
            return False
        self.use(await asyncio.to_thread(self._open, path))
        self._identity = identity
        return True

    def read(self, data: bytes) -> Any:
        """Return what `use` takes: a mapped temporary file that holds `data`. Blocks.

        Raises:
            RejectedError: it is no MaxMind DB.
        """
        with tempfile.NamedTemporaryFile(suffix=".mmdb") as file:
            file.write(data)
            file.flush()
            return self._open(Path(file.name))

    def use(self, reader: Any) -> None:
        """Look into `reader` from now on, and unmap what was looked into before."""
        reader, self._reader = self._reader, reader
        if reader is not None:
            reader.close()

    def close(self) -> None:
        """Unmap the file; afterwards nothing is known of any address."""
        self.use(None)
        self._identity = None

    def describe(self) -> dict[str, Any]:
        """Return what kind of database it is, when it was built, and its size."""
        if self._reader is None:
            return {}
        metadata = self._reader.metadata()
        return {
            "database": metadata.database_type,
            "built_at": metadata.build_epoch,
            "size": metadata.node_count,
        }

    def _open(self, path: Path) -> Any:
        try:
            return self._library.open_database(path)
        except OSError as error:
            raise self._unreadable(path, error) from error
        except (self._library.InvalidDatabaseError, ValueError) as error:
            raise RejectedError(
                f"{self._where}: expected a MaxMind DB, got another file: {error}"
            ) from error

    def _unreadable(self, path: Path, error: OSError) -> TransientError:
        reason = error.strerror or error
        return TransientError(f"{self._where}: file {str(path)!r} cannot be read: {reason}")


class MaxMindLookup(Lookup):
    """What a MaxMind DB says of an IP address: its whole record, new for each call.

    A load opens the file again if it was replaced. Replace it by renaming another one over it:
    whoever writes into a mapped file may end the program. What is fetched by HTTP is mapped
    from a temporary file. Needs the extra `geoip`.
    """

    def __init__(
        self,
        app: Application,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        if self.Provider is None:
            raise ConfigError(f"lookup {self.Id!r}: source_url: expected a file or URL, got none")
        self._database = MaxMindDatabase(f"lookup {self.Id!r}")

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the record of an address, `default` where there is none or it is no address."""
        record = self._database.find(key)
        return default if record is None else record

    def __getitem__(self, key: Any) -> Any:
        record = self._database.find(key)
        if record is None:
            raise KeyError(key)
        return record

    def __contains__(self, key: object) -> bool:
        return self._database.find(key) is not None

    async def close(self) -> None:
        """Unmap the file; afterwards nothing is known of any address."""
        await super().close()
        self._database.close()

    def deserialize(self, data: bytes) -> None:
        self._database.use(self._database.read(data))

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows; also kind, age and size of the database."""
        return {**super().rest_get(), **self._database.describe()}

    async def _renew(self) -> bool:
        if not isinstance(self.Provider, FileBatchLookupProvider):
            return await super()._renew()
        is_new = await self._database.reopen(self.Provider.Path)
        if is_new:
            self.PubSub.publish("bspump.Lookup.changed!")
        return is_new

    async def _take(self, data: bytes) -> None:
        self._database.use(await asyncio.to_thread(self._database.read, data))
