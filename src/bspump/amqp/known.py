"""Which messages have been passed on before, by their ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple


class _Taken(NamedTuple):
    """A message that was taken and is not known to have been passed on yet."""

    consumer: str
    tag: int
    id: str
    is_refused: bool


class KnownMessages:
    """The ids of the messages that a broker may bring again, the oldest first.

    A broker holds back what exceeds the prefetch. So when it delivers a message, it knows of the
    acknowledgements of all but so many before it; what is older comes again only if the broker
    itself forgets. Twice the prefetch is enough, even if others come in between.

    >>> known = KnownMessages(2)
    >>> for tag, id in enumerate("abc", start=1):
    ...     known.take("consumer", tag, id, is_refused=False)
    >>> known.pass_on({"consumer": "consumer", "tag": 2})
    >>> "b" in known, "c" in known
    (True, False)

    Args:
        limit: how many are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ids: dict[str, bool] = {}
        self._taken: deque[_Taken] = deque()

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def is_refused(self, id: str) -> bool:
        """Tell whether a message that is known was one that cannot be decoded."""
        return self._ids[id]

    def take(self, consumer: str, tag: int, id: str, *, is_refused: bool) -> None:
        """Take note of a message, in the order of delivery; it is known when it is passed on."""
        self._taken.append(_Taken(consumer, tag, id, is_refused))

    def pass_on(self, position: Mapping[str, Any] | None) -> None:
        """Take note that everything up to `position` was passed on."""
        while self._taken and position is not None:
            first = self._taken[0]
            if first.consumer != position["consumer"] or first.tag > position["tag"]:
                break
            self._add(first.id, first.is_refused)
            self._taken.popleft()

    def let_go(self) -> None:
        """Take note that what was not passed on comes again: the consumer is gone."""
        self._taken.clear()

    def _add(self, id: str, is_refused: bool) -> None:
        # One that has come again is the newest, for it may do so once more.
        self._ids.pop(id, None)
        self._ids[id] = is_refused
        if len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]

    def state(self) -> dict[str, bool]:
        """Return the ids that are known, and whether they were refused; plain data."""
        return dict(self._ids)

    def restore(self, state: Mapping[str, bool]) -> None:
        """Know what `state` has returned; the newest of it, if the limit is smaller now."""
        self._ids.clear()
        for id, is_refused in state.items():
            self._add(id, is_refused)
