r"""The wire format of Confluent: which schema of a registry a message was written with.

A zero byte, the id of the schema in four bytes, and for Protobuf which type of the file it is.

>>> header(7)
b'\x00\x00\x00\x00\x07'
>>> write_indexes((0,)), write_indexes((1, 0))
(b'\x00', b'\x04\x02\x00')
>>> read_indexes(b"\x04\x02\x00rest")
((1, 0), b'rest')
"""

from __future__ import annotations

from typing import Final

from .reject import rejected

HEADER_BYTES: Final = 5
_DEEPEST: Final = 100


def header(id: int) -> bytes:
    """Return what comes before a message of that schema."""
    return b"\0" + id.to_bytes(4, "big")


def id_of(message: bytes) -> int | None:
    r"""Return the id of the schema, `None` where the message has another format.

    >>> id_of(b"\0\0\0\0\x07rest"), id_of(b'{"a":1}'), id_of(b"\0")
    (7, None, None)
    """
    if len(message) < HEADER_BYTES or message[0]:
        return None
    return int.from_bytes(message[1:HEADER_BYTES], "big")


def read_indexes(payload: bytes) -> tuple[tuple[int, ...], bytes]:
    """Return which type of a file a message is, and the message.

    The index in the file, then that in the type around it, and so on: `(1, 0)` is the first type
    inside of the second one.

    Raises:
        RejectedError: there are none.
    """
    count, at = _varint(payload, 0)
    if count == 0:
        # The first type of a file is by far the most frequent one, and has a short form.
        return (0,), payload[at:]
    if not 0 < count <= _DEEPEST:
        raise rejected("protobuf", "message indexes", payload)
    indexes = []
    for _ in range(count):
        index, at = _varint(payload, at)
        indexes.append(index)
    return tuple(indexes), payload[at:]


def write_indexes(indexes: tuple[int, ...]) -> bytes:
    """Return what says which type of a file a message is."""
    if indexes == (0,):
        return b"\0"
    return b"".join([_zigzag(number) for number in (len(indexes), *indexes)])


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(payload):
            break
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
    raise rejected("protobuf", "message indexes", payload)


def _zigzag(number: int) -> bytes:
    value, written = number << 1, bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
