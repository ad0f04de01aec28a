"""What was kept of a state last, to tell what has changed since."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bspump.abc.state import Snapshot


class Kept:
    """Compares a state that comes in pieces with what it was the last time.

    It costs a copy of the state, and finds every change, also one that was made in an array
    directly.
    """

    def __init__(self) -> None:
        self._value: Any = None
        self._pieces: dict[Any, Any] = {}

    def changes(self, value: Any, pieces: Iterable[tuple[Any, Any]]) -> Snapshot | None:
        """Return what has changed since the last call, `None` if nothing has."""
        kept, changed, seen = self._pieces, {}, set()
        for key, piece in pieces:
            seen.add(key)
            if kept.get(key) != piece:
                changed[key] = kept[key] = piece
        removed = kept.keys() - seen
        for key in removed:
            del kept[key]
        if not changed and not removed and value == self._value:
            return None
        self._value = value
        return Snapshot(value=value, changed=changed, removed=removed)

    def follow(self, value: Any, pieces: dict[Any, Any]) -> None:
        """Take note that this is what was kept last."""
        self._value, self._pieces = value, dict(pieces)
