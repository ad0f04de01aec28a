"""Event time without a clock: watermarks, windows, triggers, aggregations. Pure; times go in."""

from __future__ import annotations

__all__: list[str] = []
