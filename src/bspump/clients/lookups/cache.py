"""A bounded cache whose values age. It has no clock: whoever asks says what time it is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple


class Kept(NamedTuple):
    """A value, and until when it may be used: as it is, and while it is asked for again."""

    value: Any
    fresh_until: float
    stale_until: float


class AgingCache:
    """Values by key, at most `size` of them; the one that was used longest ago goes first.

    >>> cache = AgingCache(size=2)
    >>> for key in "abc":
    ...     cache.put(key, key.upper(), fresh_until=10, stale_until=15)
    >>> cache.get("a", at=9), cache.get("c", at=9).value, cache.get("c", at=15)
    (None, 'C', None)
    >>> len(cache)
    1
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, *, at: float) -> Kept | None:
        """Return what is kept for `key`, unless it is too old for any use; then it is dropped."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if at >= kept.stale_until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: Hashable, value: Any, *, fresh_until: float, stale_until: float) -> None:
        """Keep `value` for `key`, in place of what was kept before."""
        self._kept[key] = Kept(value, fresh_until, stale_until)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        """Forget `key`; one that is not kept is fine."""
        self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
