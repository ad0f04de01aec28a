"""The detectors of all keys: made when a key is new, dropped when it was not seen for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from .detector import Detector


class Model:
    """The detector of one key, and how far it is.

    Attributes:
        seen: observations learned.
        skipped: anomalies in a row that were not learned.
        used: a number that is greater for keys that were seen later.
        is_kept: a checkpoint has it, perhaps as it was before.
    """

    __slots__ = ("detector", "is_kept", "seen", "skipped", "used")

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.seen = self.skipped = self.used = 0
        self.is_kept = False

    def snapshot(self) -> tuple[int, int, int, Any]:
        """Return all of it, as plain data that does not change any more."""
        return self.seen, self.skipped, self.used, self.detector.snapshot()

    def restore(self, state: tuple[int, int, int, Any], version: int) -> None:
        """Be as the model whose `snapshot` this is; `version` is that of its detector."""
        self.seen, self.skipped, self.used, learned = state
        self.detector.restore(learned, version)
        self.is_kept = True


class Models(Mapping[Hashable, Model]):
    """At most `most` models by key; those that were seen last stay.

    Args:
        make: makes a detector that has learned nothing.
        most: keys.
        on_drop: called with each key that is dropped to make room for another.
    """

    def __init__(
        self, make: Callable[[], Detector], most: int, on_drop: Callable[[Hashable], None]
    ) -> None:
        self._make = make
        self._most = most
        self._on_drop = on_drop
        self._by_key: OrderedDict[Hashable, Model] = OrderedDict()
        self._uses = 0
        self._changed: set[Hashable] = set()
        self._removed: set[Hashable] = set()

    def use(self, key: Hashable) -> Model:
        """Return the model of a key that is seen now; a new one if there is none."""
        model = self._by_key.get(key)
        if model is None:
            if len(self._by_key) >= self._most:
                self._drop()
            model = self._by_key[key] = Model(self._make())
        else:
            self._by_key.move_to_end(key)
        self._uses += 1
        model.used = self._uses
        self._changed.add(key)
        return model

    def _drop(self) -> None:
        key, model = self._by_key.popitem(last=False)
        self._changed.discard(key)
        if model.is_kept:
            self._removed.add(key)
        self._on_drop(key)

    def __getitem__(self, key: Hashable) -> Model:
        return self._by_key[key]

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)

    def changes(self) -> tuple[dict[Hashable, Any], set[Hashable]]:
        """Return the state of models that have changed since the last call, and keys dropped."""
        changed = {}
        for key in self._changed:
            model = self._by_key[key]
            changed[key] = model.snapshot()
            model.is_kept = True
        removed = self._removed - self._changed
        self._changed, self._removed = set(), set()
        return changed, removed

    def restore(self, keyed: Mapping[Hashable, Any], version: int) -> None:
        """Be as the models whose changes these are, all together."""
        for key, state in sorted(keyed.items(), key=lambda item: item[1][2]):
            if len(self._by_key) >= self._most:
                self._drop()
            model = self._by_key[key] = Model(self._make())
            model.restore(state, version)
            self._uses = model.used
