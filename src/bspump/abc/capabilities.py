"""What a connector can promise. Tests, documentation and guarantees follow from it."""

from __future__ import annotations

from enum import Flag, auto


class Can(Flag):
    """Capabilities of sources and sinks; a claim is tested by the contract kit.

    Of sources: `RESUME` (reads on from a position, at the latest after a new `connect`), `ORDER`
    (keeps the order of its input), `REDELIVER` (a broker brings again what was not acknowledged),
    `IDENTIFY` (what it brings again is known by its id and dropped), `REPEAT` (it may bring again
    what a checkpoint has covered), `END` (its input is bounded).
    Of sinks: `PARTIAL` (one bad event spares its neighbours), `IDEMPOTENT` (a repeated batch
    changes nothing). That a sink is transactional is said by its class.
    """

    NOTHING = 0
    RESUME = auto()
    ORDER = auto()
    REDELIVER = auto()
    END = auto()
    PARTIAL = auto()
    IDEMPOTENT = auto()
    IDENTIFY = auto()
    REPEAT = auto()
