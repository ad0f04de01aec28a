"""Log sequence numbers: places in the write-ahead log of PostgreSQL."""

from __future__ import annotations


def parse_lsn(text: str) -> int:
    """Return the number of a place that is written as PostgreSQL does.

    >>> parse_lsn("1/16B3748")
    4318771016
    """
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def format_lsn(lsn: int) -> str:
    """Return a place as PostgreSQL writes it.

    >>> format_lsn(4318771016)
    '1/16B3748'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
