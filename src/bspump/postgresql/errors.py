"""What the errors of psycopg and of the server mean to the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PumpError,
    RejectedError,
    TransientError,
)
from bspump.abc.extras import require
from bspump.abc.redaction import redact_text

EXTRA: Final = "postgresql"

# By SQLSTATE or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html).
# The longest prefix counts; what is not here has to be looked at by the operator.
_BY_STATE: Final[dict[str, type[PumpError]]] = {
    "08": NotConnectedError,  # connection exception
    "25006": NotConnectedError,  # read-only: what was the primary has become a standby
    "25P03": NotConnectedError,  # idle in transaction for too long
    "57P": NotConnectedError,  # shut down, crashed, database dropped, idle for too long
    "40": TransientError,  # serialization failure, deadlock
    "53": TransientError,  # too many connections, disk or memory full
    "55006": TransientError,  # object in use, such as a replication slot
    "55P03": TransientError,  # lock not available
    "57014": TransientError,  # cancelled, for example by `statement_timeout`
    "58": TransientError,  # the system failed, such as its disk
    "XX": TransientError,  # the server itself is at fault
    "22": RejectedError,  # data exception
    "23": RejectedError,  # integrity constraint
    "42804": RejectedError,  # a value of another type than its column
    "42846": RejectedError,  # a value that cannot be cast
    "44": RejectedError,  # view `WITH CHECK OPTION`
    "54": RejectedError,  # a limit, such as the size of a row in an index
    "P0001": RejectedError,  # raised by a function, such as a trigger
}

# While a connection is being made, libpq has no SQLSTATE but only the text of the server.
_CONFIG_TEXT: Final = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry"
    r"|(?:role|database) \".*\" does not exist|not permitted to log in"
    r"|permission denied for database|certificate|invalid connection option"
    r"|does not support SSL|must be superuser|permission denied to"
    r"|not currently accepting connections|invalid (?:sslmode|port|integer|connect)"
)
_BUSY_TEXT: Final = re.compile(
    r"too many (?:clients|connections)|connection slots|database system is"
)


@contextmanager
def transfer_errors(where: str) -> Iterator[None]:
    """Raise what psycopg raises in the block as the error that tells the engine what to do.

    Args:
        where: the server, as messages name it.

    Raises:
        NotConnectedError: there is no connection, or no longer.
        TransientError: deadlocks, too many connections, a slot in use and the like.
        RejectedError: the data is at fault.
        ConfigError: the operator has to change something.
    """
    psycopg = require("psycopg", extra=EXTRA)
    try:
        yield
    except psycopg.Error as error:
        raise _translated(error, psycopg, where) from error
    except (UnicodeError, OverflowError) as error:
        # A value that cannot be written as the server needs it, such as a lone surrogate.
        raise RejectedError(f"{where}: {error}") from error


def _translated(error: Any, psycopg: Any, where: str) -> PumpError:
    text = f"{where}: {_message(error)}"
    state: str | None = error.sqlstate
    if state is None:
        return _kind_without_state(error, psycopg)(text)
    return _kind_of_state(state)(f"{text} [SQLSTATE {state}]")


def _kind_of_state(state: str) -> type[PumpError]:
    for length in range(len(state), 1, -1):
        if kind := _BY_STATE.get(state[:length]):
            return kind
    return ConfigError


def _kind_without_state(error: Any, psycopg: Any) -> type[PumpError]:
    """Sort an error of psycopg or libpq itself."""
    if isinstance(error, psycopg.OperationalError):
        text = str(error)
        if _CONFIG_TEXT.search(text):
            return ConfigError
        return TransientError if _BUSY_TEXT.search(text) else NotConnectedError
    if isinstance(error, psycopg.InterfaceError):
        return NotConnectedError
    # A value that psycopg cannot express.
    if isinstance(error, psycopg.DataError | psycopg.ProgrammingError | psycopg.NotSupportedError):
        return RejectedError
    return TransientError


def _message(error: Any) -> str:
    """Return the text of the server without the position and the statement, on one line."""
    primary = error.diag.message_primary
    if primary is None:
        lines = [line.strip() for line in str(error).splitlines()]
    else:
        lines = [primary, error.diag.message_detail or "", error.diag.message_hint or ""]
    return redact_text("; ".join(line for line in lines if line)) or type(error).__name__
