"""Lookups that live in memory, and do as the test says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from bspump.abc.errors import RejectedError, TransferError
from bspump.abc.lookup import AsyncLookup, Lookup, LookupProvider, MappingLookup

if TYPE_CHECKING:
    from bspump.abc.host import Application


class MemoryProvider(LookupProvider):
    """Hands a lookup the bytes that the test has put into `Data`; `None` is: not changed.

    Attributes:
        Error: raised by `load()` instead, if it is not `None`.
        Loads: how often `load()` was called.
    """

    def __init__(self, lookup: Lookup, data: bytes | None = None) -> None:
        super().__init__(lookup, "memory://")
        self.Data = data
        self.Error: TransferError | None = None
        self.Loads = 0

    async def load(self) -> bytes | None:
        self.Loads += 1
        if self.Error is not None:
            raise self.Error
        return self.Data

    async def save(self, data: bytes) -> None:
        self.Data = data


class MemoryLookup(MappingLookup):
    """A dict as a lookup; it is loaded as a JSON object from what `Provider.Data` holds.

    Args:
        content: what it holds at first.
    """

    Provider: MemoryProvider

    def __init__(
        self,
        app: Application,
        content: Mapping[str, Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        self.Content = dict(content or {})
        self.Provider = MemoryProvider(self)

    def __getitem__(self, key: Any) -> Any:
        return self.Content[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.Content)

    def __len__(self) -> int:
        return len(self.Content)

    def serialize(self) -> bytes:
        return msgspec.json.encode(self.Content)

    def deserialize(self, data: bytes) -> None:
        try:
            # A new dict: whoever iterates over the old one goes on undisturbed.
            self.Content = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise RejectedError(f"lookup {self.Id!r}: expected a JSON object: {error}") from error


class MemoryAsyncLookup(AsyncLookup):
    """A dict as a lookup that has to be waited for.

    Args:
        content: what it holds at first.

    Attributes:
        Asked: the keys that were asked for, in the order of the calls.
    """

    def __init__(
        self,
        app: Application,
        content: Mapping[Any, Any] | None = None,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        self.Content = dict(content or {})
        self.Asked: list[Any] = []

    async def get(self, key: Any) -> Any:
        self.Asked.append(key)
        await self.App.Clock.sleep(0)
        return self.Content.get(key)
