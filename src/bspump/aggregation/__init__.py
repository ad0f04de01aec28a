"""Aggregation: how many different values there were, in little room."""

from __future__ import annotations

from .hyperloglog import HyperLogLog

__all__ = ["HyperLogLog"]
