"""A clock that stands still until a test moves it, for code that is handed a clock."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from bspump.abc.clock import Clock

START_S = 1_700_000_000.0
"""What the clocks of the test kit show at first: 2023-11-14, 22:13:20 UTC."""

_TURNS = 50


class ManualClock(Clock):
    """A clock that only `advance` moves.

    Sleepers wake in the order in which they are due, those due at the same moment in the order
    in which they went to sleep, and each sees the moment it was due as the time.

    To run whole pipelines without waiting use `Harness`; this clock is for a single object.

    Args:
        start_s: the wall clock at first, Unix seconds; `monotonic()` starts at 0.
        jumps: a sleep moves the clock and returns at once, so that code which only sleeps runs
            to its end with nobody to call `advance`.

    Attributes:
        slept: the seconds that `sleep` was asked for, in the order of the calls.
    """

    def __init__(self, start_s: float = START_S, *, jumps: bool = False) -> None:
        self.slept: list[float] = []
        self._start_s = start_s
        self._now_s = 0.0
        self._jumps = jumps
        self._serial = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        return self._start_s + self._now_s

    def monotonic(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        due_s = self._now_s + max(0.0, seconds)
        if self._jumps or seconds <= 0:
            await _turn()
            self._now_s = max(self._now_s, due_s)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due_s, next(self._serial), wake))
        await wake

    async def advance(self, seconds: float) -> None:
        """Move the clock and let everything that is due in between run, in order.

        Whoever goes to sleep again on the way is woken again. After each wake-up other tasks
        get 50 turns of the loop.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back: got {seconds} s")
        # Tasks that were only just made have not asked for their first sleep yet.
        await _turns()
        end_s = self._now_s + seconds
        while self._sleepers and self._sleepers[0][0] <= end_s:
            due_s, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                self._now_s = max(self._now_s, due_s)
                wake.set_result(None)
                await _turns()
        self._now_s = max(self._now_s, end_s)
        await _turns()

    @property
    def sleeping(self) -> int:
        """How many sleepers are waiting for `advance`."""
        return sum(not wake.done() for _, _, wake in self._sleepers)


async def _turn() -> None:
    await asyncio.sleep(0)  # noqa: TID251 - what a clock is made of


async def _turns() -> None:
    for _ in range(_TURNS):
        await _turn()
