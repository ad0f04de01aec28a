"""Where in the world an IP address is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.lookup import Lookup, LookupOptions
from bspump.clients.lookups.file import FileBatchLookupProvider

from .ip_locations import Location, Locations, read_locations, write_locations
from .ip_ranges import Address, as_mapped, parse_address
from .maxmind import MaxMindDatabase

if TYPE_CHECKING:
    from bspump.abc.host import Application


class IPGeoLookupOptions(LookupOptions, frozen=True, kw_only=True):
    """Where the ranges or the database are, and how addresses are looked for."""

    path: Annotated[
        str, Meta(description="The file, `.csv` or `.mmdb`; the same as `source_url`.")
    ] = ""
    ipv4mapped: Annotated[
        bool,
        Meta(description="The CSV has IPv4 addresses in their IPv6 form, `::ffff:1.2.3.4`."),
    ] = False


class IPGeoLookup(Lookup):
    """Where an IP address is: `{lat, lon, country, region, city, country_code}`, a new dict.

    The source is a CSV of ranges (`from, to, country code, country, region, city, latitude,
    longitude`, as of IP2Location; addresses as numbers or written out, IPv4 and IPv6 in one
    file or not) or, if its name ends in `.mmdb`, a MaxMind City or Country database, which needs
    the extra `geoip`; see `MaxMindLookup` for all that such a database says. The CSV is kept in
    memory, 20 bytes per range and each location once, and read in a thread.
    """

    OptionsClass = IPGeoLookupOptions
    Options: IPGeoLookupOptions

    def __init__(
        self,
        app: Application,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        url = self._url()
        if not url:
            raise ConfigError(f"lookup {self.Id!r}: path: expected a file (.csv, .mmdb), got none")
        self._locations: Locations | None = None
        self._database: MaxMindDatabase | None = None
        if urlsplit(url).path.lower().endswith(".mmdb"):
            self._database = MaxMindDatabase(f"lookup {self.Id!r}")

    def _url(self) -> str:
        # `path` is the older option; one that is set says more than a general master.
        return self.Options.source_url or self.Options.path or super()._url()

    def lookup_location(self, address: Address) -> dict[str, Any] | None:
        """Return where an address is, `None` where that is not known.

        Raises:
            ValueError: it is no address.
        """
        number, is_v6 = parse_address(address)
        return self.lookup_location_ipv6(number) if is_v6 else self.lookup_location_ipv4(number)

    def lookup_location_ipv4(self, address: Address) -> dict[str, Any] | None:
        """Return where an address of IPv4 is; see `lookup_location`."""
        number, is_v6 = parse_address(address)
        if is_v6:
            raise ValueError(f"expected an address of IPv4, got {address!r}")
        if self.Options.ipv4mapped:
            return self._find(as_mapped(number), is_v6=True)
        return self._find(number, is_v6=False)

    def lookup_location_ipv6(self, address: Address) -> dict[str, Any] | None:
        """Return where an address of IPv6 is, a number too; see `lookup_location`."""
        if isinstance(address, int):
            return self._find(address, is_v6=True)
        number, is_v6 = parse_address(address)
        return self._find(number, is_v6=True) if is_v6 else self.lookup_location_ipv4(number)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return where an address is, `default` where that is not known or it is no address."""
        try:
            location = self.lookup_location(key)
        except ValueError:
            return default
        return default if location is None else location

    def __getitem__(self, key: Any) -> Any:
        location = self.get(key)
        if location is None:
            raise KeyError(key)
        return location

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    async def close(self) -> None:
        """Release the database; afterwards nothing is known of any address."""
        await super().close()
        if self._database is not None:
            self._database.close()

    def serialize(self) -> bytes:
        """Return the CSV. Of a database there is none: serve the file itself."""
        if self._database is not None:
            return super().serialize()
        return b"" if self._locations is None else write_locations(self._locations)

    def deserialize(self, data: bytes) -> None:
        if self._database is not None:
            self._database.use(self._database.read(data))
        else:
            self._locations = read_locations(data)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows; also the number of ranges."""
        answer = super().rest_get()
        if self._database is not None:
            return answer | self._database.describe()
        if self._locations is not None:
            answer["size"] = len(self._locations.v4) + len(self._locations.v6)
        return answer

    async def _renew(self) -> bool:
        if self._database is None or not isinstance(self.Provider, FileBatchLookupProvider):
            return await super()._renew()
        is_new = await self._database.reopen(self.Provider.Path)
        if is_new:
            self.PubSub.publish("bspump.Lookup.changed!")
        return is_new

    async def _take(self, data: bytes) -> None:
        if self._database is not None:
            self._database.use(await asyncio.to_thread(self._database.read, data))
        else:
            self._locations = await asyncio.to_thread(read_locations, data)

    def _find(self, number: int, *, is_v6: bool) -> dict[str, Any] | None:
        if self._database is not None:
            address = IPv6Address(number) if is_v6 else IPv4Address(number)
            return _of_record(self._database.find(address))
        if self._locations is None:
            return None
        table = self._locations.v6 if is_v6 else self._locations.v4
        found: Location | None = table.find(number)
        return None if found is None else found.as_event()


def _of_record(record: Any) -> dict[str, Any] | None:
    """Return the location that a record of a City or Country database tells."""
    if not isinstance(record, Mapping):
        return None
    place = record.get("location") or {}
    country = record.get("country") or record.get("registered_country") or {}
    subdivisions = record.get("subdivisions") or [{}]
    return {
        "lat": place.get("latitude"),
        "lon": place.get("longitude"),
        "country": _name(country),
        "region": _name(subdivisions[0]),
        "city": _name(record.get("city") or {}),
        "country_code": country.get("iso_code", ""),
    }


def _name(thing: Mapping[str, Any]) -> str:
    return (thing.get("names") or {}).get("en", "")
