"""Integrity: chains of hashes that show what was changed or left out."""

from __future__ import annotations

from .chain import IntegrityChecker, IntegrityEnricher

__all__ = ["IntegrityChecker", "IntegrityEnricher"]
