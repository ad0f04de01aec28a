"""Chance: random input, random fields, events dropped at random."""

from __future__ import annotations

from .drop import RandomDrop
from .enricher import RandomEnricher
from .source import RandomSource

__all__ = ["RandomDrop", "RandomEnricher", "RandomSource"]
