"""Events to messages: body, address and properties."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bspump.abc.errors import RejectedError
from bspump.abc.extras import require
from bspump.formats.registry import codec

from .errors import EXTRA
from .options import AMQPSinkOptions

if TYPE_CHECKING:
    from pamqp.commands import Basic

    from bspump.abc.host import Context, Event

CONTEXT: Final = "!context"
EXCHANGE_KEY: Final = "amqp.exchange"
ROUTING_KEY_KEY: Final = "amqp.routing_key"
PROPERTIES_KEY: Final = "amqp.properties"

_PERSISTENT, _TRANSIENT = 2, 1


class Message(NamedTuple):
    """What is published for one event."""

    body: bytes
    exchange: str
    routing_key: str
    properties: Basic.Properties


class MessageMaker:
    """Makes messages of events, as the options of the sink and the context say."""

    def __init__(self, options: AMQPSinkOptions) -> None:
        self._options = options
        self._is_plain = not options.codec
        self._codec = codec(options.codec or "json")
        commands = require("pamqp.commands", extra=EXTRA)
        self._new_properties = commands.Basic.Properties
        self._defaults = {
            "content_type": options.content_type or None,
            "delivery_mode": _PERSISTENT if options.persistent else _TRANSIENT,
        }

    def make(self, context: Context, event: Event) -> Message:
        """Return the message of an event.

        Raises:
            RejectedError: it cannot be encoded, or its context says something impossible.
        """
        routing_key = context.get(ROUTING_KEY_KEY)
        return Message(
            self._body(event),
            self._exchange(context),
            self._options.routing_key if routing_key is None else str(routing_key),
            self._properties(context.get(PROPERTIES_KEY)),
        )

    def _body(self, event: Event) -> bytes:
        if self._is_plain:
            if isinstance(event, bytes | bytearray):
                return bytes(event)
            if isinstance(event, str):
                # A lone surrogate is no UTF-8; what it costs is this event alone.
                try:
                    return event.encode()
                except UnicodeError as error:
                    raise RejectedError(f"expected text, got {error}") from error
        return self._codec.encode(event)

    def _exchange(self, context: Context) -> str:
        exchange = context.get(EXCHANGE_KEY)
        if exchange is not None:
            return str(exchange)
        if self._options.exchange == CONTEXT:
            raise RejectedError(f"expected an exchange in the context as {EXCHANGE_KEY!r}")
        return self._options.exchange

    def _properties(self, given: Mapping[str, Any] | None) -> Basic.Properties:
        try:
            properties: Basic.Properties = self._new_properties(
                **(self._defaults if given is None else {**self._defaults, **given})
            )
            if given is not None:
                # Now, so that what AMQP cannot express is the fault of this event alone.
                properties.marshal()
        except (TypeError, ValueError, OverflowError, AttributeError, struct.error) as error:
            raise RejectedError(f"{PROPERTIES_KEY}: {error}") from error
        return properties
