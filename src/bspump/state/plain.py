"""Plain data as bytes and back: the same values of the same types, or an error that says where.

MessagePack, in which tuples, integers of more than 64 bits, texts with lone surrogates, and
dicts with such keys, are extensions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from bspump.abc.config import shown
from bspump.abc.errors import ConfigError

DEEPEST = 100
"""Levels of nesting at the most; so that what was written can be read, wherever that happens."""

_TUPLE, _INTEGER, _TEXT, _DICT = 1, 2, 3, 4
_SCALARS = frozenset((str, bytes, int, float, bool, type(None)))
_EASY_KEYS = frozenset((str, bytes, int))
# So few that what is looked at several times stays in the cache of the processor.
_EASY_BATCH = 1024
_EASY_LEVELS, _EASY_VALUES = 4, 1_000_000
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1

_pack = msgspec.msgpack.Encoder().encode


def encode(value: Any, *, of: str) -> bytes:
    """Return plain data as bytes; equal data of the same types gives equal bytes.

    >>> decode(encode({(1, "a"): [b"", None, 2**70]}, of="an example"))
    {(1, 'a'): [b'', None, 1180591620717411303424]}

    Args:
        value: the data.
        of: whose it is; begins the message of an error.

    Raises:
        ConfigError: something in it is not plain data.
    """
    try:
        return _pack(_shaped(value, 0))
    except (OverflowError, UnicodeEncodeError):
        return _pack(_exact(value))
    except TypeError:
        raise _complaint(value, of) from None


def encode_key(key: Any, *, of: str) -> bytes:
    """Return a key as bytes; keys that are equal give equal bytes.

    >>> encode_key(True, of="it") == encode_key(1.0, of="it") == encode_key(1, of="it")
    True

    Raises:
        ConfigError: it is not plain data.
    """
    if type(key) is not str and type(key) is not bytes and type(key) is not int:
        key = _canonical(key)
    return encode(key, of=of)


def encode_all(values: Collection[Any], *, of: str) -> list[bytes]:
    """Return what `encode` makes of each; several times as fast where there are many.

    Raises:
        ConfigError: something in one of them is not plain data.
    """
    found: list[bytes] = []
    rest = list(values)
    for start in range(0, len(rest), _EASY_BATCH):
        batch = rest[start : start + _EASY_BATCH]
        try:
            found += map(_pack, batch) if _are_easy(batch) else [encode(v, of=of) for v in batch]
        except (OverflowError, UnicodeEncodeError):
            del found[start:]
            found += [encode(value, of=of) for value in batch]
    return found


def encode_keys(keys: Collection[Any], *, of: str) -> list[bytes]:
    """Return what `encode_key` makes of each; several times as fast where there are many.

    Raises:
        ConfigError: one of them is not plain data.
    """
    if _EASY_KEYS.issuperset(map(type, keys)):
        try:
            return list(map(_pack, keys))
        except (OverflowError, UnicodeEncodeError):
            pass
    return [encode_key(key, of=of) for key in keys]


def decode(data: bytes) -> Any:
    """Return what `encode` or `encode_key` was given.

    Raises:
        ValueError: it was made by neither, or is damaged.
    """
    return _unpack(data)


def _extension(code: int, data: memoryview) -> Any:
    if code == _INTEGER:
        return int.from_bytes(data, "big", signed=True)
    if code == _TEXT:
        return str(data, "utf-8", "surrogatepass")
    items = _unpack(data)
    if code == _TUPLE:
        return tuple(items)
    if code == _DICT:
        return dict(zip(items[::2], items[1::2], strict=True))
    raise ValueError(f"unknown extension {code}")


_unpack = msgspec.msgpack.Decoder(ext_hook=_extension).decode


def _are_easy(values: Sequence[Any]) -> bool:
    """Tell whether msgspec makes of all what `encode` does: no tuples, not deep, nothing odd.

    It goes level by level and leaves the loops to the interpreter, so it takes a fraction of the
    time that `_shaped` would.
    """
    for _ in range(_EASY_LEVELS):
        kinds = set(map(type, values)) - _SCALARS
        if not kinds:
            return True
        if not kinds <= {dict, list}:
            return False
        dicts = [value for value in values if type(value) is dict]
        lists = [value for value in values if type(value) is list]
        if sum(map(len, dicts)) + sum(map(len, lists)) > _EASY_VALUES:
            return False
        if not _SCALARS.issuperset(map(type, chain.from_iterable(dicts))):
            return False
        values = [*chain.from_iterable(map(dict.values, dicts)), *chain.from_iterable(lists)]
    return False


def _shaped(value: Any, depth: int) -> Any:
    """Return what msgspec turns into the right bytes; raises TypeError where nothing is.

    It does not look at the size of integers and the characters of texts: msgspec does, faster.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth >= DEEPEST:
        raise TypeError("too deep")
    depth += 1
    if kind is dict:
        _check_keys(value, depth)
        if _SCALARS.issuperset(map(type, value.values())):
            return value
        return {key: _shaped(item, depth) for key, item in value.items()}
    if kind is list:
        if _SCALARS.issuperset(map(type, value)):
            return value
        return [_shaped(item, depth) for item in value]
    if kind is tuple:
        return Ext(_TUPLE, _pack([_shaped(item, depth) for item in value]))
    raise TypeError(kind)


