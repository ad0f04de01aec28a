"""The contract of lookups: tables that enrich events, loaded as a whole or asked by key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from msgspec import Meta

from .errors import UnknownNameError
from .lookupprovider import LookupProvider, without_credentials
from .options import Configurable, Duration, Options

if TYPE_CHECKING:
    from .host import Application, PubSub

__all__ = [
    "AsyncLookup",
    "AsyncLookupMixin",
    "Lookup",
    "LookupOptions",
    "LookupProvider",
    "MappingLookup",
]

log = logging.getLogger(__name__)


class LookupOptions(Options, frozen=True, kw_only=True):
    """Where the content of a lookup comes from, and how often."""

    source_url: Annotated[
        str,
        Meta(description="A file (`/data/a.json`, `file:///data/a.json`) or `http(s)://…`."),
    ] = ""
    master_url: Annotated[
        str, Meta(description="Another application that serves the lookup; after `source_url`.")
    ] = ""
    master_url_endpoint: Annotated[
        str, Meta(description="Path of lookups in that application.")
    ] = "/bspump/v1/lookup/"
    master_lookup_id: Annotated[
        str, Meta(description="Id of the lookup in that application; default is the own one.")
    ] = ""
    refresh: Annotated[
        Duration, Meta(description="Seconds after which it is loaded again; 0: never.")
    ] = 0.0
    required: Annotated[
        bool, Meta(description="The application does not start without its content.")
    ] = True


class Lookup(Configurable):
    """A table that enriches events, registered at the pump service and found by its Id.

    `source_url`, or the older `master_url`, says where its content comes from; a lookup that is
    filled by the program has neither. The section of the configuration is `lookup:<Id>`.

    A load that fails keeps what was loaded before; `rest_get` tells why and how old that is.
    With the option `refresh`, the first `load` starts a task of the application that repeats
    it, also after a failure. `bspump.Lookup.changed!` is published on `PubSub` after each
    change.

    Args:
        lazy: it is not loaded when the application starts.
    """

    OptionsClass: ClassVar[type[Options]] = LookupOptions
    Providers: ClassVar[dict[str, type[LookupProvider]]] = {}
    """By the scheme of the URL; filled by the packages that bring providers."""

    def __init__(
        self,
        app: Application,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.App = app
        self.Lazy = lazy
        self._configure(app.Config, f"lookup:{self.Id}", config)
        make_pubsub: Any = type(app.PubSub)
        self.PubSub: PubSub = make_pubsub(app)
        self.LoadedAt: float | None = None
        self.LastError: Exception | None = None
        self._loading = asyncio.Lock()
        self._refreshing: asyncio.Task[Any] | None = None
        self.Provider = self._provider()

    def _provider(self) -> LookupProvider | None:
        url = self._url()
        if not url:
            return None
        scheme = url.partition("://")[0] if "://" in url else "file"
        if scheme not in self.Providers:
            raise UnknownNameError(
                "lookup provider", scheme, used_by=f"lookup {self.Id!r}", known=self.Providers
            )
        return self.Providers[scheme](self, url)

    def _url(self) -> str:
        config = self.Config
        master = str(config.get("master_url", "")).rstrip("/")
        if config.get("source_url") or not master:
            return str(config.get("source_url", ""))
        endpoint = str(config.get("master_url_endpoint", "")).strip("/")
        lookup_id = str(config.get("master_lookup_id", "")) or self.Id
        master = master if "://" in master else f"http://{master}"
        return "/".join(part for part in (master, endpoint, lookup_id) if part)

    @property
    def MasterURL(self) -> str | None:
        """The URL of the application that owns the content; `None` where it is owned here."""
        provider = self.Provider
        return None if provider is None or provider.is_local() else provider.URL

    @property
    def Loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the application."""
        return self.App.Loop

    def time(self) -> float:
        """Return the wall clock, Unix seconds."""
        return self.App.time()

    @classmethod
    def construct(cls, app: Application, definition: dict[str, Any]) -> Self:
        """Build the lookup of a declaration: `id`, `config`, keyword arguments in `args`."""
        return cls(
            app, definition.get("id"), definition.get("config"), **definition.get("args", {})
        )

    async def load(self) -> bool:
        """Fetch the content and take it over; False where there was nothing new.

        Loads follow one another, however many are asked for. One that is cancelled has changed
        nothing, or everything.

        Raises:
            TransferError: it cannot be had now; what was loaded before is kept.
            RejectedError: it was fetched, but is not what this lookup expects.
        """
        self._keep_fresh()
        async with self._loading:
            try:
                is_new = await self._renew()
            except Exception as error:
                self.LastError = error
                raise
            self.LastError = None if self.Provider is None else self.Provider.Failure
            if self.LastError is None:
                self.LoadedAt = self.time()
        return is_new

    async def _renew(self) -> bool:
        """Fetch the content, take it over and say so; False where there was nothing new."""
        if self.Provider is None:
            return False
        data = await self.Provider.load()
        if data is None:
            return False
        await self._take(data)
        self.PubSub.publish("bspump.Lookup.changed!")
        await self.Provider.commit()
        return True

    async def _take(self, data: bytes) -> None:
        """Take over what was fetched; override where that is better done in a thread."""
        self.deserialize(data)

    def _keep_fresh(self) -> None:
        every_s = getattr(self.Options, "refresh", 0.0)
        if every_s and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = self.App.spawn(
                self._refresh(every_s), name=f"lookup {self.Id}: refresh"
            )

    async def _refresh(self, every_s: float) -> None:
        while True:
            await self.App.Clock.sleep(every_s)
            before = self.LastError
            try:
                await self.load()
            except Exception as error:  # noqa: BLE001 - content and code may be anyone's; the next attempt may do
                # Said once, not every time: it may last for days.
                if before is None or str(before) != str(error):
                    fields = {"lookup": self.Id, "error": str(error)}
                    log.warning("lookup keeps its old content", extra={"fields": fields})
            else:
                if before is not None and self.LastError is None:
                    log.info("lookup is loaded again", extra={"fields": {"lookup": self.Id}})

    def ensure_future_update(
        self, loop: asyncio.AbstractEventLoop | None = None
    ) -> asyncio.Task[Any]:
        """Load in a task of the application; a failure is logged."""
        return self.App.spawn(self.load(), name=f"lookup {self.Id}")

    def is_master(self) -> bool:
        """Tell whether the content is owned here rather than fetched from another application."""
        return self.MasterURL is None

    def serialize(self) -> bytes:
        """Return the whole content, as `deserialize` takes it."""
        raise NotImplementedError(f"{type(self).__name__}.serialize")

    def deserialize(self, data: bytes) -> None:
        """Replace the whole content; what is not in `data` is gone afterwards.

        Raises:
            RejectedError: it is not what this lookup expects; the content is as before.
        """
        raise NotImplementedError(f"{type(self).__name__}.deserialize")

    async def close(self) -> None:
        """Release what it holds; called once when the application ends. Twice is fine."""
        if self._refreshing is not None:
            self._refreshing.cancel()

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows.

        `loaded_at` and `age_s` say when the content was last known to be up to date, in Unix
        seconds and in seconds; `last_error` why the last load failed, or was not needed to.
        """
        answer: dict[str, Any] = {"Id": self.Id}
        if self.Provider is not None:
            if self.Provider.ETag:
                answer["ETag"] = self.Provider.ETag
            if self.MasterURL:
                answer["MasterURL"] = without_credentials(self.MasterURL)
        if self.LoadedAt is not None:
            answer["loaded_at"] = self.LoadedAt
            answer["age_s"] = max(0.0, self.time() - self.LoadedAt)
        if self.LastError is not None:
            answer["last_error"] = str(self.LastError) or repr(self.LastError)
        return answer


class MappingLookup(Lookup, Mapping[Any, Any]):
    """A lookup that is read like a dict."""

    def __getitem__(self, key: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__")

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}.__len__")

    # A lookup is a thing with an identity, whatever it holds.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class AsyncLookupMixin:
    """What makes a lookup one that has to be waited for: `get` is a coroutine."""

    async def get(self, key: Any) -> Any:
        """Return what is known of `key`, `None` where nothing is.

        Raises:
            TransferError: it cannot be known now.
        """
        raise NotImplementedError(f"{type(self).__name__}.get")


class AsyncLookup(AsyncLookupMixin, Lookup):
    """A lookup that has to be waited for, key by key."""
