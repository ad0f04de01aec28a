r"""Framings in which the length of a message stands before it.

>>> framing = LengthPrefixFraming(size=2)
>>> framing.frame(b"hello")
b'\x00\x05hello'
>>> framing.feed(b"\x00\x05hel"), framing.feed(b"lo\x00")
([], [b'hello'])
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Final, Literal

from bspump.abc.errors import ConfigError

from .framing import DEFAULT_MAX_BYTES, Framing
from .reject import rejected

SYSLOG_MAX_BYTES: Final = 1 << 16


class _CountedFraming(Framing):
    """Follows a stream of lengths and messages; a message that is too long is skipped."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self._buffer = bytearray()
        self._to_skip = 0

    @abstractmethod
    def _next(self, at: int, messages: list[bytes]) -> int | None:
        """Take what begins at `at`; return where the next begins, None if bytes are missing."""

    def feed(self, data: bytes, /) -> list[bytes]:
        if self.is_broken:
            return []
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._buffer += data[skipped:]
        messages: list[bytes] = []
        at = 0
        while at < len(self._buffer):
            after = self._next(at, messages)
            if after is None:
                break
            at = after
        if self.is_broken:
            self._buffer.clear()
        else:
            del self._buffer[:at]
        return messages

    def _take(self, start: int, length: int, after: int, messages: list[bytes]) -> int | None:
        """Take `length` bytes from `start`; return `after`, None if bytes are missing."""
        size = len(self._buffer)
        if length > self.max_bytes:
            expected = f"at most {self.max_bytes} bytes"
            self._reject(expected, length, "skipped up to the next message")
            self._to_skip = max(after - size, 0)
            return min(after, size)
        if after > size:
            return None
        messages.append(bytes(self._buffer[start : start + length]))
        return after

    def _break(self, expected: str, at: int) -> None:
        """Give up: without a length nothing tells where the next message begins."""
        self.is_broken = True
        self._reject(expected, bytes(self._buffer[at : at + 1]), "nothing after it can be read")

    def close(self) -> list[bytes]:
        messages = self._rest()
        self._buffer.clear()
        self._to_skip = 0
        self.is_broken = False
        return messages

    def _rest(self) -> list[bytes]:
        if self._buffer:
            self._reject("a whole message", bytes(self._buffer), "the stream ended")
        return []


class LengthPrefixFraming(_CountedFraming):
    """Messages follow their length, a binary integer of 1, 2, 4 or 8 bytes.

    A message longer than `max_bytes` is rejected and skipped by its length; its neighbours are
    not harmed.

    Args:
        size: bytes of the length.
        order: `big` (network order) or `little`.
        max_bytes: of one message, without the length.
    """

    def __init__(
        self,
        *,
        size: int = 4,
        order: Literal["big", "little"] = "big",
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        if size not in {1, 2, 4, 8}:
            raise ConfigError(f"LengthPrefixFraming: size must be 1, 2, 4 or 8, got {size}")
        if order not in {"big", "little"}:
            raise ConfigError(f"LengthPrefixFraming: order must be big or little, got {order!r}")
        super().__init__(min(max_bytes, 256**size - 1))
        self._size = size
        self._order: Literal["big", "little"] = order

    def _next(self, at: int, messages: list[bytes]) -> int | None:
        start = at + self._size
        if start > len(self._buffer):
            return None
        length = int.from_bytes(self._buffer[at:start], self._order)
        return self._take(start, length, start + length, messages)

    def frame(self, message: bytes, /) -> bytes:
        self._check_size(message)
        return len(message).to_bytes(self._size, self._order) + message


class NetstringFraming(_CountedFraming):
    """Messages are netstrings: `5:hello,`.

    A message longer than `max_bytes` is rejected and skipped by its length. A wrong length or a
    missing comma breaks the stream (`is_broken`).

    >>> NetstringFraming().feed(b"5:hello,0:,")
    [b'hello', b'']
    """

    _LENGTH = re.compile(rb"(0|[1-9][0-9]{0,17}):")
    _LENGTH_BEGUN = re.compile(rb"(?:0|[1-9][0-9]{0,17})\Z")

    def __init__(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        super().__init__(max_bytes)

    def _next(self, at: int, messages: list[bytes]) -> int | None:
        found = self._LENGTH.match(self._buffer, at)
        if found is None:
            if self._LENGTH_BEGUN.match(self._buffer, at) is None:
                self._break("a netstring such as b'5:hello,'", at)
            return None
        start, length = found.end(), int(found[1])
        after = start + length + 1
        is_whole = after <= len(self._buffer)
        if length <= self.max_bytes and is_whole and self._buffer[after - 1] != ord(","):
            self._break("a comma after the netstring", after - 1)
            return None
        return self._take(start, length, after, messages)

    def frame(self, message: bytes, /) -> bytes:
        self._check_size(message)
        return b"%d:%b," % (len(message), message)


class OctetCountingFraming(_CountedFraming):
    r"""Syslog over TCP (RFC 6587): `11 <13>1 - ...`, or lines where no length stands.

    Which of the two it is, is seen for each message by its first byte, a digit or not.
    Newlines and NULs between messages, which some senders add, are passed over. `frame` counts.

    A message longer than `max_bytes` is rejected and skipped, by its length or up to the next
    newline.

    >>> OctetCountingFraming().feed(b"7 <13>one<13>two\n")
    [b'<13>one', b'<13>two']
    """

    _BETWEEN = re.compile(rb"[\r\n\0]+")
    _LENGTH = re.compile(rb"([1-9][0-9]{0,8}) ")
    _LENGTH_BEGUN = re.compile(rb"[1-9][0-9]{0,8}\Z")

    def __init__(self, *, max_bytes: int = SYSLOG_MAX_BYTES) -> None:
        super().__init__(max_bytes)
        self._skipping_line = False

    def feed(self, data: bytes, /) -> list[bytes]:
        if self._skipping_line:
            _, newline, data = data.partition(b"\n")
            self._skipping_line = not newline
        return super().feed(data)

    def _next(self, at: int, messages: list[bytes]) -> int | None:
        between = self._BETWEEN.match(self._buffer, at)
        if between is not None:
            return between.end()
        counted = self._LENGTH.match(self._buffer, at)
        if counted is not None:
            start, length = counted.end(), int(counted[1])
            return self._take(start, length, start + length, messages)
        if self._LENGTH_BEGUN.match(self._buffer, at) is not None:
            return None
        newline = self._buffer.find(b"\n", at)
        if newline >= 0:
            self._add_line(bytes(self._buffer[at:newline]), messages)
            return newline + 1
        if len(self._buffer) - at <= self.max_bytes + 1:  # one more for the `\r` of `\r\n`
            return None
        self._reject_long(self._buffer[at:])
        self._skipping_line = True
        return len(self._buffer)

    def _add_line(self, line: bytes, messages: list[bytes]) -> None:
        line = line.removesuffix(b"\r")
        if len(line) > self.max_bytes:
            self._reject_long(line)
        else:
            messages.append(line)

    def _rest(self) -> list[bytes]:
        self._skipping_line = False
        if self._LENGTH.match(self._buffer) is not None:
            return super()._rest()
        messages: list[bytes] = []
        if self._buffer:
            self._add_line(bytes(self._buffer), messages)
        return messages

    def frame(self, message: bytes, /) -> bytes:
        self._check_size(message)
        if not message:
            raise rejected(type(self).__name__, "a message that is not empty", message)
        return b"%d %b" % (len(message), message)
