"""The processors that read and write syslog messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ConfigError
from bspump.abc.processor import Processor
from bspump.formats.reject import rejected
from bspump.formats.syslog import parse_syslog
from bspump.formats.syslog_format import format_rfc3164, format_rfc5424

from .options import SyslogFormatterOptions, SyslogParserOptions, zone_of

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class SyslogReading:
    """Reads messages as the options say, with the present as the reference for their years.

    Args:
        now: returns the present, Unix seconds.
        zone: name of the zone of timestamps that do not say theirs.
        default_priority: of messages without one; None rejects them.

    Raises:
        ConfigError: the zone or the priority does not exist.
    """

    def __init__(self, now: Callable[[], float], zone: str, default_priority: int | None) -> None:
        if default_priority is not None and not 0 <= default_priority <= 191:
            raise ConfigError(f"default_priority: expected 0 to 191, got {default_priority}")
        self._now = now
        self._zone: tzinfo = zone_of(zone)
        self._default_priority = default_priority

    def parse(self, message: bytes | str) -> dict[str, Any]:
        """Return the parts of one message; see `parse_syslog`.

        Raises:
            RejectedError: the message is malformed, or neither bytes nor text.
        """
        return self.parser()(message)

    def parser(self) -> Callable[[bytes | str], dict[str, Any]]:
        """Return `parse` with the present of now, for many messages that came at once."""
        return partial(
            _parse,
            reference_ms=int(self._now() * 1000),
            zone=self._zone,
            default_priority=self._default_priority,
        )


def _parse(message: bytes | str, **how: Any) -> dict[str, Any]:
    if isinstance(message, str):
        message = message.encode("utf-8", "backslashreplace")
    elif not isinstance(message, bytes | bytearray):
        raise rejected("syslog", "bytes or text", message)
    return parse_syslog(message, **how)


class SyslogParser(Processor):
    """Turn one syslog message (bytes or text, RFC 5424 or RFC 3164) into a dict.

    What comes out has always the same keys, see `bspump.formats.syslog`. A malformed message is
    the error of that event alone: `RejectedError`.

    Raises:
        ConfigError: the zone or the priority does not exist.
    """

    OptionsClass = SyslogParserOptions
    Options: SyslogParserOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._reading = SyslogReading(
            app.time, self.Options.timezone, self.Options.default_priority
        )

    def process(self, context: Context, event: Event) -> Event:
        return self._reading.parse(event)

    def process_batch(
        self, contexts: Sequence[Context] | None, events: Sequence[Event]
    ) -> list[Event]:
        """Parse all of `events`; raises, having done nothing, if one of them is malformed."""
        return list(map(self._reading.parser(), events))


class SyslogFormatter(Processor):
    """Turn a dict with the keys that `SyslogParser` gives into one syslog message, bytes.

    All keys may be missing, except that RFC 3164 needs `timestamp_ms`. The message has no
    framing: on a stream let the sink add it, `octets` for TCP and TLS. A field that cannot stand
    where it belongs is the error of that event alone: `RejectedError`.

    Raises:
        ConfigError: the zone does not exist.
    """

    OptionsClass = SyslogFormatterOptions
    Options: SyslogFormatterOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._format: Callable[[Mapping[str, Any]], bytes] = format_rfc5424
        if self.Options.rfc == 3164:
            self._format = partial(format_rfc3164, zone=zone_of(self.Options.timezone))

    def process(self, context: Context, event: Event) -> Event:
        if not isinstance(event, Mapping):
            raise rejected("syslog", "a dict", event)
        return self._format(event)
