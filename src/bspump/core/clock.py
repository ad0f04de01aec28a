"""The clock of the machine, the only place that asks the system for the time."""

from __future__ import annotations

import asyncio
import time

from bspump.abc.clock import Clock


class SystemClock(Clock):
    """Tells the time of the operating system and waits in real time."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
