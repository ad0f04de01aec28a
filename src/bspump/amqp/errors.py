"""What the errors of the client and of the broker mean to the engine."""

from __future__ import annotations

import asyncio
import re
import ssl
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PumpError,
    RejectedError,
    TransientError,
)
from bspump.abc.extras import require
from bspump.abc.redaction import redact_text

EXTRA: Final = "amqp"

_NOT_ALLOWED: Final = 530

# By the name of the client's error and a pattern of the broker's text; the first that fits.
_KINDS: Final[tuple[tuple[str, str, type[PumpError]], ...]] = (
    ("AuthenticationError", "", ConfigError),
    ("ProbableAuthenticationError", "", ConfigError),
    ("IncompatibleProtocolError", "", ConfigError),
    ("ConnectionNotAllowed", "limit", TransientError),
    ("ConnectionNotAllowed", "", ConfigError),
    ("ChannelNotFoundEntity", "down or inaccessible", TransientError),
    ("ChannelNotFoundEntity", "", ConfigError),
    ("ChannelAccessRefused", "exclusive use", TransientError),
    ("ChannelAccessRefused", "", ConfigError),
    ("ChannelLockedResource", "", TransientError),
    ("ChannelPreconditionFailed", "message size", RejectedError),
    ("ChannelPreconditionFailed", "timed out|unknown delivery tag", NotConnectedError),
    ("ChannelPreconditionFailed", "", ConfigError),
    ("PublishError", "", RejectedError),
    ("DeliveryError", "", TransientError),
)


@contextmanager
def transfer_errors(where: str) -> Iterator[None]:
    """Raise what the client raises in the block as the error that tells the engine what to do.

    Args:
        where: the broker, as messages name it.

    Raises:
        NotConnectedError: there is no connection or channel, or no longer.
        TransientError: a queue that is in use or out of reach, a limit of the broker.
        RejectedError: a message that the broker will not take.
        ConfigError: the operator has to change something.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        # The client cancels whoever waits for a channel that is closed.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise NotConnectedError(f"{where}: the channel was closed") from error
    except Exception as error:
        translated = translate(error, where)
        if translated is None or translated is error:
            raise
        raise translated from error


def translate(error: BaseException, where: str) -> PumpError | None:
    """Return what an error of the client means, `None` if it is not one of the client's."""
    if isinstance(error, PumpError):
        return error
    error = _uncovered(error)
    text = f"{where}: {_message(error)}"
    kind = _kind(error)
    return None if kind is None else kind(text)


def _uncovered(error: BaseException) -> BaseException:
    """Return the refusal of the broker that an error of the client hides.

    When the broker refuses to open a virtual host, aiormq 7.2 complains of an unexpected frame
    and drops it, with the reason that it holds.
    """
    exceptions = require("aiormq.exceptions", extra=EXTRA)
    if isinstance(error, exceptions.InvalidFrameError):
        for frame, _ in traceback.walk_tb(error.__traceback__):
            refusal = frame.f_locals.get("frame")
            if getattr(refusal, "name", None) == "Connection.Close":
                code, text = getattr(refusal, "reply_code", 0), getattr(refusal, "reply_text", "")
                is_final = code == _NOT_ALLOWED
                return (exceptions.ConnectionNotAllowed if is_final else OSError)(text)
    return error


def _kind(error: BaseException) -> type[PumpError] | None:
    exceptions = require("aiormq.exceptions", extra=EXTRA)
    for name, pattern, kind in _KINDS:
        # `PublishError` is a `DeliveryError`, too: what comes first counts.
        if isinstance(error, getattr(exceptions, name)) and re.search(pattern, _message(error)):
            return kind
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return ConfigError
    known = (exceptions.AMQPError, exceptions.ChannelInvalidStateError, OSError)
    if isinstance(error, known) or _is_closing(error):
        return NotConnectedError
    return None


def _is_closing(error: BaseException) -> bool:
    """Tell whether it is what the client hands out where a channel is closed for no reason."""
    if type(error) is RuntimeError:
        return str(error).endswith(" closed")
    return type(error) in (Exception, asyncio.CancelledError)


def _message(error: BaseException) -> str:
    """Return the text of the broker on one line."""
    texts = [str(argument) for argument in error.args if argument not in (None, "")]
    return redact_text(" ".join(" ".join(texts).split())) or type(error).__name__
