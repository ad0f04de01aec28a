"""A detector for several numbers at once: where few observations were, one more is strange."""

from __future__ import annotations

import random
import sys
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from .detector import UNKNOWN, Detector, Observation, Score

_REASON = (
    "it lies where the last observations are {:.3g} times as dense as if they were spread evenly"
)


class _Forest(NamedTuple):
    """Where the trees split; node `i` has the children `2 i + 1` and `2 i + 2`."""

    features: list[array[int]]
    thresholds: list[array[float]]


@lru_cache(maxsize=64)
def _grow(limits: tuple[tuple[float, float], ...], trees: int, height: int, seed: int) -> _Forest:
    """Return random trees; detectors with the same limits share theirs."""
    rng = random.Random(seed)
    features: list[array[int]] = []
    thresholds: list[array[float]] = []
    for _ in range(trees):
        ranges = [_work_range(low, high, rng.random()) for low, high in limits]
        tree_features, tree_thresholds = array("I"), array("d")
        waiting = [ranges]
        for node in range(2**height - 1):
            space = waiting[node]
            # `random()` alone promises the same numbers in every version of Python.
            feature = int(rng.random() * len(limits))
            low, high = space[feature]
            middle = (low + high) / 2
            tree_features.append(feature)
            tree_thresholds.append(middle)
            waiting.append([*space[:feature], (low, middle), *space[feature + 1 :]])
            waiting.append([*space[:feature], (middle, high), *space[feature + 1 :]])
        features.append(tree_features)
        thresholds.append(tree_thresholds)
    return _Forest(features, thresholds)


def _work_range(low: float, high: float, at: float) -> tuple[float, float]:
    """Return a range around the point `at` (from 0 to 1) that is wider than the limits."""
    width = high - low
    reach = 2 * max(at, 1 - at)
    return low + (at - reach) * width, low + (at + reach) * width


