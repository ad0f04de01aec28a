"""The contract of stores for keyed state, and the one that keeps it in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .errors import ConfigError, UnknownNameError
from .state import FrozenState
from .timers import Record

if TYPE_CHECKING:
    from .component import Component

Upgrade = Callable[[Any, Record], bool]
"""Given a key and its record, brings an older state into its present form, and tells if it was."""


class Changes(NamedTuple):
    """What has changed since the last call, as a `Snapshot` has it.

    Args:
        changed: records by key; to be frozen before anything else happens.
        removed: keys.
        note: where else the rest is, as plain data; comes back by `load`.
        is_complete: what was handed over earlier is not needed any more.
    """

    changed: Mapping[Any, Record | None]
    removed: Collection[Any]
    note: Any = None
    is_complete: bool = False


class KeyedStore(ABC):
    """Keeps the records of the keys of one processor. None of its calls waits.

    A record that `get` returned may be changed until the next call of the store, if `note` has
    been called before: so that nothing is lost where the change fails half-way.
    """

    @classmethod  # noqa: B027 - most can always be used
    def check(cls, part: Component, /) -> None:
        """Raise ConfigError if the store cannot be used for a part."""

    @classmethod
    @abstractmethod
    def make(cls, part: Component, upgrade: Upgrade, /) -> Self:
        """Return a new store for a part; called when its first event comes, or its state."""

    @abstractmethod
    def get(self, key: Any, /) -> Record | None:
        """Return the record of a key."""

    @abstractmethod
    def add(self, key: Any, record: Record, /) -> None:
        """Keep the record of a key that is new."""

    @abstractmethod
    def note(self, key: Any, record: Record, /) -> None:
        """Take note that a record, which `get` has returned, is about to change."""

    @abstractmethod
    def remove(self, key: Any, /) -> None:
        """Forget a key that is there."""

    @abstractmethod
    def items(self) -> Iterator[tuple[Any, Record]]:
        """Iterate over all keys and their records; nothing may be changed meanwhile."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many keys there are."""

    @abstractmethod
    def changes(self) -> Changes:
        """Return what has changed since the last call.

        What earlier calls have returned is never lost, but maybe it does not become durable
        before the next one. Where nothing has changed, the note is the one before.
        """

    @abstractmethod
    def load(self, keyed: dict[Any, Any], note: Any, /) -> None:
        """Be as it was when what was returned by `changes` was put together."""

    def stored(self, state: FrozenState, /) -> None:  # noqa: B027 - most need not know
        """Take note that changes are durable: all that were returned since the last call."""

    async def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release what it has. Twice is fine."""


class MemoryKeyedStore(KeyedStore):
    """Keeps records in a dict.

    Args:
        upgrade: of records of earlier versions.
        is_kept: somebody calls `changes` from time to time.
    """

    def __init__(self, upgrade: Upgrade, *, is_kept: bool = True) -> None:
        self._upgrade, self._is_kept = upgrade, is_kept
        self._records: dict[Any, Record] = {}
        self._changed: dict[Any, Record] = {}
        self._removed: set[Any] = set()
        # Called for every event, so bound once.
        self.get = self._records.get  # type: ignore[method-assign]
        self._follow()

    @classmethod
    def make(cls, part: Component, upgrade: Upgrade, /) -> Self:
        return cls(upgrade, is_kept=bool(part.Pipeline.is_durable()))

    def _follow(self) -> None:
        if self._is_kept:
            self.note = self._changed.__setitem__  # type: ignore[method-assign]

    def get(self, key: Any, /) -> Record | None:
        return self._records.get(key)

    def add(self, key: Any, record: Record, /) -> None:
        self._records[key] = record
        self.note(key, record)

    def note(self, key: Any, record: Record, /) -> None:
        """Take no note: nobody asks for changes."""

    def remove(self, key: Any, /) -> None:
        del self._records[key]
        if self._is_kept:
            self._changed.pop(key, None)
            self._removed.add(key)

    def items(self) -> Iterator[tuple[Any, Record]]:
        return iter(self._records.items())

    def __len__(self) -> int:
        return len(self._records)

    def changes(self) -> Changes:
        found = Changes(self._changed, self._removed)
        self._changed, self._removed = {}, set()
        self._follow()
        return found

    def load(self, keyed: dict[Any, Any], note: Any, /) -> None:
        self._records.update(keyed)
        for key, record in keyed.items():
            if self._upgrade(key, record):
                self.note(key, record)


KEYED_STORES: dict[str, Callable[[], type[KeyedStore]]] = {"memory": lambda: MemoryKeyedStore}
"""Functions that return stores, by name; `register_keyed_store` adds to it."""


def register_keyed_store(name: str, load: Callable[[], type[KeyedStore]]) -> None:
    """Let options call a store `name`; `load` imports it when it is needed."""
    KEYED_STORES[name] = load


def find_keyed_store(name: str, part: Component) -> type[KeyedStore]:
    """Return the store of that name, if it can be used for a part.

    Raises:
        UnknownNameError: there is no store of that name.
        ConfigError: it cannot be used; it says what is missing.
    """
    if name not in KEYED_STORES:
        raise UnknownNameError(
            "keyed store", name, used_by=part.locate_address(), known=KEYED_STORES
        )
    store = KEYED_STORES[name]()
    store.check(part)
    return store


def other_store(part: Component, stored: str, expected: str) -> ConfigError:
    """Return the error that says that the state of a part is kept elsewhere."""
    address = part.locate_address()
    return ConfigError(
        f"{address}: its state is kept in {stored!r} [{ConfigError.Code}]\n"
        f"  got: store = {expected}\n"
        f"  what to do: go on with `store = {stored}`, or `forget = {address}` in [checkpoint]"
    )
