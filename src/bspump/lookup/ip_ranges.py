"""Ranges of IP addresses, sorted, and what is known of each. Pure: no files, no lookup."""

from __future__ import annotations

import socket
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from operator import itemgetter
from typing import Any

_V4_BITS = 32
_LOW = (1 << 64) - 1
_MAPPED = 0xFFFF << _V4_BITS
_LAST = (1 << 128) - 1

Address = str | bytes | int | IPv4Address | IPv6Address


def parse_address(address: Address) -> tuple[int, bool]:
    """Return the number of an address, and whether it is one of IPv6.

    Text, packed bytes (4 or 16), a number (of IPv4 if it fits) or an object of `ipaddress`. An
    address of IPv4 that is written as one of IPv6 (`::ffff:1.2.3.4`) is one of IPv4.

    >>> parse_address("1.0.0.1"), parse_address("::1"), parse_address("::ffff:1.0.0.1")
    ((16777217, False), (1, True), (16777217, False))

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(address, str):
        try:
            if ":" not in address:
                packed = socket.inet_pton(socket.AF_INET, address)
            else:
                packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
        except (OSError, ValueError):
            raise ValueError(f"expected an IP address, got {address!r}") from None
    elif isinstance(address, int) and not isinstance(address, bool):
        if not 0 <= address <= _LAST:
            raise ValueError(f"expected an IP address, got {address!r}")
        packed = address.to_bytes(4 if address >> _V4_BITS == 0 else 16, "big")
    elif isinstance(address, bytes) and len(address) in (4, 16):
        packed = address
    elif isinstance(address, IPv4Address | IPv6Address):
        packed = address.packed
    else:
        raise ValueError(f"expected an IP address, got {address!r}")
    number = int.from_bytes(packed, "big")
    if len(packed) == 4:
        return number, False
    if number >> _V4_BITS == 0xFFFF:
        return number - _MAPPED, False
    return number, True


def as_mapped(number: int) -> int:
    """Return the IPv6 form, `::ffff:0:0/96`, of an address of IPv4."""
    return _MAPPED | number


class RangeTable:
    """What is known of each of many ranges; 20 bytes per range, found in logarithmic time.

    Args:
        ranges: first and last address, both included, and what is known of them (`None`:
            nothing). In any order.

    Raises:
        ValueError: a range ends before it begins, or two of them overlap.

    >>> table = RangeTable([(10, 19, "b"), (5, 7, "a")])
    >>> [table.find(number) for number in (4, 5, 7, 8, 10, 19, 20)]
    [None, 'a', 'a', None, 'b', 'b', None]
    """

    def __init__(self, ranges: Iterable[tuple[int, int, Any]]) -> None:
        # Starts in two halves: arrays hold 64 bits. A gap is a range of which nothing is known.
        self._high, self._low, self._which = array("Q"), array("Q"), array("I")
        self._values: list[Any] = [None]
        self._count = 0
        after = 0
        for first, last, value in sorted(ranges, key=itemgetter(0)):
            if last < first:
                raise ValueError(f"a range ends before it begins: {first} to {last}")
            if first < after:
                raise ValueError(f"two ranges overlap at {first}")
            if first > after:
                self._append(after, 0)
            self._append(first, self._index(value))
            self._count += 1
            after = last + 1
        if after <= _LAST:
            self._append(after, 0)
        self._is_narrow = self._high[-1] == 0

    def __len__(self) -> int:
        return self._count

    def find(self, number: int) -> Any:
        """Return what is known of an address, `None` where nothing is."""
        high = number >> 64
        left, right = 0, len(self._high)
        if high or not self._is_narrow:
            right = bisect_right(self._high, high)
            left = bisect_left(self._high, high, 0, right)
        at = bisect_right(self._low, number & _LOW, left, right) - 1
        return self._values[self._which[at]] if at >= 0 else None

    def items(self) -> Iterator[tuple[int, int, Any]]:
        """Yield the ranges of which something is known, in order: first, last, what."""
        end = len(self._which)
        for at, which in enumerate(self._which):
            if which:
                last = self._start(at + 1) - 1 if at + 1 < end else _LAST
                yield self._start(at), last, self._values[which]

    def _start(self, at: int) -> int:
        return self._high[at] << 64 | self._low[at]

    def _append(self, start: int, which: int) -> None:
        self._high.append(start >> 64)
        self._low.append(start & _LOW)
        self._which.append(which)

    def _index(self, value: Any) -> int:
        if value is None:
            return 0
        # Neighbours often say the same; those that are the same object are kept once.
        if self._values[-1] is not value:
            self._values.append(value)
        return len(self._values) - 1
