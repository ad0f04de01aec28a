"""When to try again. Pure: it is told what happened and says how long to wait."""

from __future__ import annotations

import random

from bspump.abc.errors import PartialWriteError, TransientError
from bspump.abc.options import RetryOptions


class Backoff:
    """Counts failed attempts at one thing and spaces them ever wider, with jitter.

    The waits are drawn evenly from the upper half of `first * factor ** n`, at most `longest`:
    so that many clients do not return at the same moment ("equal jitter", M. Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

    Args:
        options: how often and how fast.
        seed: of the jitter; `None` for one that differs every time.

    >>> backoff = Backoff(RetryOptions(attempts=3, first=1.0), seed=1)
    >>> waits = [backoff.next_s() for _ in range(3)]
    >>> 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0, waits[2]
    (True, None)
    """

    def __init__(self, options: RetryOptions, *, seed: int | None = None) -> None:
        self._options = options
        self._random = random.Random(seed)
        self.failures = 0

    def next_s(self, error: Exception | None = None) -> float | None:
        """Return seconds to wait before the next attempt, `None` if there is to be none.

        Args:
            error: what came of the attempt; it may ask for a longer wait.
        """
        self.failures += 1
        options = self._options
        if options.attempts and self.failures >= options.attempts:
            return None
        # The power is bounded, lest it overflow in a failure that lasts for days.
        widest = options.first * options.factor ** min(self.failures - 1, 64)
        wait_s = min(widest, options.longest) * self._random.uniform(0.5, 1.0)
        if isinstance(error, TransientError | PartialWriteError):
            wait_s = max(wait_s, error.retry_after_s)
        return wait_s

    def reset(self) -> None:
        """Take note that an attempt succeeded."""
        self.failures = 0
