"""Windows that are the same for all keys, open and accumulating."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from bspump.abc.event_time import BEGIN_MS, END_MS

from .folding import Accumulated, Fold
from .open_windows import EARLY, FINAL, LATE, TOO_LATE, Firing, Hot, Manner, OpenWindows, fire_pane
from .spans import Aligned, Window

_ENTRY, _PANE, _FRESH = 0, 1, 2

Group = dict[Any, Accumulated]
"""By key. Behind what is accumulated stand the number of the entry, in the order in which they
were made, and the tick at which it has changed last."""


class AlignedWindows(OpenWindows):
    """Keeps for each slice of time what is accumulated by key, and puts windows together of them.

    So the watermark has to be compared with slices, of which there are few, and not with keys.

    Entries: `(0, slice, key)` what is accumulated; `(1, end, key)` the pane of a window; and
    `(2, slice, key)` how many events are new to a window that fires early.
    """

    def __init__(self, aligned: Aligned, fold: Fold, manner: Manner) -> None:
        super().__init__(fold, manner)
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
        self._changed: set[tuple[int, Any]] = set()
        self._changed_others: set[tuple[int, int, Any]] = set()
        self._removed: list[tuple[int, int, Any]] = []
        self._slice_of, self._first, self._step = aligned.slice_of, fold.first, fold.step
        self._number, self._tick = len(fold.names), len(fold.names) + 1
        self._numbered = 0
        self._is_simple = manner.fires_once

    def count(self) -> int:
        return sum(map(len, self._slices.values()))

    def add(
        self, key: Any, at_ms: int, watermark_ms: int, context: Any, event: Any, /
    ) -> list[Firing] | None:
        start_ms = self._slice_of(at_ms)
        group = self._slices.get(start_ms)
        if group is None and self._is_over(start_ms, watermark_ms):
            return TOO_LATE
        is_asked_for = self.manner.asks_for(context, event)
        accumulated = None if group is None else group.get(key)
        if accumulated is not None:
            self._step(accumulated, context, event, at_ms)
        else:
            made = self._first(context, event, at_ms)
            if group is None:
                group = self._begin(start_ms, watermark_ms)
            self._numbered += 1
            group[key] = accumulated = [*made, self._numbered, self.tick - 1]
        if accumulated[self._tick] != self.tick:
            self._note_entry(accumulated, start_ms, key)
        if self._is_simple:
            return None
        return self._added(key, start_ms, watermark_ms, is_asked_for=is_asked_for)

    def hot(self) -> Hot | None:
        if not self._is_simple:
            return None
        lines = [
            f"start = {self._aligned.slice_text}",
            "group = slices.get(start)",
            "if group is not None:",
            "    acc = group.get(k)",
            "    if acc is not None:",
            *("        " + line for line in self.fold.text),
            f"        if acc[{self._tick}] != windows.tick:",
            "            note(acc, start, k)",
            "        return N",
        ]
        scope = {"slices": self._slices, "slice_of": self._slice_of, "note": self._note_entry}
        return Hot(lines, {**self.fold.scope, **scope, "windows": self})

    def _is_over(self, start_ms: int, watermark_ms: int) -> bool:
        """Tell whether a slice is of no more use."""
        return self._aligned.last_end(start_ms) + self.manner.allowed_ms <= watermark_ms

    def _begin(self, start_ms: int, watermark_ms: int) -> Group:
        group = self._slices[start_ms] = {}
        self._watermark_ms = max(self._watermark_ms, watermark_ms)
        self.due_ms = min(self.due_ms, self._due_of(start_ms))
        return group

    def _due_of(self, start_ms: int) -> int:
        """Return when a window of a slice ends, or when the slice is of no more use."""
        last_ms = self._aligned.last_end(start_ms)
        if last_ms > self._watermark_ms:
            return self._aligned.next_end(start_ms, self._watermark_ms)
        return last_ms + self.manner.allowed_ms

    def _find_due(self) -> None:
        self.due_ms = min(map(self._due_of, self._slices), default=END_MS)

    # What fires more than once

    def _added(
        self, key: Any, start_ms: int, watermark_ms: int, *, is_asked_for: bool
    ) -> list[Firing] | None:
        last_ms = self._aligned.last_end(start_ms)
        if self.manner.early is not None and last_ms > watermark_ms:
            fresh = self._fresh.setdefault(start_ms, {})
            fresh[key] = count = fresh.get(key, 0) + 1
            self._note(_FRESH, start_ms, key)
            if is_asked_for or self.manner.has_enough(count):
                # No windows overlap here, so it is the only one.
                self._refresh(start_ms, key)
                return self._fire_pane(self._aligned.windows_of(start_ms)[0], key, EARLY)
        if not self.manner.allowed_ms:
            return None
        found: list[Firing] = []
        for window in self._aligned.windows_of(start_ms):
            if window.end_ms <= watermark_ms < window.end_ms + self.manner.allowed_ms:
                found += self._fire_pane(window, key, LATE)
        return found or None

    def _refresh(self, start_ms: int, key: Any) -> None:
        """Take note that nothing is new any more."""
        if self._fresh.get(start_ms, {}).pop(key, None) is not None:
            self._note(_FRESH, start_ms, key)

    def _groups_of(self, window: Window) -> list[Group]:
        """Return the slices of a window that have something."""
        found = map(self._slices.get, self._aligned.slices_of(window))
        return [group for group in found if group]

    def _fire_pane(
        self, window: Window, key: Any, kind: str, groups: list[Group] | None = None
    ) -> list[Firing]:
        groups = self._groups_of(window) if groups is None else groups
        results = self._results_of(groups, key)
        pane = self._panes.setdefault(window.end_ms, {}).setdefault(key, [0, None])
        self._note(_PANE, window.end_ms, key)
        found = fire_pane(pane, key, window, kind, results, self.manner.says)
        if self.manner.says == "discard":
            del self._slices[window.start_ms][key]
            if self.is_kept:
                self._changed.add((window.start_ms, key))
        return found

    def _results_of(self, groups: list[Group], key: Any) -> dict[str, Any] | Exception:
        """Return what comes out for a key of which something is accumulated in some slice."""
        parts = [group[key] for group in groups if key in group]
        if len(parts) == 1:
            return self.results(parts[0])
        try:
            # Slices are used again by other windows, so none of them is to be changed.
            return self.results(self.fold.merged(parts))
        except Exception as error:  # noqa: BLE001 - the processor reports it
            return error

    def fire_early(self) -> Iterator[Firing]:
        windows: dict[Window, dict[Any, None]] = {}
        for start_ms, fresh in sorted(self._fresh.items()):
            group = self._slices[start_ms]
            numbers = {key: group[key][self._number] for key in fresh}
            keys = sorted(numbers, key=numbers.__getitem__)
            for window in self._aligned.windows_of(start_ms):
                if window.end_ms > self._watermark_ms:
                    windows.setdefault(window, {}).update(dict.fromkeys(keys))
            for key in keys:
                self._note(_FRESH, start_ms, key)
        self._fresh = {}
        for window in sorted(windows, key=lambda each: each.end_ms):
            for key in windows[window]:
                yield from self._fire_pane(window, key, EARLY)

    # Time

    def advance(self, watermark_ms: int, /) -> Iterator[Firing]:
        while self.due_ms <= watermark_ms:
            now_ms = self._watermark_ms = self.due_ms
            window = self._aligned.window_to(now_ms)
            if window is not None:
                yield from self._fire(window)
            self._drop(now_ms)
            self._find_due()
        self._watermark_ms = max(self._watermark_ms, watermark_ms)

    def _fire(self, window: Window) -> Iterator[Firing]:
        """Fire a window that ends, all keys of it."""
        groups = self._groups_of(window)
        for key in list(dict.fromkeys(chain.from_iterable(groups))):
            if self._is_simple:
                yield Firing(key, *window, FINAL, 0, self._results_of(groups, key))
            else:
                yield from self._fire_pane(window, key, FINAL, groups)
        for start_ms in self._aligned.slices_of(window) if self._fresh else ():
            if self._aligned.last_end(start_ms) <= window.end_ms:
                for key in self._fresh.pop(start_ms, {}):
                    self._note(_FRESH, start_ms, key)

    def _drop(self, now_ms: int) -> None:
        """Forget what no window needs any more."""
        allowed_ms = self.manner.allowed_ms
        for start_ms in list(self._slices):
            if self._is_over(start_ms, now_ms):
                self._forget(_ENTRY, start_ms, self._slices.pop(start_ms))
                self._forget(_FRESH, start_ms, self._fresh.pop(start_ms, {}))
        for end_ms in [end for end in self._panes if end + allowed_ms <= now_ms]:
            self._forget(_PANE, end_ms, self._panes.pop(end_ms))

    def end(self) -> Iterator[Firing]:
        while self._slices:
            yield from self.advance(self.due_ms)

    # Checkpoints

    def _note_entry(self, accumulated: Accumulated, start_ms: int, key: Any) -> None:
        accumulated[self._tick] = self.tick
        if self.is_kept:
            self._changed.add((start_ms, key))

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
        for start_ms, key in self._changed:
            accumulated = self._slices.get(start_ms, {}).get(key)
            if accumulated is None:
                removed.add((_ENTRY, start_ms, key))
            else:
                changed[_ENTRY, start_ms, key] = dump(accumulated)
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
        self.tick += 1
        return changed, removed - changed.keys()

    def load(self, entries: Iterable[tuple[Any, Any]], watermark_ms: int, /) -> None:
        found: list[tuple[int, Any, Accumulated]] = []
        for (kind, at_ms, key), value in entries:
            if kind == _ENTRY:
                found.append((at_ms, key, self.fold.load(value)))
            elif kind == _PANE:
                self._panes.setdefault(at_ms, {})[key] = value
            else:
                self._fresh.setdefault(at_ms, {})[key] = value
        found.sort(key=lambda entry: int(entry[2][self._number]))
        for start_ms, key, accumulated in found:
            accumulated[self._tick] = self.tick - 1
            self._slices.setdefault(start_ms, {})[key] = accumulated
        self._numbered = found[-1][2][self._number] if found else 0
        self._watermark_ms = watermark_ms
        self._find_due()

    def explain(self) -> list[dict[str, Any]]:
        windows = sorted({w for start in self._slices for w in self._aligned.windows_of(start)})
        windows = [window for window in windows if window.end_ms > self._watermark_ms]
        return [
            {
                "Start": window.start_ms,
                "End": window.end_ms,
                "Keys": sum(len(self._slices.get(s, ())) for s in self._aligned.slices_of(window)),
            }
            for window in windows[:10]
        ]
