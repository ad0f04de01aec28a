"""Events with their contexts as records of a log, and back."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bspump.abc.errors import ConfigError, RejectedError
from bspump.abc.host import Context, Event
from bspump.state.plain import decode, encode

_HEAD = struct.Struct(">BI")
_BYTES, _PLAIN = 0, 1
_FLAT = frozenset((str, bytes, int, float, bool, type(None)))
_NESTED = frozenset((dict, list, tuple))


class RecordCodec:
    """Turns events into records and back.

    A record is a byte that tells the kind of the event, the length of the context, the context,
    and the event: bytes as they are, everything else as plain data.

    Args:
        keys: entries of contexts that are kept; if there are none: all that are plain data. Of
            another mapping, such as the headers of a request, a dict is kept, with the first of
            several values.
        left_out: called once with each key of which something was left out, and its value.
    """

    def __init__(self, keys: Sequence[str], left_out: Callable[[Any, Any], None]) -> None:
        self._keys, self._left_out = frozenset(keys), left_out
        self._told: set[Any] = set()
        # Neighbours mostly have the same context: one that cannot change is packed once.
        self._packed_last: tuple[Context, bytes] | None = None
        self._unpacked_last: tuple[bytes, Context] = b"", {}

    def encode(self, event: Event, context: Context | None) -> bytes:
        """Return the record of an event.

        Raises:
            RejectedError: the event is not plain data, or an entry of its context that is to be
                kept is not.
        """
        try:
            about = self._pack(context) if context else b""
            if type(event) is bytes:
                return _HEAD.pack(_BYTES, len(about)) + about + event
            return _HEAD.pack(_PLAIN, len(about)) + about + encode(event, of="event")
        except ConfigError as error:
            raise RejectedError(f"it cannot be kept in the buffer: {error}") from error

    def decode(self, records: Iterable[bytes]) -> tuple[list[Event], list[Context], int]:
        """Return events, a context for each, and how many records could not be read."""
        events: list[Event] = []
        contexts: list[Context] = []
        unreadable = 0
        for record in records:
            try:
                kind, length = _HEAD.unpack_from(record)
                context = self._unpack(record[_HEAD.size : _HEAD.size + length])
                body = record[_HEAD.size + length :]
                event = body if kind == _BYTES else decode(body)
            except (ValueError, struct.error):
                unreadable += 1
            else:
                events.append(event)
                contexts.append(context)
        return events, contexts, unreadable

    def _pack(self, context: Context) -> bytes:
        last = self._packed_last
        if last is not None and _are_same(last[0], context):
            return last[1]
        kept = self._chosen(context) if self._keys else self._plain(context)
        packed = encode(kept, of="context") if kept else b""
        is_flat = _FLAT.issuperset(map(type, kept.values()))
        self._packed_last = (context.copy(), packed) if is_flat else None
        return packed

    def _chosen(self, context: Context) -> Context:
        return {key: _as_dict(context[key]) for key in context if key in self._keys}

    def _plain(self, context: Context) -> Context:
        kept = {}
        for key, value in context.items():
            plain = _as_dict(value)
            if type(plain) in _FLAT or (type(plain) in _NESTED and _is_plain(plain)):
                kept[key] = plain
            elif key not in self._told:
                self._told.add(key)
                self._left_out(key, value)
        return kept

    def _unpack(self, packed: bytes) -> Context:
        if not packed:
            return {}
        last, context = self._unpacked_last
        if packed != last:
            context = decode(packed)
            if not _FLAT.issuperset(map(type, context.values())):
                return context
            self._unpacked_last = packed, context
        return context.copy()


def _are_same(one: Context, other: Context) -> bool:
    """Tell whether two contexts have the same objects under the same keys."""
    return (
        len(one) == len(other)
        and list(one) == list(other)
        and list(map(id, one.values())) == list(map(id, other.values()))
    )


def _as_dict(value: Any) -> Any:
    if type(value) is dict or not isinstance(value, Mapping):
        return value
    found: dict[Any, Any] = {}
    for key, item in value.items():
        # Names of headers are of a class of their own.
        found.setdefault(str(key) if isinstance(key, str) else key, item)
    return found


def _is_plain(value: Any) -> bool:
    try:
        encode(value, of="context")
    except ConfigError:
        return False
    return True
