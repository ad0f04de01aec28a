"""Patterns: sequences of events per key, with repetition, absence and a limit of time."""

from __future__ import annotations

from .machine import Partial
from .matcher import Match, PatternMatcher
from .pattern import Pattern

__all__ = ["Match", "Partial", "Pattern", "PatternMatcher"]
