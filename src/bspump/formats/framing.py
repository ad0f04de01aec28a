r"""Framings that look for a delimiter: where one message ends in a stream of bytes.

>>> framing = LineFraming()
>>> framing.feed(b"one\ntw"), framing.feed(b"o\r\nthree"), framing.close()
([b'one'], [b'two'], [b'three'])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from bspump.abc.errors import ConfigError, RejectedError

from .reject import rejected

DEFAULT_MAX_BYTES: Final = 1 << 20
_KEPT_ERRORS: Final = 100


class Framing(ABC):
    """Cuts a stream of bytes into messages, however the bytes are split, and frames messages.

    One instance follows one stream. It holds at most about `max_bytes`. What is wrong with the
    stream never raises from `feed` or `close`, since that would lose the neighbours: it is
    counted in `rejected_total` and described in `rejected`.

    Attributes:
        rejected: errors not yet taken, the last 100 at most; take them by `take_rejected()`.
        rejected_total: how many messages were rejected since the beginning.
        is_broken: the stream cannot be followed any further; what comes is thrown away, and
            the connection is best closed.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 1:
            raise ConfigError(f"framing: max_bytes must be 1 or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self.rejected: list[RejectedError] = []
        self.rejected_total = 0
        self.is_broken = False

    @abstractmethod
    def feed(self, data: bytes, /) -> list[bytes]:
        """Return the messages that `data` completes, in order; the rest is kept."""

    @abstractmethod
    def close(self) -> list[bytes]:
        """Return what the end of the stream completes, and be ready for another stream.

        A message that needs more bytes than came is rejected.
        """

    @abstractmethod
    def frame(self, message: bytes, /) -> bytes:
        """Return `message` as it stands in the stream.

        Raises:
            RejectedError: it is longer than `max_bytes` or contains what would end it.
        """

    def take_rejected(self) -> list[RejectedError]:
        """Return the errors since the last call and forget them."""
        taken, self.rejected = self.rejected, []
        return taken

    def _reject(self, expected: str, got: object, detail: str = "") -> None:
        self.rejected_total += 1
        if len(self.rejected) == _KEPT_ERRORS:
            del self.rejected[0]
        self.rejected.append(rejected(type(self).__name__, expected, got, detail))

    def _reject_long(self, message: bytes | bytearray) -> None:
        # Cut to the limit: how much more was seen depends on how the bytes were split.
        got = bytes(message[: self.max_bytes])
        self._reject(f"at most {self.max_bytes} bytes", got, "skipped up to the next message")

    def _check_size(self, message: bytes) -> None:
        if len(message) > self.max_bytes:
            detail = f"{len(message)} bytes"
            raise rejected(type(self).__name__, f"at most {self.max_bytes} bytes", message, detail)


class DelimiterFraming(Framing):
    r"""Messages are separated by a delimiter of one or more bytes, which they cannot contain.

    A message longer than `max_bytes` is rejected and skipped up to the next delimiter. The
    last message of a stream needs no delimiter.

    Args:
        delimiter: what separates messages.
        max_bytes: of one message, without the delimiter.

    >>> DelimiterFraming(b"||").feed(b"a||b|c||")
    [b'a', b'b|c']
    """

    def __init__(self, delimiter: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        super().__init__(max_bytes)
        if not delimiter:
            raise ConfigError("DelimiterFraming: the delimiter must not be empty")
        self._delimiter = delimiter
        # The last bytes may be the beginning of a delimiter and are looked at again.
        self._overlap = len(delimiter) - 1
        self._held = b""
        self._pending = bytearray()
        self._skipping = False

    def feed(self, data: bytes, /) -> list[bytes]:
        block = self._held + data if self._held else data
        messages = block.split(self._delimiter)
        tail = messages.pop()
        cut = max(len(tail) - self._overlap, 0)
        self._held = tail[cut:]
        return self._complete(messages, tail[:cut], len(block))

    def _complete(self, messages: list[bytes], tail: bytes, block_bytes: int) -> list[bytes]:
        """Add what was pending to the first of `messages`, keep `tail`, see to the limit."""
        if messages:
            if self._skipping:
                del messages[0]
                self._skipping = False
            elif self._pending:
                messages[0] = bytes(self._pending) + messages[0]
                block_bytes = max(block_bytes, len(messages[0]))
                self._pending.clear()
            if block_bytes > self.max_bytes:
                messages = self._within_limit(messages)
        if tail and not self._skipping:
            self._pending += tail
            if len(self._pending) > self.max_bytes:
                self._reject_long(self._pending)
                self._pending.clear()
                self._skipping = True
        return messages

    def _within_limit(self, messages: list[bytes]) -> list[bytes]:
        kept = [message for message in messages if len(message) <= self.max_bytes]
        if len(kept) < len(messages):
            for message in messages:
                if len(message) > self.max_bytes:
                    self._reject_long(message)
        return kept

    def close(self) -> list[bytes]:
        rest = bytes(self._pending) + self._held
        skipping = self._skipping
        self._pending.clear()
        self._held = b""
        self._skipping = False
        return [] if skipping or not rest else self._within_limit([rest])

    def frame(self, message: bytes, /) -> bytes:
        self._check_size(message)
        framed = message + self._delimiter
        if framed.find(self._delimiter) != len(message):
            expected = f"a message without the delimiter {self._delimiter!r}"
            raise rejected(type(self).__name__, expected, message)
        return framed


class LineFraming(DelimiterFraming):
    r"""Messages are lines that end with `\n`; by default a `\r` before it is taken off too.

    A line longer than `max_bytes` is rejected and skipped up to the next newline. The last line
    needs no newline. Empty lines are messages. `frame` takes lines that end with `\r`, too, which
    read back without it.

    `feed` costs what `split(b"\n")` costs: nothing is done line by line.

    Args:
        max_bytes: of one line, without its end.
        strip_cr: take off one `\r` before the newline, and at the end of the stream.
    """

    def __init__(self, *, max_bytes: int = DEFAULT_MAX_BYTES, strip_cr: bool = True) -> None:
        super().__init__(b"\n", max_bytes=max_bytes)
        self._strip_cr = strip_cr

    def feed(self, data: bytes, /) -> list[bytes]:
        if not self._strip_cr:
            lines = data.split(b"\n")
            return self._complete(lines, lines.pop(), len(data))
        block = self._held + data if self._held else data
        if block.endswith(b"\r"):
            # Whether it belongs to the line is known when the next byte is.
            self._held = b"\r"
            block = block[:-1]
        else:
            self._held = b""
        if b"\r" in block:
            # Asked first, for a replacement looks at every byte far more slowly.
            block = block.replace(b"\r\n", b"\n")
        lines = block.split(b"\n")
        return self._complete(lines, lines.pop(), len(block))

    def close(self) -> list[bytes]:
        self._held = b""
        return super().close()
