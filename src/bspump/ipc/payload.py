"""From events to bytes that can be sent."""

from __future__ import annotations

from typing import Any

from bspump.abc.errors import RejectedError
from bspump.formats.reject import rejected


def payload_of(event: Any) -> bytes:
    """Return the bytes of `event`: bytes as they are, text in UTF-8.

    Raises:
        RejectedError: it is neither, or text that UTF-8 cannot hold.
    """
    if isinstance(event, bytes):
        return event
    if isinstance(event, bytearray | memoryview):
        return bytes(event)
    if not isinstance(event, str):
        raise rejected("socket", "bytes or text", event, "put a serialiser before the sink")
    try:
        return event.encode()
    except UnicodeEncodeError as error:
        raise RejectedError(f"socket: expected text that UTF-8 can hold: {error}") from error
