"""What a context says of the time of its event.

A *watermark* says how far time has come: no event is expected any more whose time is before it.
One that comes nevertheless is late. All of it is Unix milliseconds, as integers.
"""

from __future__ import annotations

from typing import Final

EVENT_TIME: Final = "event_time_ms"
"""In the context of an event: its time."""

WATERMARK: Final = "watermark_ms"
"""In the context of an event: the watermark that held when its time was read."""

BEGIN_MS: Final = -(1 << 63)
"""The watermark of which nothing is known yet."""
