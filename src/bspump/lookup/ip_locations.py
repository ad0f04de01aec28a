"""Where IP addresses are, from the CSV of ranges that IP2Location and others hand out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any, NamedTuple

from bspump.abc.errors import RejectedError

from .ip_ranges import RangeTable, parse_address

_COLUMNS = 8
_FIRST_OF_V6 = 1 << 32


class Location(NamedTuple):
    """What is known of a range; a text of which nothing is known is empty."""

    country_code: str
    country: str
    region: str
    city: str
    lat: float | None
    lon: float | None

    def as_event(self) -> dict[str, Any]:
        """Return it as a new dict."""
        return {
            "lat": self.lat,
            "lon": self.lon,
            "country": self.country,
            "region": self.region,
            "city": self.city,
            "country_code": self.country_code,
        }


class Locations(NamedTuple):
    """Ranges of both kinds of addresses."""

    v4: RangeTable
    v6: RangeTable


def read_locations(data: bytes) -> Locations:
    """Read the CSV: from, to, country code, country, region, city, latitude, longitude, ….

    Addresses are numbers or written out; a row that ends within 32 bits, or is written as IPv4,
    is one of IPv4. A row whose country is `-` says that nothing is known. A first row of titles
    is skipped. Blocks for some seconds per million rows, so call it in a thread.

    Raises:
        RejectedError: a row is none of the above, with its number; or there is none.
    """
    v4: list[tuple[int, int, Location | None]] = []
    v6: list[tuple[int, int, Location | None]] = []
    try:
        for first, last, is_v6, location in _rows(data):
            (v6 if is_v6 else v4).append((first, last, location))
        locations = Locations(RangeTable(v4), RangeTable(v6))
    except (ValueError, csv.Error) as error:
        raise RejectedError(f"ranges of IP addresses: {error}") from error
    if not v4 and not v6:
        raise RejectedError("ranges of IP addresses: expected rows, got none")
    return locations


def write_locations(locations: Locations) -> bytes:
    """Return the CSV that `read_locations` reads. Blocks as long as that does."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for first, last, location in locations.v4.items():
        writer.writerow((first, last, *location))
    for first, last, location in locations.v6.items():
        # Written out, for as a number `::1` looks like an address of IPv4.
        writer.writerow((IPv6Address(first), IPv6Address(last), *location))
    return text.getvalue().encode()


def _rows(data: bytes) -> Iterator[tuple[int, int, bool, Location | None]]:
    known: dict[tuple[str, ...], Location | None] = {}
    # Decoded piece by piece: as one text it would take four times its size.
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    for number, row in enumerate(csv.reader(text), 1):
        if not row:
            continue
        try:
            bounds = _bounds(row)
            what = tuple(row[2:_COLUMNS])
            if what not in known:
                known[what] = _location(what)
        except ValueError as error:
            if number == 1 and not row[0][:1].isdigit() and ":" not in row[0]:
                continue
            raise ValueError(f"row {number}: {error}") from None
        yield *bounds, known[what]


def _bounds(row: list[str]) -> tuple[int, int, bool]:
    if len(row) < _COLUMNS:
        raise ValueError(f"expected {_COLUMNS} columns or more, got {len(row)}")
    first, last = row[:2]
    if first.isdigit() and last.isdigit():
        start, end = int(first), int(last)
        if end >> 128:
            raise ValueError(f"expected an IP address, got {last!r}")
        return start, end, end >= _FIRST_OF_V6
    (start, is_v6), (end, ends_in_v6) = parse_address(first), parse_address(last)
    if is_v6 != ends_in_v6:
        raise ValueError(f"expected a range of one kind of address, got {first!r} to {last!r}")
    return start, end, is_v6


def _location(what: tuple[str, ...]) -> Location | None:
    code, country, region, city, lat, lon = ("" if value == "-" else value for value in what)
    if not code and not country:
        return None
    at = (float(degrees) if degrees else None for degrees in (lat, lon))
    return Location(code, country, region, city, *at)
