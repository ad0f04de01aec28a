"""The contract of lookup providers: where the whole content of a lookup comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from .config import ConfigSource, Entry
from .errors import ConfigError
from .options import Configurable

if TYPE_CHECKING:
    from .lookup import Lookup


def without_credentials(url: str) -> str:
    """Return `url` as it may be shown.

    >>> without_credentials("https://me:secret@host/lookup"), without_credentials("a/file.json")
    ('https://***@host/lookup', 'a/file.json')
    """
    if "://" not in url or "@" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}"))


class _Overlaid(ConfigSource):
    """The configuration, in which a second section lies over each."""

    def __init__(self, source: ConfigSource, over: str) -> None:
        self._source = source
        self._over = over

    def entries(self, section: str, /) -> Mapping[str, Entry]:
        return {**self._source.entries(section), **self._source.entries(self._over)}

    def report(self, problem: ConfigError, /) -> None:
        self._source.report(problem)


class LookupProvider(Configurable, ABC):
    """Fetches the whole content of a lookup from where its URL points.

    Its options stand in `lookupprovider:<Id>`, the Id being the name of the class, and those
    for one lookup alone in `lookupprovider:<Id of the lookup>`.
    """

    def __init__(
        self,
        lookup: Lookup,
        url: str,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.Lookup = lookup
        self.App = lookup.App
        self.URL = url
        self.ETag: str | None = None
        self.Failure: Exception | None = None
        """Why what the last `load` returned is older than it should be, such as kept on disk."""
        source = _Overlaid(self.App.Config, f"lookupprovider:{lookup.Id}")
        self._configure(source, f"lookupprovider:{self.Id}", config)

    @abstractmethod
    async def load(self) -> bytes | None:
        """Return the content, or `None` where it has not changed since the last `commit`.

        Raises:
            TransferError: it cannot be had now; the lookup keeps what it has.
        """

    async def commit(self) -> None:
        """Take note that the lookup uses what the last `load` returned.

        Not called where the lookup could make no use of it: then it is new the next time, too.
        """

    async def save(self, data: bytes) -> None:
        """Replace the content where it came from, atomically, if that is possible."""
        raise NotImplementedError(f"{type(self).__name__}.save")

    def is_local(self) -> bool:
        """Tell whether the content is owned here rather than fetched from elsewhere."""
        return False


LookupProviderABC = LookupProvider
LookupBatchProviderABC = LookupProvider
