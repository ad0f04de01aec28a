"""From where on a score is an anomaly, and when it is none any more."""

from __future__ import annotations

import math
from typing import Any

from .quantile import QuantileSketch

_LOOK_EVERY = 64


class Threshold:
    """Two thresholds: a score beyond `enter` begins an anomaly, one up to `leave` ends it.

    With a `rate` they follow the scores: so that about this share of them is beyond `enter`.
    Before `1 / rate` scores were seen, nothing is beyond it, or if there is a `floor`, what is
    beyond that.

    Args:
        floor: `enter`, or with a rate the least it may be.
        leave_ratio: `leave` as a share of `enter`.
        rate: the share of scores that are wanted beyond `enter`; 0: whatever is beyond `floor`.
    """

    def __init__(self, floor: float, leave_ratio: float = 0.7, rate: float = 0.0) -> None:
        self._floor = floor
        self._leave_ratio = leave_ratio
        self._rate = rate
        self._sketch = QuantileSketch() if rate else None
        self._seen = 0
        self.enter = self.leave = 0.0
        self._set(floor if floor or not rate else math.inf)

    def _set(self, enter: float) -> None:
        self.enter, self.leave = enter, enter * self._leave_ratio

    def learn(self, score: float) -> bool:
        """Take a score into account; tell whether the thresholds were set anew."""
        if self._sketch is None:
            return False
        self._sketch.add(score)
        self._seen += 1
        if self._seen % _LOOK_EVERY or self._seen * self._rate < 1:
            return False
        self._set(max(self._sketch.exceeded_by(self._rate), self._floor))
        return True

    def snapshot(self) -> Any:
        """Return what was learned, as plain data; `None` if nothing ever is."""
        if self._sketch is None:
            return None
        return {"seen": self._seen, "enter": self.enter, "sketch": self._sketch.snapshot()}

    def restore(self, state: Any) -> None:
        """Go on from a `snapshot`; without a rate it is ignored."""
        if self._sketch is None or state is None:
            return
        self._seen = state["seen"]
        self._sketch.restore(state["sketch"])
        self._set(max(state["enter"], self._floor))