class HalfSpaceTrees(Detector):
    """Score by how few of the last observations were in the same place, by random trees.

    Each tree halves the space again and again, along a random feature, and counts how many
    observations of one window fall into each part; by these the next window is scored. (S. C. Tan,
    K. M. Ting, T. F. Liu, "Fast anomaly detection for streaming data", IJCAI 2011.)

    The score is the mean over all trees of `1 / (1 + density)`, where a density of 1 is that of
    observations spread evenly: near 0 where they crowd, near 1 where hardly any was. The paper
    adds up the densities, which has no scale; it ranks observations about as well.

    Features may be missing in an observation: then it goes where most others went. Features that
    are not in `limits`, or were not there in the first window, are ignored. Before the first
    window is over the score is 0.

    State: two counts for each of `trees * 2**(height + 1)` nodes, 4 bytes each; without `limits`
    the observations of the first window until it is over. With the same limits, detectors share
    their trees.

    Args:
        limits: least and greatest value of each feature; without, those of the first window. A
            feature that does not vary in it gets a width of 1.
        trees: how many.
        height: of each tree.
        window: observations after which the counts are replaced.
        seed: of the trees.
        threshold: the score beyond which an observation is usually called an anomaly.
    """

    takes_features: ClassVar[bool] = True

    def __init__(
        self,
        limits: Mapping[str, tuple[float, float]] | None = None,
        trees: int = 25,
        height: int = 8,
        window: int = 250,
        seed: int = 0,
        threshold: float = 0.6,
    ) -> None:
        for name, value in (("trees", trees), ("height", height), ("window", window)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        self.usual_threshold = threshold
        self._given = limits
        self._trees, self._height, self._window, self._seed = trees, height, window, seed
        self._count = 0
        self._is_known = False
        self._first: list[dict[str, float]] = []
        self._limits: dict[str, tuple[float, float]] = {}
        self._forest: _Forest | None = None
        self._reference: list[array[int]] = []
        self._latest: list[array[int]] = []
        if limits is not None:
            self._plant({name: (float(low), float(high)) for name, (low, high) in limits.items()})

    def shape(self) -> dict[str, Any]:
        given = self._given
        return {
            "limits": None if given is None else {name: tuple(given[name]) for name in given},
            "trees": self._trees,
            "height": self._height,
            "window": self._window,
            "seed": self._seed,
        }

    def _plant(self, limits: Mapping[str, tuple[float, float]]) -> None:
        """Make the trees for these limits, with nothing counted."""
        names = sorted(limits)
        self._limits = {name: limits[name] for name in names}
        spread = tuple(
            (low, high) if low < high else (low - 0.5, low + 0.5)
            for low, high in self._limits.values()
        )
        self._forest = _grow(spread, self._trees, self._height, self._seed) if spread else None
        if self._forest is not None:
            self._reference, self._latest = self._nothing(), self._nothing()

    def _nothing(self) -> list[array[int]]:
        return [array("I", bytes(4 * (2 ** (self._height + 1) - 1))) for _ in range(self._trees)]

    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        if not self._is_known or self._forest is None:
            return UNKNOWN
        values = self._values(x)
        strange = 0.0
        few = self._window / 10  # the size limit of the paper
        for features, thresholds, counts in zip(*self._forest, self._reference, strict=True):
            node, weight = 0, 1
            for _ in range(self._height):
                if counts[node] < few:
                    break
                node = _next(node, values[features[node]], thresholds[node], counts)
                weight *= 2
            strange += self._window / (self._window + counts[node] * weight)
        score = strange / self._trees
        return Score(score, reason=_REASON, facts=(1 / score - 1,))

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        if self._forest is None:
            self._first.append(dict(_features(x)))
            if len(self._first) >= self._window:
                self._begin()
            return
        self._add(x, self._forest)
        self._count += 1
        if self._count >= self._window:
            self._turn()

    def _begin(self) -> None:
        """Take the limits from the first window, and count it."""
        first, self._first = self._first, []
        limits: dict[str, tuple[float, float]] = {}
        for x in first:
            for name, value in x.items():
                low, high = limits.get(name, (value, value))
                limits[name] = min(low, value), max(high, value)
        self._plant(limits)
        if self._forest is not None:
            for x in first:
                self._add(x, self._forest)
            self._turn()

    def _turn(self) -> None:
        """Score by what was counted last, and count anew."""
        self._reference, self._latest = self._latest, self._nothing()
        self._count, self._is_known = 0, True

    def _add(self, x: Observation, forest: _Forest) -> None:
        values = self._values(x)
        for features, thresholds, counts in zip(*forest, self._latest, strict=True):
            node = 0
            counts[0] += 1
            for _ in range(self._height):
                node = _next(node, values[features[node]], thresholds[node], counts)
                counts[node] += 1

    def _values(self, x: Observation) -> Sequence[float | None]:
        return list(map(_features(x).get, self._limits))

    def snapshot(self) -> Any:
        return {
            "first": list(self._first),
            "limits": dict(self._limits),
            "count": self._count,
            "is_known": self._is_known,
            "reference": _packed(self._reference),
            "latest": _packed(self._latest),
        }

    def restore(self, state: Any, version: int, /) -> None:
        self._first = list(state["first"])
        self._plant(state["limits"])
        self._count, self._is_known = state["count"], state["is_known"]
        if self._forest is not None:
            self._reference = self._unpacked(state["reference"])
            self._latest = self._unpacked(state["latest"])

    def _unpacked(self, packed: bytes) -> list[array[int]]:
        size = 4 * (2 ** (self._height + 1) - 1)
        counts = [array("I", packed[i : i + size]) for i in range(0, size * self._trees, size)]
        return list(map(_swapped, counts))


def _features(x: Observation) -> Mapping[str, float]:
    if not isinstance(x, Mapping):
        raise TypeError(f"HalfSpaceTrees: expected numbers by name, got {x!r}")
    return x


def _next(node: int, value: float | None, threshold: float, counts: array[int]) -> int:
    left = 2 * node + 1
    if value is None:
        return left if counts[left] >= counts[left + 1] else left + 1
    return left if value < threshold else left + 1


def _packed(counts: Sequence[array[int]]) -> bytes:
    return b"".join(_swapped(array("I", tree)).tobytes() for tree in counts)


def _swapped(counts: array[int]) -> array[int]:
    if sys.byteorder == "big":
        counts.byteswap()
    return counts
