"""Windows that are the same for all keys, open and accumulating."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from bspump.abc.event_time import BEGIN_MS, END_MS

from .folding import Accumulated, Fold
from .open_windows import EARLY, FINAL, LATE, TOO_LATE, Firing, Manner, OpenWindows, fire_pane
from .spans import Aligned, Window

_ENTRY, _PANE, _FRESH = 0, 1, 2

Group = dict[Any, Accumulated]


class AlignedWindows(OpenWindows):
    """Keeps for each slice of time what is accumulated by key, and puts windows together of them.

    So the watermark has to be compared with slices, of which there are few, and not with keys.

    Entries: `(0, slice, key)` what is accumulated; `(1, end, key)` the pane of a window; and
    `(2, slice, key)` how many events are new to a window that fires early.
    """

    def __init__(self, aligned: Aligned, fold: Fold, manner: Manner, *, is_kept: bool) -> None:
        super().__init__(fold, manner, is_kept=is_kept)
        if aligned.overlaps and (manner.says == "discard" or manner.fires_singly):
            raise ValueError(
                "windows that overlap share what is accumulated: with them use `accumulate` or"
                " `retract`, and of early triggers only `Every`"
            )
        self._aligned = aligned
        self._slices: dict[int, Group] = {}
        self._panes: dict[int, dict[Any, list[Any]]] = {}
        self._fresh: dict[int, dict[Any, int]] = {}
        self._watermark_ms = BEGIN_MS
        self._closed_ms = BEGIN_MS
        self._changed: dict[int, set[Any]] = defaultdict(set)
        self._changed_others: set[tuple[int, int, Any]] = set()
        self._removed: list[tuple[int, int, Any]] = []
        self._slice_of, self._first, self._step = aligned.slice_of, fold.first, fold.step
        self._is_simple = manner.fires_once

    def __len__(self) -> int:
        return sum(map(len, self._slices.values()))

    def add(
        self, key: Any, at_ms: int, watermark_ms: int, context: Any, event: Any, /
    ) -> list[Firing] | None:
        start_ms = self._slice_of(at_ms)
        group = self._slices.get(start_ms)
        if group is None:
            if self._aligned.last_end(start_ms) + self.manner.allowed_ms <= watermark_ms:
                return TOO_LATE
            group = self._begin(start_ms, watermark_ms)
        accumulated = group.get(key)
        if accumulated is None:
            group[key] = self._first(context, event, at_ms)
        else:
            self._step(accumulated, context, event, at_ms)
        if self.is_kept:
            self._changed[start_ms].add(key)
        return None if self._is_simple else self._added(key, start_ms, watermark_ms, context, event)

    def _begin(self, start_ms: int, watermark_ms: int) -> Group:
        group = self._slices[start_ms] = {}
        self._watermark_ms = max(self._watermark_ms, watermark_ms)
        self._find_due()
        return group

    def _find_due(self) -> None:
        """Look when something happens next: a window ends, or a slice is of no more use."""
        aligned, allowed_ms, now_ms = self._aligned, self.manner.allowed_ms, self._watermark_ms
        due_ms = END_MS
        for start_ms in self._slices:
            last_ms = aligned.last_end(start_ms)
            if last_ms > now_ms:
                due_ms = min(due_ms, aligned.next_end(start_ms, now_ms))
            else:
                due_ms = min(due_ms, last_ms + allowed_ms)
        self.due_ms = due_ms

    # What fires more than once

    def _added(
        self, key: Any, start_ms: int, watermark_ms: int, context: Any, event: Any
    ) -> list[Firing] | None:
        if self.manner.early is not None:
            fresh = self._fresh.setdefault(start_ms, {})
            fresh[key] = count = fresh.get(key, 0) + 1
            self._note(_FRESH, start_ms, key)
            if self.manner.fires_now(count, context, event):
                window = self._aligned.windows_of(start_ms)[0]
                if window.end_ms > watermark_ms:
                    self._refresh(start_ms, key)
                    return self._fire_pane(window, key, EARLY)
        if not self.manner.allowed_ms:
            return None
        found: list[Firing] = []
        for window in self._aligned.windows_of(start_ms):
            if window.end_ms <= watermark_ms < window.end_ms + self.manner.allowed_ms:
                found += self._fire_pane(window, key, LATE)
        if found:
            self._refresh(start_ms, key)
        return found or None

    def _refresh(self, start_ms: int, key: Any) -> None:
        """Take note that nothing is new any more."""
        if self._fresh.get(start_ms, {}).pop(key, None) is not None:
            self._note(_FRESH, start_ms, key)

    def _fire_pane(self, window: Window, key: Any, kind: str) -> list[Firing]:
        accumulated = self._of_window(window, key)
        if accumulated is None:
            return []
        pane = self._panes.setdefault(window.end_ms, {}).setdefault(key, [0, None])
        self._note(_PANE, window.end_ms, key)
        results = self.results(accumulated)
        found = fire_pane(pane, key, window, kind, results, self.manner.says)
        if self.manner.says == "discard":
            del self._slices[window.start_ms][key]
            if self.is_kept:
                self._changed[window.start_ms].add(key)
        return found

    def _of_window(self, window: Window, key: Any) -> Accumulated | None:
        """Return what is accumulated for a key, of all slices of a window."""
        groups = [self._slices.get(start, {}) for start in self._aligned.slices_of(window)]
        parts = [group[key] for group in groups if key in group]
        if len(parts) <= 1:
            return parts[0] if parts else None
        # Slices are used again by other windows, so none of them is to be changed.
        merged = self.fold.new()
        for part in parts:
            merged = self.fold.merge(merged, part)
        return merged

    def fire_early(self) -> Iterator[Firing]:
        if not self._fresh:
            return
        windows: dict[Window, dict[Any, None]] = {}
        for start_ms, fresh in sorted(self._fresh.items()):
            for window in self._aligned.windows_of(start_ms):
                if window.end_ms > self._watermark_ms:
                    windows.setdefault(window, {}).update(dict.fromkeys(fresh))
            for key in fresh:
                self._note(_FRESH, start_ms, key)
        self._fresh = {}
        for window in sorted(windows, key=lambda each: each.end_ms):
            for key in windows[window]:
                yield from self._fire_pane(window, key, EARLY)

    # Time

    def advance(self, watermark_ms: int, /) -> Iterator[Firing]:
        while self.due_ms <= watermark_ms:
            now_ms = self._watermark_ms = self.due_ms
            yield from self._fire(now_ms)
            self._drop(now_ms)
            self._find_due()
        self._watermark_ms = max(self._watermark_ms, watermark_ms)

    def _fire(self, end_ms: int) -> Iterator[Firing]:
        """Fire the window that ends at `end_ms`, if one does."""
        window = self._aligned.window_to(end_ms)
        if window.end_ms != end_ms:
            return
        groups = [self._slices.get(start) for start in self._aligned.slices_of(window)]
        parts = [group for group in groups if group]
        if not self._is_simple:
            for key in list(dict.fromkeys(chain.from_iterable(parts))):
                yield from self._fire_pane(window, key, FINAL)
            for start_ms in self._aligned.slices_of(window):
                if self._aligned.last_end(start_ms) <= end_ms:
                    for key in self._fresh.pop(start_ms, {}):
                        self._note(_FRESH, start_ms, key)
            return
        results = self.results
        if len(parts) == 1:
            for key, accumulated in parts[0].items():
                yield Firing(key, *window, FINAL, 0, results(accumulated))
            return
        for key in dict.fromkeys(chain.from_iterable(parts)):
            merged = self._of_window(window, key)
            if merged is not None:
                yield Firing(key, *window, FINAL, 0, results(merged))

    def _drop(self, now_ms: int) -> None:
        """Forget what no window needs any more."""
        allowed_ms = self.manner.allowed_ms
        for start_ms in list(self._slices):
            if self._aligned.last_end(start_ms) + allowed_ms <= now_ms:
                self._forget(_ENTRY, start_ms, self._slices.pop(start_ms))
                self._changed.pop(start_ms, None)
                self._forget(_FRESH, start_ms, self._fresh.pop(start_ms, {}))
        for end_ms in [end for end in self._panes if end + allowed_ms <= now_ms]:
            self._forget(_PANE, end_ms, self._panes.pop(end_ms))

    def end(self) -> Iterator[Firing]:
        while self._slices:
            yield from self.advance(self.due_ms)

    # Checkpoints

    def _note(self, kind: int, at_ms: int, key: Any) -> None:
        if self.is_kept:
            self._changed_others.add((kind, at_ms, key))

    def _forget(self, kind: int, at_ms: int, keys: Iterable[Any]) -> None:
        if self.is_kept:
            self._removed += [(kind, at_ms, key) for key in keys]

    def changes(self) -> tuple[Mapping[Any, Any], Collection[Any]]:
        changed: dict[Any, Any] = {}
        removed = set(self._removed)
        dump = (lambda accumulated: accumulated) if self.fold.is_plain else self.fold.dump
        for start_ms, keys in self._changed.items():
            group = self._slices.get(start_ms, {})
            for key in keys:
                if key in group:
                    changed[_ENTRY, start_ms, key] = dump(group[key])
                else:
                    removed.add((_ENTRY, start_ms, key))
        for kind, at_ms, key in self._changed_others:
            table: Any = self._panes if kind == _PANE else self._fresh
            found = table.get(at_ms, {}).get(key)
            if found is None:
                removed.add((kind, at_ms, key))
            else:
                changed[kind, at_ms, key] = found
        self._changed.clear()
        self._changed_others.clear()
        self._removed.clear()
        return changed, removed - changed.keys()

    def load(self, entries: Iterable[tuple[Any, Any]], watermark_ms: int, /) -> None:
        for (kind, at_ms, key), value in entries:
            if kind == _ENTRY:
                self._slices.setdefault(at_ms, {})[key] = self.fold.load(value)
            elif kind == _PANE:
                self._panes.setdefault(at_ms, {})[key] = value
            else:
                self._fresh.setdefault(at_ms, {})[key] = value
        self._watermark_ms = watermark_ms
        self._find_due()

    def explain(self) -> list[dict[str, Any]]:
        windows = sorted({w for start in self._slices for w in self._aligned.windows_of(start)})
        return [
            {
                "Start": window.start_ms,
                "End": window.end_ms,
                "Keys": sum(len(self._slices.get(s, ())) for s in self._aligned.slices_of(window)),
            }
            for window in [w for w in windows if w.end_ms > self._watermark_ms][:10]
        ]
