"""What the parts of syslog can be told."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Options, Size
from bspump.clients.sockets.options import (
    ListenAddress,
    ReceiveBufferBytes,
    StreamServerOptions,
)

TimeZone = Annotated[str, Meta(description="Zone of timestamps that do not say theirs (RFC 3164).")]
DefaultPriority = Annotated[
    int | None,
    Meta(
        description="Priority, 0 to 191, of messages without one, such as lines of a log file;"
        " empty: they are rejected."
    ),
]
Transports = Annotated[
    tuple[Literal["udp", "tcp"], ...],
    Meta(
        description="`udp`, `tcp` or both; of a Unix socket, datagrams or streams. Empty: both;"
        " with `cert` only `tcp`, of a Unix socket only `udp`."
    ),
]


class SyslogParserOptions(Options, frozen=True, kw_only=True):
    """How syslog messages are read."""

    timezone: TimeZone = "UTC"
    default_priority: DefaultPriority = None


class SyslogFormatterOptions(Options, frozen=True, kw_only=True):
    """How syslog messages are written."""

    rfc: Annotated[
        Literal[5424, 3164], Meta(description="The form: RFC 5424, or RFC 3164 (BSD).")
    ] = 5424
    timezone: TimeZone = "UTC"


class SyslogSourceOptions(StreamServerOptions, frozen=True, kw_only=True):
    """Where syslog messages are received, what peers may cost, and how messages are read."""

    address: ListenAddress = "127.0.0.1 1514"
    transport: Transports = ()
    max_message_bytes: Annotated[
        Size, Meta(description="Bytes of one message at the most; a longer one is rejected.")
    ] = 1 << 16
    receiver_buffer_size: ReceiveBufferBytes = 0
    timezone: TimeZone = "UTC"
    default_priority: DefaultPriority = None


def zone_of(name: str) -> tzinfo:
    """Return the time zone called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise ConfigError(
            f"timezone: expected a name such as Europe/Prague, got {name!r}"
        ) from error
