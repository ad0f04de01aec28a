"""The lookup: many keys in one query, each with its own answer."""

from __future__ import annotations

import asyncio

import pytest

from bspump.abc.errors import (
    NotConnectedError,
    RejectedError,
)
from bspump.postgresql import (
    PostgreSQLLookup,
)
from bspump.testing import Harness

pytestmark = pytest.mark.integration


@pytest.fixture
def countries(database):
    database.execute(
        "CREATE TABLE countries (id integer PRIMARY KEY, name varchar(20), parent int)"
    )
    database.execute(
        "INSERT INTO countries SELECT n, 'name ' || n, n / 2 FROM generate_series(0, 999) n"
    )


def lookup_of(database, harness, **config):
    given = {"from": "countries", "key": "id", **config}
    return PostgreSQLLookup(harness.app, database.connection(harness.app), config=given)


async def test_keys_that_are_asked_for_together_go_into_one_query(database, countries):
    async with Harness() as harness:
        lookup = lookup_of(database, harness, statement="name")
        keys = [*range(90), "7", "8", 5000]
        answers = await asyncio.gather(*(lookup.get(key) for key in keys))
        assert answers[:90] == [{"name": f"name {n}"} for n in range(90)]
        assert answers[90:] == [{"name": "name 7"}, {"name": "name 8"}, None]
        assert lookup.Counts["request"] == 1
        assert await lookup.get(None) is None
        await lookup.close()


async def test_a_key_of_the_wrong_type_fails_alone(database, countries):
    async with Harness() as harness:
        lookup = lookup_of(database, harness)
        good, bad = await asyncio.gather(lookup.get(1), lookup.get("one"), return_exceptions=True)
        assert good == {"id": 1, "name": "name 1", "parent": 0}
        assert isinstance(bad, RejectedError)
        await lookup.close()


async def test_of_several_rows_the_first_counts(database, countries):
    async with Harness() as harness:
        lookup = lookup_of(database, harness, key="parent")
        assert (await lookup.get(10))["id"] in (20, 21)
        await lookup.close()


async def test_a_query_of_its_own_and_the_others_of_the_original(database, countries):
    async with Harness() as harness:
        lookup = lookup_of(
            database, harness, query_find_one="SELECT {} FROM {} WHERE {}=%s + 1 LIMIT 1;"
        )
        assert (await lookup.get(1))["id"] == 2
        assert await lookup.get(100_000) is None
        assert await lookup.count() == 1000
        assert len([row async for row in lookup]) == 1000
        await lookup.close()


@pytest.mark.slow
async def test_a_lookup_outlives_its_server(database, countries, postgres):
    async with Harness() as harness:
        lookup = lookup_of(database, harness)
        assert (await lookup.get(1))["name"] == "name 1"
        postgres.kill()
        with pytest.raises(NotConnectedError):
            await lookup.get(2)
        assert (await lookup.get(1))["name"] == "name 1"
        postgres.start()
        assert (await lookup.get(2))["name"] == "name 2"
        await lookup.close()
