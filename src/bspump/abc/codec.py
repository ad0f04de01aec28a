"""The contract of codecs: bytes to events and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any


class Codec(ABC):
    """Decodes messages to events and encodes events to messages. Holds no state.

    Some need what has to be fetched first, such as a schema from a registry: `prepare` and
    `prepare_encoding` do that. Parts that let the user choose such a codec await them.
    """

    def lacks(self, messages: Sequence[bytes], /) -> bool:
        """Tell whether `prepare` is needed before these messages can be decoded. Quick."""
        return False

    async def prepare(self, messages: Sequence[bytes], /) -> None:  # noqa: B027 - most need nothing
        """Fetch what decoding these messages needs; a source awaits it where `lacks` says so.

        What one message needs and cannot be had is that message's error: `decode` rejects it.

        Raises:
            NotConnectedError, TransientError: it cannot be fetched now; decode nothing yet.
            ConfigError: it can never be fetched.
        """

    async def prepare_encoding(self) -> None:  # noqa: B027 - most need nothing
        """Fetch what encoding needs, unless it is here; a sink awaits it before it encodes.

        Raises:
            NotConnectedError, TransientError: it cannot be fetched now; encode nothing yet.
            ConfigError: it can never be fetched.
        """

    @abstractmethod
    def decode(self, message: bytes, /) -> Any:
        """Return the event that `message` holds.

        Raises:
            RejectedError: the message is not what this codec expects.
        """

    @abstractmethod
    def encode(self, event: Any, /) -> bytes:
        """Return `event` as one message, without a delimiter.

        Raises:
            RejectedError: the event cannot be expressed.
        """

    def decode_lines(self, block: bytes, /) -> list[Any]:
        """Decode newline-delimited messages at once; empty lines are skipped.

        Raises:
            RejectedError: one of them is broken; nothing is returned, so decode them singly.
        """
        return [self.decode(line) for line in block.split(b"\n") if line]

    def encode_lines(self, events: Sequence[Any], /) -> bytes:
        """Encode events, each followed by a newline.

        Raises:
            RejectedError: one of them cannot be expressed; encode them singly.
        """
        return b"".join([self.encode(event) + b"\n" for event in events])
