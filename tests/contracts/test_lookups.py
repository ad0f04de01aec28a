"""The lookups keep what every lookup promises."""

from __future__ import annotations

import asyncio

import pytest

from bspump.lookup import DictionaryLookup, IPGeoLookup, KeyedLookup
from bspump.testing.contracts import LookupContract, LookupTarget

USERS = {"a": 1, "b": {"c": [None]}}
SWEDEN = b'"0","9","SE","Sweden","Stockholm","Solna","59.25","18.5"\n'
NORWAY = b'"5","19","NO","Norway","Oslo","Oslo","59.75","10.5"\n'


def dictionary(app):
    lookup = DictionaryLookup(app)
    lookup.set(USERS)
    return lookup


class Users(KeyedLookup):
    """The same, asked key by key."""

    async def fetch(self, key):
        await asyncio.sleep(0)
        return USERS.get(key)


def locations(app):
    lookup = IPGeoLookup(app, config={"path": "ranges.csv"})
    lookup.deserialize(SWEDEN)
    return lookup


def location(country, code, region, city, lat, lon):
    return {
        "country": country,
        "country_code": code,
        "region": region,
        "city": city,
        "lat": lat,
        "lon": lon,
    }


class TestDictionaryLookup(LookupContract):
    @pytest.fixture
    def target(self):
        return LookupTarget(
            make=dictionary,
            content=USERS,
            other=(b'{"d": 4, "e": 5}', {"d": 4, "e": 5}),
            broken=[b"", b"[]", b'{"a":'],
        )


class TestKeyedLookup(LookupContract):
    @pytest.fixture
    def target(self):
        return LookupTarget(make=Users, content=USERS)


class TestIPGeoLookup(LookupContract):
    @pytest.fixture
    def target(self):
        sweden = location("Sweden", "SE", "Stockholm", "Solna", 59.25, 18.5)
        norway = location("Norway", "NO", "Oslo", "Oslo", 59.75, 10.5)
        return LookupTarget(
            make=locations,
            content={"0.0.0.1": sweden, "0.0.0.9": sweden},
            missing="0.0.0.99",
            other=(NORWAY, {"0.0.0.9": norway, "0.0.0.19": norway}),
            broken=[b"", b'"1"\n'],
        )
