r"""The format `text/event-stream` (WHATWG HTML, 9.2): bytes to messages, however they are split.

>>> parser = EventStreamParser()
>>> parser.feed(b"id: 7\ndata: one\ndata: two\n\nevent: ping\nda"), parser.last_event_id
([Message(type='message', data='one\ntwo', id='7')], '7')
>>> parser.feed(b"ta: x\n\n")
[Message(type='ping', data='x', id='7')]
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bspump.abc.errors import RejectedError
from bspump.formats.reject import rejected

_BOM: Final = b"\xef\xbb\xbf"


class Message(NamedTuple):
    """One message of a stream.

    Args:
        type: what the server calls it, `message` if it does not say.
        data: its lines, joined by newlines.
        id: the last id that the server gave, with this message or before; may be empty.
    """

    type: str
    data: str
    id: str


class EventStreamParser:
    """Follows one stream. Holds at most about `max_bytes`.

    Attributes:
        last_event_id: what to resume from, the id of the last complete message.
        retry_ms: how long the server wants clients to wait before they connect again, if it said.
        rejected: errors of messages that were too long, and skipped; the caller empties it.

    Args:
        last_event_id: the one that the stream was resumed from.
        max_bytes: of the lines of one message.
    """

    def __init__(self, last_event_id: str = "", *, max_bytes: int = 1 << 20) -> None:
        self.last_event_id = last_event_id
        self.retry_ms: int | None = None
        self.rejected: list[RejectedError] = []
        self._max_bytes = max_bytes
        self._id = last_event_id
        self._pending = b""
        self._size = 0
        self._is_start = True
        self._is_after_cr = False
        self._is_too_long = False
        self._is_line_skipped = False
        self._type = ""
        self._data: list[str] = []

    def feed(self, data: bytes, /) -> list[Message]:
        """Return the messages that `data` completes; the rest is kept."""
        if not data:
            return []
        block = self._pending + data
        if self._is_start:
            if len(block) < len(_BOM) and _BOM.startswith(block):
                self._pending = block
                return []
            self._is_start = False
            block = block.removeprefix(_BOM)
        if self._is_after_cr:
            block = block.removeprefix(b"\n")
        # A line end may be split between its two halves: the second one is passed over then.
        self._is_after_cr = block.endswith(b"\r")
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = block.split(b"\n")
        if lines and self._is_line_skipped:
            self._is_line_skipped = False
            del lines[0]
        messages = [message for line in lines if (message := self._line(line)) is not None]
        if len(rest) > self._max_bytes and not self._is_line_skipped:
            self._overflow(rest)
            self._is_line_skipped = True
        self._pending = b"" if self._is_line_skipped else rest
        return messages

    def _line(self, line: bytes) -> Message | None:
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return None
        if self._size + len(line) > self._max_bytes:
            self._overflow(line)
            return None
        self._size += len(line)
        name, _, value = line.decode("utf-8", "replace").partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            if not self._is_too_long:
                self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value[:18])

    def _dispatch(self) -> Message | None:
        message = None
        self.last_event_id = self._id
        if self._data:
            message = Message(self._type or "message", "\n".join(self._data), self._id)
        self._type, self._data, self._size, self._is_too_long = "", [], 0, False
        return message

    def _overflow(self, line: bytes) -> None:
        if not self._is_too_long:
            self._is_too_long = True
            expected = f"at most {self._max_bytes} bytes in a message"
            self.rejected.append(rejected("event stream", expected, line[:80], "it was skipped"))
        self._data, self._size = [], 0
