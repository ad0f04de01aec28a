"""Options of processors that remember something for each key."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .options import Duration, Options


class KeyedOptions(Options, frozen=True, kw_only=True):
    """Where state is kept, and for how long."""

    store: Annotated[
        str,
        Meta(description="Where state is kept: `memory`, or `rocksdb` where that is too small."),
    ] = "memory"
    ttl: Annotated[
        Duration,
        Meta(
            description="Seconds after the last event of a key when it is forgotten, or a 64th of"
            " that later; by the time of events if the first has one, else by the wall clock."
            " 0: never."
        ),
    ] = 0.0
