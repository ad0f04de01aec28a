"""Windows without a time: so many events of a key, or all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from .folding import Fold
from .open_windows import EARLY, FINAL, Firing, Manner, OpenWindows, fire_pane
from .spans import Counted, Global

_FIRST, _LAST, _COUNT, _ACC, _PANE, _FRESH, _NUMBER = range(7)
"""What is kept of a key: the earliest and the latest time, how many events, what is accumulated
(`None`: nothing since it fired), its pane, how many events are new, and its number in the order in
which they began. Plain data."""


class CountedWindows(OpenWindows):
    """Keeps one window for each key. No event is late.

    A window says it reaches from its earliest event to right after its latest one.

    Entries: by key, its window.
    """

    def __init__(self, span: Counted | Global, fold: Fold, manner: Manner) -> None:
        super().__init__(fold, manner)
        self._size = span.size if isinstance(span, Counted) else 0
        if not self._size and manner.early is None:
            raise ValueError("a global window never ends: expected `early=` to say when it fires")
        if manner.allowed_ms:
            raise ValueError("no event is late for it: expected no `allowed_lateness`")
        self._windows: dict[Any, list[Any]] = {}
        self._changed: set[Any] = set()
        self._fresh: dict[Any, None] = {}
        self._numbered = 0

    def count(self) -> int:
        return len(self._windows)

    def add(
        self, key: Any, at_ms: int, watermark_ms: int, context: Any, event: Any, /
    ) -> list[Firing] | None:
        window = self._windows.get(key)
        is_asked_for = self.manner.asks_for(context, event)
        if window is None:
            accumulated = self.fold.first(context, event, at_ms)
            self._numbered += 1
            window = [at_ms, at_ms, 0, accumulated, [0, None], 0, self._numbered]
            self._windows[key] = window
        elif window[_ACC] is None:
            window[_ACC] = self.fold.first(context, event, at_ms)
        else:
            self.fold.step(window[_ACC], context, event, at_ms)
        window[_FIRST], window[_LAST] = min(window[_FIRST], at_ms), max(window[_LAST], at_ms)
        window[_COUNT] += 1
        window[_FRESH] += 1
        if self.is_kept:
            self._changed.add(key)
        if self._size and window[_COUNT] >= self._size:
            del self._windows[key]
            self._fresh.pop(key, None)
            return self._fire(key, window, FINAL)
        if is_asked_for or self.manner.has_enough(window[_FRESH]):
            return self._fire(key, window, EARLY)
        if self.manner.early is not None:
            self._fresh[key] = None
        return None

    def _fire(self, key: Any, window: list[Any], kind: str) -> list[Firing]:
        span = window[_FIRST], window[_LAST] + 1
        says = self.manner.says
        found = fire_pane(window[_PANE], key, span, kind, self.results(window[_ACC]), says)
        window[_FRESH] = 0
        if says == "discard":
            window[_ACC] = None
        return found

    def fire_early(self) -> Iterator[Firing]:
        fresh, self._fresh = self._fresh, {}
        windows = [(window, key) for key in fresh if (window := self._windows[key])[_FRESH]]
        for window, key in sorted(windows, key=_number_of):
            if self.is_kept:
                self._changed.add(key)
            yield from self._fire(key, window, EARLY)

    def advance(self, watermark_ms: int, /) -> Iterator[Firing]:
        return iter(())

    def end(self) -> Iterator[Firing]:
        windows, self._windows, self._fresh = self._windows, {}, {}
        for key, window in windows.items():
            if self.is_kept:
                self._changed.add(key)
            if window[_FRESH] or (self._size and window[_ACC] is not None):
                yield from self._fire(key, window, FINAL)

    def changes(self) -> tuple[Mapping[Any, Any], Collection[Any]]:
        changed, removed = {}, set()
        for key in self._changed:
            window = self._windows.get(key)
            if window is None:
                removed.add(key)
                continue
            changed[key] = window.copy()
            if window[_ACC] is not None:
                changed[key][_ACC] = self.fold.dump(window[_ACC])
        self._changed.clear()
        self.tick += 1
        return changed, removed

    def load(self, entries: Iterable[tuple[Any, Any]], watermark_ms: int, /) -> None:
        found = [(window, key) for key, window in entries]
        for window, key in sorted(found, key=_number_of):
            self._windows[key] = window
            self._numbered = window[_NUMBER]
            if window[_ACC] is not None:
                window[_ACC] = self.fold.load(window[_ACC])
            if window[_FRESH] and self.manner.early is not None:
                self._fresh[key] = None

    def explain(self) -> list[dict[str, Any]]:
        return [
            {"Key": str(key), "Start": window[_FIRST], "Last": window[_LAST], "Of": window[_COUNT]}
            for key, window in islice(self._windows.items(), 10)
        ]


def _number_of(entry: tuple[list[Any], Any]) -> int:
    number: int = entry[0][_NUMBER]
    return number
