"""Dictionaries that remember: without limits, or the most recently used for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bspump.abc.host import Application


class CacheDict(dict[Any, Any]):
    """A dict under the name that says what it is for. It has no limits; `LRUCacheDict` has."""


class LRUCacheDict(MutableMapping[Any, Any]):
    """A mapping that keeps the most recently used items, none for longer than `max_duration`.

    Reading a value (`[]`, `get`) or writing it is a use. An item that is too old is gone for
    every method, `len()` and iteration included. All but iteration takes constant time.

    Args:
        app: whose clock tells the age.
        max_size: items at the most.
        max_duration: seconds since an item was written; `None`, the default, is no limit.
        args: what to begin with, as for `dict`.

    Raises:
        ValueError: `max_size` is less than 1.
    """

    def __init__(
        self,
        app: Application,
        max_size: int = 1000,
        max_duration: float | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if max_size < 1:
            raise ValueError(f"max_size: expected 1 or more, got {max_size}")
        self.App = app
        self.MaxSize = max_size
        self.MaxDuration = max_duration
        self._items: OrderedDict[Any, Any] = OrderedDict()  # The least recently used comes first.
        self._written_at: OrderedDict[Any, float] = OrderedDict()  # The oldest comes first.
        self.update(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        self._expire()
        value = self._items[key]
        self._items.move_to_end(key)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if self.MaxDuration is not None:
            self._written_at[key] = self.App.Clock.monotonic()
            self._written_at.move_to_end(key)
        self._expire()
        if len(self._items) > self.MaxSize:
            oldest, _ = self._items.popitem(last=False)
            self._written_at.pop(oldest, None)

    def __delitem__(self, key: Any) -> None:
        self._expire()
        del self._items[key]
        self._written_at.pop(key, None)

    def __contains__(self, key: object) -> bool:
        self._expire()
        return key in self._items

    def __iter__(self) -> Iterator[Any]:
        self._expire()
        # A copy, because reading on the way changes the order.
        return iter(list(self._items))

    def items(self) -> ItemsView[Any, Any]:
        """Return the items as they are now; looking at them is no use of them."""
        self._expire()
        return dict(self._items).items()

    def values(self) -> ValuesView[Any]:
        """Return the values as they are now; looking at them is no use of them."""
        self._expire()
        return dict(self._items).values()

    def __len__(self) -> int:
        self._expire()
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self._items)!r})"

    def _expire(self) -> None:
        if not self._written_at or self.MaxDuration is None:
            return
        oldest_at = self.App.Clock.monotonic() - self.MaxDuration
        while self._written_at:
            key, written_at = next(iter(self._written_at.items()))
            if written_at >= oldest_at:
                return
            del self._written_at[key], self._items[key]
