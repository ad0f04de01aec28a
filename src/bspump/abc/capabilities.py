"""What a connector can promise. Tests, documentation and guarantees follow from it."""

from __future__ import annotations

from enum import Flag, auto


class Can(Flag):
    """Capabilities of sources and sinks; a claim is tested by the contract kit.

    Of sources: `RESUME` (reads on from a position), `ORDER` (keeps the order of its input),
    `REDELIVER` (a broker brings again what was not acknowledged), `END` (its input is bounded).
    Of sinks: `PARTIAL` (one bad event spares its neighbours), `IDEMPOTENT` (a repeated batch
    changes nothing).
    """

    NOTHING = 0
    RESUME = auto()
    ORDER = auto()
    REDELIVER = auto()
    END = auto()
    PARTIAL = auto()
    IDEMPOTENT = auto()
