"""Lookups whose content another application, or any web server, has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import (
    ConfigError,
    ProcessingError,
    RejectedError,
    TransferError,
    TransientError,
)
from bspump.abc.lookupprovider import LookupProvider
from bspump.abc.options import Duration, Size
from bspump.clients.http.errors import raise_for_status, shown_url, transfer_errors
from bspump.clients.http.options import HttpClientOptions
from bspump.clients.http.session import open_session, read_body

from .disk import Copy, copy_path, read_copy, write_copy

if TYPE_CHECKING:
    from bspump.abc.lookup import Lookup

log = logging.getLogger(__name__)


class HTTPProviderOptions(HttpClientOptions, frozen=True, kw_only=True):
    """How a lookup is fetched, and where a copy of it is kept."""

    master_timeout: Annotated[
        Duration, Meta(description="Seconds that fetching may take; 0: no limit.")
    ] = 30.0
    use_cache: Annotated[
        bool, Meta(description="Keep a copy on disk, for a start while the server is away.")
    ] = True
    cache_dir: Annotated[
        str,
        Meta(
            description="Directory of the copies; default is `var_dir` of `[general]`. Without"
            " either, no copy is kept."
        ),
    ] = ""
    max_body_bytes: Annotated[
        Size, Meta(description="Bytes of the content, decompressed, at the most.")
    ] = 256 << 20


class HTTPBatchLookupProvider(LookupProvider):
    """Fetch the content of a lookup by HTTP, whole, and only when it has changed (ETag).

    What the lookup could use is kept on disk, in one file per lookup. If the first load of a run
    fails, that copy is used: `Failure` says so, and the next load tries the server again. Later
    loads that fail change nothing.
    """

    OptionsClass = HTTPProviderOptions
    Options: HTTPProviderOptions

    def __init__(
        self,
        lookup: Lookup,
        url: str,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(lookup, url, id, config)
        self.CachePath = self._cache_path()
        self._is_used = False
        self._may_use_copy = self.CachePath is not None
        self._pending: tuple[str | None, bytes | None] = (None, None)

    def _cache_path(self) -> Path | None:
        directory = self.Options.cache_dir
        if not directory:
            entry = self.App.Config.entries("general").get("var_dir")
            directory = "" if entry is None else str(entry.value)
        if not self.Options.use_cache or not directory:
            return None
        return copy_path(Path(directory), self.Lookup.Id, self.URL)

    async def load(self) -> bytes | None:
        copy = await self._copy()
        etag = self.ETag if copy is None else copy.etag
        try:
            fetched = await self._fetch(etag)
        except (TransferError, ConfigError) as error:
            if copy is None:
                raise
            fields = {"lookup": self.Lookup.Id, "error": str(error), "file": str(self.CachePath)}
            log.warning("lookup is taken from its copy on disk", extra={"fields": fields})
            self.Failure = error
            return self._offer(copy)
        self.Failure = None
        if fetched is not None:
            self._pending = (fetched.etag or None, fetched.body)
            return fetched.body
        return None if copy is None else self._offer(copy)

    async def commit(self) -> None:
        """Remember the ETag and keep a copy on disk; where that fails the log says so."""
        self.ETag, body = self._pending
        self._is_used = True
        if body is None or self.CachePath is None:
            return
        copy = Copy(self.ETag or "", body)
        self._pending = (self.ETag, None)
        try:
            await asyncio.to_thread(write_copy, self.CachePath, copy)
        except OSError as error:
            self._disk_failed("copy of the lookup cannot be written", error)

    def _offer(self, copy: Copy) -> bytes:
        # If the lookup cannot use it, the next load must not bring it again.
        self._may_use_copy = False
        self._pending = (copy.etag or None, None)
        return copy.body

    async def _copy(self) -> Copy | None:
        """Return the copy on disk as long as nothing better is in use."""
        if self._is_used or not self._may_use_copy or self.CachePath is None:
            return None
        try:
            return await asyncio.to_thread(read_copy, self.CachePath, self.Options.max_body_bytes)
        except OSError as error:
            self._disk_failed("copy of the lookup cannot be read", error)
            return None

    def _disk_failed(self, what: str, error: OSError) -> None:
        fields = {
            "lookup": self.Lookup.Id,
            "file": str(self.CachePath),
            "error": error.strerror or str(error),
        }
        log.warning(what, extra={"fields": fields})

    async def _fetch(self, etag: str | None) -> Copy | None:
        """Return what the server has, `None` where that is what `etag` stands for.

        Raises:
            TransferError, ConfigError: it cannot be had.
        """
        limit_s = self.Options.master_timeout
        where = f"lookup {self.Lookup.Id!r}: GET {shown_url(self.URL)}"
        try:
            async with asyncio.timeout(limit_s or None):
                with transfer_errors(where):
                    return await self._get(etag, where)
        except TimeoutError as error:
            raise TransientError(f"{where}: no answer within master_timeout, {limit_s:g} s") from (
                error
            )
        except ProcessingError as error:
            raise RejectedError(str(error)) from error

    async def _get(self, etag: str | None, where: str) -> Copy | None:
        # BSPump reads the second of them, everyone else the first.
        headers = {"If-None-Match": etag, "ETag": etag} if etag else {}
        async with (
            open_session(self.Options, self.URL) as session,
            session.get(self.URL, headers=headers) as response,
        ):
            if response.status == HTTPStatus.NOT_MODIFIED and etag:
                return None
            await raise_for_status(response, where=where, now_s=self.App.time())
            if response.status != HTTPStatus.OK:
                raise TransientError(f"{where}: expected the content, got {response.status}")
            body = await read_body(response, self.Options.max_body_bytes)
            return Copy(response.headers.get("ETag", ""), body)
