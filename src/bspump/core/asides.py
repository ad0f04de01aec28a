"""Events that were set aside since the last checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bspump.abc.dead_letters import DeadLetter

if TYPE_CHECKING:
    from .pipeline import Pipeline


class Asides:
    """Keeps dead letters of one pipeline until a checkpoint stores them with its epoch."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._letters: list[DeadLetter] = []
        self._replayed: list[int] = []

    def add(self, letter: DeadLetter) -> None:
        """Keep a letter until `take`."""
        self._letters.append(letter)

    def is_something_new(self) -> bool:
        """Tell whether there is something to take."""
        return bool(self._letters or self._replayed)

    def take(self) -> list[DeadLetter]:
        """Return the letters since the last call; they are stored with the epoch."""
        letters, self._letters = self._letters, []
        return letters

    def take_replayed(self) -> list[int]:
        """Return the ids of letters that were replayed since the last call."""
        replayed, self._replayed = self._replayed, []
        return replayed
