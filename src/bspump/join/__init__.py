"""Joins: what belongs together of two streams, by key and by the time of events."""

from __future__ import annotations

from .as_of import AsOfJoin
from .interval import IntervalJoin
from .temporal import TemporalJoin

__all__ = ["AsOfJoin", "IntervalJoin", "TemporalJoin"]
