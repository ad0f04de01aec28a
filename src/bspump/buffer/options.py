"""What a disk buffer can be told."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bspump.abc.disk_buffer import DiskBufferOptions
from bspump.abc.source import PullOptions


class DiskBufferSourceOptions(PullOptions, frozen=True, kw_only=True):
    """Where the buffer is, how large it gets, and what of contexts is kept."""

    directory: Annotated[
        str,
        Meta(description="Of the buffer. If empty: one of its own in `var_dir` of `[general]`."),
    ] = ""
    context: Annotated[
        list[str],
        Meta(
            description="Entries of contexts that are kept; an event where one of them is not"
            " plain data is rejected. If empty: all that are plain data."
        ),
    ] = []  # noqa: RUF012 - each struct gets a list of its own
    buffer: DiskBufferOptions = DiskBufferOptions()
