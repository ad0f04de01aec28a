"""The contract of clocks: whoever needs the time or wants to wait asks one of these."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Clock(ABC):
    """Tells the time and waits. The application owns one; tests hand in one they move."""

    @abstractmethod
    def time(self) -> float:
        """Return the wall clock, Unix seconds."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean something."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of `monotonic()`; 0 lets other tasks run once."""