def _check_keys(keys: Any, depth: int) -> None:
    """Check keys; tuples among them need no extension, for no key can be a list."""
    if _SCALARS.issuperset(map(type, keys)):
        return
    for key in keys:
        if type(key) not in _SCALARS and (type(key) is not tuple or depth >= DEEPEST):
            raise TypeError(key)
        if type(key) is tuple:
            _check_keys(key, depth + 1)


def _exact(value: Any) -> Any:
    """Return what `_shaped` does, of data that it accepted, but with extensions everywhere."""
    kind = type(value)
    if kind is int and not _INT64_MIN <= value <= _UINT64_MAX:
        return Ext(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if kind is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return Ext(_TEXT, value.encode("utf-8", "surrogatepass"))
    if kind is list:
        return [_exact(item) for item in value]
    if kind is tuple:
        return Ext(_TUPLE, _pack([_exact(item) for item in value]))
    if kind is dict:
        return Ext(_DICT, _pack([_exact(each) for item in value.items() for each in item]))
    return value


def _canonical(key: Any) -> Any:
    """Return the key that stands for all that are equal to it."""
    if type(key) is bool or (type(key) is float and key.is_integer()):
        return int(key)
    if type(key) is tuple:
        return tuple(_canonical(each) for each in key)
    return key


def _complaint(value: Any, of: str) -> ConfigError:
    place, found = _find(value, "", 0) or ("", value)
    kind = type(found)
    if kind in (dict, list, tuple):
        return ConfigError(
            f"{of}: it is nested too deep{_at(place)} [{ConfigError.Code}]\n"
            f"  expected: at most {DEEPEST} levels\n"
            f"  what to do: keep it flatter; look for something that contains itself"
        )
    return ConfigError(
        f"{of}: it is not plain data{_at(place)} [{ConfigError.Code}]\n"
        f"  expected: dict, list, tuple, str, bytes, int, float, bool or None,"
        f" and no subclasses of them\n"
        f"  got: {kind.__module__}.{kind.__qualname__}\n"
        f"  what to do: {_advice(kind)}"
    )


def _advice(kind: type) -> str:
    for bases, name in ((Mapping, "a dict"), ((set, frozenset), "a list"), (bytearray, "bytes")):
        if issubclass(kind, bases):
            return f"make it {name}"
    for base in (list, tuple, str, bytes, int, float):
        if issubclass(kind, base):
            return f"make it what it is derived from, {base.__name__}"
    return "express it by these; a time by its Unix seconds"


def _at(place: str) -> str:
    return f" at {place if len(place) <= 200 else '…' + place[-200:]}" if place else ""


def _find(value: Any, place: str, depth: int) -> tuple[str, Any] | None:
    """Return the first that is not plain, or is too deep, and its place."""
    kind = type(value)
    if kind in _SCALARS:
        return None
    if kind not in (dict, list, tuple) or depth >= DEEPEST:
        return place, value
    items = value.items() if kind is dict else enumerate(value)
    for key, item in items:
        name = shown("", key) if type(key) is str else repr(key)[:100]
        if kind is dict and (found := _find(key, f"{place} key {name}", depth + 1)):
            return found
        if found := _find(item, f"{place}[{name}]", depth + 1):
            return found
    return None
