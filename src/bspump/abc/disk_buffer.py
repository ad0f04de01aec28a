"""How input is kept on disk that its source cannot bring again."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .config import parse_bytes
from .options import Duration, Options, Size


class DiskBufferOptions(Options, frozen=True, kw_only=True):
    """How a buffer on disk is written, and how large it gets."""

    max_bytes: Annotated[
        int,
        Meta(ge=4096, description="Bytes on disk at the most.", extra={"parse": parse_bytes}),
    ] = 1024**3
    when_full: Annotated[
        Literal["block", "drop_oldest"],
        Meta(
            description="`block` holds the source back until there is room; `drop_oldest` makes"
            " room, and counts."
        ),
    ] = "block"
    segment_bytes: Annotated[
        Size,
        Meta(
            description="Bytes of a file, about; a file is removed when all of it is processed."
            " At most a quarter of `max_bytes`.",
        ),
    ] = 64 * 1024**2
    fsync: Annotated[
        Literal["always", "interval", "never"],
        Meta(
            description="When input survives a failure of power: `always`: once it is taken;"
            " `interval`: a while later; `never`: when the system sees fit. A crash of the"
            " program alone loses nothing in any case."
        ),
    ] = "always"
    fsync_interval: Annotated[
        Duration, Meta(description="Seconds that input waits for the disk with `interval`.")
    ] = 1.0
