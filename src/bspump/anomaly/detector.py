"""The contract of detectors: how strange is this observation, given those before?

A detector is pure: no clock, no input or output, no randomness but that of its seed. What it has
learned is plain data (see `bspump.abc.state`), so it is part of checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

Observation = float | Mapping[str, float]
"""What is observed: a number, or for some detectors several by name. Numbers are finite."""

LARGEST_SCORE = 1e6
"""No score is greater: what never varied has no scale in which a change could be measured."""


class Score(NamedTuple):
    """How strange an observation is, what was expected instead, and why.

    Args:
        score: 0 is as expected, higher is stranger; in the scale of the detector.
        low: the least that was expected; `None` where that cannot be said.
        high: the most that was expected.
        reason: why, in words, with a `{}` for each of `facts`; put together only when it is read.
        facts: of the reason.
    """

    score: float
    low: float | None = None
    high: float | None = None
    reason: str = ""
    facts: tuple[Any, ...] = ()

    @property
    def explanation(self) -> str:
        """The reason in words.

        >>> Score(2.0, reason="{:g} is more than {:g}", facts=(3.0, 1.5)).explanation
        '3 is more than 1.5'
        """
        return self.reason.format(*self.facts)


UNKNOWN = Score(0.0, reason="too little was seen to expect anything")
"""The score of whatever comes before a detector knows what to expect."""


class Detector(ABC):
    """Learns one observation at a time and scores one at a time; the model of one key.

    The same observations in the same order give the same scores, to the last bit, also when it was
    cut in between: another one, made with the same arguments, that got the `snapshot` of the first
    by `restore` goes on as the first would have.

    Attributes:
        version: of the form of its state; greater ones can restore what smaller ones took.
        takes_features: it observes mappings of names to numbers instead of single numbers.
        needs_time: `at_ms` must be given.
        learns_first: an observation is to be learned before it is scored, not afterwards.
    """

    version: ClassVar[int] = 1
    takes_features: ClassVar[bool] = False
    needs_time: ClassVar[bool] = False
    learns_first: ClassVar[bool] = False

    usual_threshold: float = 3.0
    """The score beyond which an observation is usually called an anomaly."""

    @abstractmethod
    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        """Return how strange `x` is; changes nothing.

        Before enough was learned the score is 0, with a reason that says so.

        Args:
            x: the observation.
            at_ms: when it was made, Unix milliseconds.
        """

    @abstractmethod
    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        """Take `x` into account from now on."""

    def skip_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        """Note that `x` came and is not to be learned, for it is an anomaly.

        Only detectors to which it matters how many observations there were do something.
        """
        return

    @abstractmethod
    def snapshot(self) -> Any:
        """Return what was learned, as plain data that does not change any more."""

    @abstractmethod
    def restore(self, state: Any, version: int, /) -> None:
        """Be as the detector was whose `snapshot` this is; called on one that has learned nothing.

        Args:
            state: of a detector of the same `shape`.
            version: of the form of the state; the own one or smaller.
        """

    def shape(self) -> dict[str, Any]:
        """Return the arguments without which what was learned has no meaning, as plain data.

        Others may change from one run to the next.
        """
        return {}


def number(x: Observation) -> float:
    """Return the observation of a detector that takes single numbers.

    Raises:
        TypeError: it is a mapping.
    """
    if isinstance(x, Mapping):
        raise TypeError(f"expected a single number, got several: {', '.join(map(str, x))}")
    return x


def ratio(distance: float, scale: float) -> float:
    """Return how many times `scale` is in `distance`, at most `LARGEST_SCORE`.

    >>> ratio(6.0, 2.0), ratio(0.0, 0.0), ratio(0.1, 0.0)
    (3.0, 0.0, 1000000.0)
    """
    if distance < LARGEST_SCORE * scale:
        return distance / scale
    return LARGEST_SCORE if distance else 0.0
