"""What the errors of librdkafka and of the brokers mean to the engine."""

from __future__ import annotations

from typing import Any, Final

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PumpError,
    RejectedError,
    TransientError,
)
from bspump.abc.redaction import redact_text

# By the name that librdkafka gives them. What is not here is worth another attempt.
_CONFIG: Final = {
    "_AUTHENTICATION",
    "_INVALID_ARG",
    "_AUTO_OFFSET_RESET",
    "_SSL",
    "_UNSUPPORTED_FEATURE",
    "CLUSTER_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "INCONSISTENT_GROUP_PROTOCOL",
    "INVALID_GROUP_ID",
    "INVALID_REQUIRED_ACKS",
    "INVALID_SESSION_TIMEOUT",
    "SASL_AUTHENTICATION_FAILED",
    "TOPIC_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
}
_REJECTED: Final = {
    "_UNKNOWN_PARTITION",
    "INVALID_MSG",
    "INVALID_MSG_SIZE",
    "INVALID_RECORD",
    "INVALID_TIMESTAMP",
    "MSG_SIZE_TOO_LARGE",
    "POLICY_VIOLATION",
    "RECORD_LIST_TOO_LARGE",
    "TOPIC_EXCEPTION",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
}
_NOT_CONNECTED: Final = {"_ALL_BROKERS_DOWN", "_FATAL", "_RESOLVE", "_TIMED_OUT", "_TRANSPORT"}


def kind_of(error: Any) -> type[PumpError]:
    """Return the class of the instruction that a `KafkaError` is."""
    name = error.name()
    if error.fatal():
        return NotConnectedError
    if name in _CONFIG:
        return ConfigError
    if name in _REJECTED:
        return RejectedError
    return TransientError


def translated(error: Any, where: str) -> PumpError:
    """Return a `KafkaError` as the error that tells the engine what to do.

    Args:
        error: what librdkafka or a broker said.
        where: the cluster, as messages name it.
    """
    return kind_of(error)(_text(error, where))


def translated_connecting(error: Any, where: str) -> PumpError:
    """Return what a first request failed with; then no answer means that there is no connection."""
    if error.name() in _NOT_CONNECTED:
        return NotConnectedError(_text(error, where))
    return translated(error, where)


def _text(error: Any, where: str) -> str:
    text = redact_text(" ".join(str(error.str()).split()))
    return f"{where}: {text} [{error.name()}]"
