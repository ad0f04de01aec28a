"""What became of the messages of a batch."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.extras import require

from .errors import EXTRA, translate
from .messages import Message


class Outcomes:
    """Sorts what publishing has raised, message by message.

    Most errors close the channel and are raised for every message that was not confirmed. Those
    are not at fault, except one that is too large: the largest of them.

    Args:
        where: the broker, as messages name it.

    Attributes:
        is_lost: the channel is closed.
        is_refused: a queue has refused a message for now.
    """

    def __init__(self, where: str) -> None:
        self.is_lost = False
        self.is_refused = False
        self._where = where
        self._errors: dict[int, TransientError | RejectedError] = {}
        self._unconfirmed: list[int] = []
        self._confirmed = 0
        self._fatal: ConfigError | RejectedError | None = None
        self._is_too_large = False
        self._why = f"{where}: the channel was closed"
        exceptions = require("aiormq.exceptions", extra=EXTRA)
        pamqp: Any = require("pamqp.exceptions", extra=EXTRA)
        self._delivery_error = exceptions.DeliveryError
        self._not_found = exceptions.ChannelNotFoundEntity
        self._precondition = exceptions.ChannelPreconditionFailed
        # What the client raises before it sends anything, for what AMQP cannot express.
        self._inexpressible = (
            ValueError,
            TypeError,
            OverflowError,
            struct.error,
            pamqp.PAMQPException,
        )

    def refuse(self, index: int, why: str) -> None:
        """Take note that a message cannot even be tried."""
        self._errors[index] = RejectedError(why)

    def note(self, window: Mapping[int, Message], found: Sequence[BaseException | None]) -> None:
        """Take note of what was raised for each message of a window; none where it was not sent."""
        if not found:
            self._unconfirmed += window
            return
        lost: list[int] = []
        for index, error in zip(window, found, strict=True):
            if error is None:
                self._confirmed += 1
            elif isinstance(error, self._delivery_error):
                self._note_delivery(index, error)
            elif isinstance(error, self._inexpressible):
                self.refuse(index, f"{self._where}: {error}")
            else:
                lost.append(index)
                self._note_loss(error)
        if self._is_too_large and lost:
            largest = max(lost, key=lambda index: len(window[index].body))
            lost.remove(largest)
            self.refuse(largest, self._why)
        self._unconfirmed += lost

    def _note_delivery(self, index: int, error: BaseException) -> None:
        """Take note of a message that was returned, or that a queue has refused."""
        translated = translate(error, self._where)
        if isinstance(translated, RejectedError):
            self._errors[index] = RejectedError(f"no queue takes it: {translated}")
        else:
            self.is_refused = True
            self._errors[index] = TransientError(f"refused for now: {translated}")

    def _note_loss(self, error: BaseException) -> None:
        """Take note of an error that has closed the channel."""
        if self.is_lost:
            return
        translated = translate(error, self._where)
        if translated is None:
            raise error
        self.is_lost, self._why = True, str(translated)
        self._is_too_large = isinstance(translated, RejectedError)
        if not isinstance(translated, ConfigError) or isinstance(error, self._not_found):
            # An exchange that is gone is looked for again when the sink has reconnected.
            return
        # What the broker refuses after all is a property of one message, such as `expiration`.
        is_message = isinstance(error, self._precondition)
        self._fatal = RejectedError(self._why) if is_message else translated

    def check(self) -> None:
        """Raise what the engine has to know, if anything.

        Raises:
            NotConnectedError: the channel is closed, and nothing was done.
            PartialWriteError: some were refused, or have to be published again.
            RejectedError: one of them is at fault, and the broker does not say which.
            ConfigError: the operator has to change something.
        """
        if isinstance(self._fatal, RejectedError) and len(self._unconfirmed) == 1:
            self._errors[self._unconfirmed.pop()] = self._fatal
        elif self._fatal is not None:
            raise self._fatal
        if self._unconfirmed and not self._confirmed and not self._errors:
            raise NotConnectedError(self._why)
        # What was confirmed is not to be published twice, so each is told apart.
        errors = self._errors | {i: TransientError(self._why) for i in self._unconfirmed}
        if errors:
            raise PartialWriteError(errors)
