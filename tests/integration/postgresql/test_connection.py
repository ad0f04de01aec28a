"""The connection: what failures mean, and that a pool replaces what has died."""

from __future__ import annotations

from pathlib import Path

import pytest

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    TransientError,
)
from bspump.testing import Harness, eventually

pytestmark = pytest.mark.integration


async def opened(database, **config):
    async with Harness() as harness:
        connection = await database.connection(harness.app, **config).open()
        await connection.close()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"db": "nowhere"}, ConfigError),
        ({"user": "nobody_at_all"}, ConfigError),
        ({"port": 1}, NotConnectedError),
        ({"host": "nowhere.invalid"}, NotConnectedError),
        ({"parameters": {"nonsense": "1"}}, ConfigError),
        ({"tls.mode": "require"}, ConfigError),
    ],
)
async def test_a_failure_to_connect_says_whether_waiting_helps(database, config, expected):
    with pytest.raises(expected):
        await opened(database, **config)


async def test_a_wrong_password_is_an_error_of_the_configuration(database, postgres):
    ((path,),) = database.execute("SHOW hba_file")
    file = Path(path)
    before = file.read_text()  # noqa: ASYNC240 - a line or two
    database.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    try:
        file.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{before}")  # noqa: ASYNC240
        database.execute("SELECT pg_reload_conf()")
        await opened_when_reloaded(database)
        with pytest.raises(ConfigError, match="password authentication failed") as wrong:
            await opened(database, user="locked", password="s3cret-wr0ng")
        assert "s3cret" not in str(wrong.value)
        with pytest.raises(ConfigError, match="no password supplied"):
            await opened(database, user="locked")
    finally:
        file.write_text(before)  # noqa: ASYNC240
        database.execute("SELECT pg_reload_conf()")
        database.execute("DROP ROLE locked")


async def opened_when_reloaded(database):
    async def is_reloaded():
        try:
            await opened(database, user="locked")
        except ConfigError:
            return True
        return False

    await eventually(is_reloaded)
    await opened(database, user="locked", password="right")


async def test_a_full_server_is_waited_for(database):
    database.execute("CREATE ROLE lonely LOGIN CONNECTION LIMIT 1")
    try:
        async with Harness() as harness:
            connection = database.connection(harness.app, user="lonely")
            first = await connection.open()
            with pytest.raises(TransientError, match="too many connections"):
                await connection.open()
            await first.close()
    finally:
        database.execute("DROP ROLE lonely")


async def test_secrets_are_not_shown(database):
    async with Harness() as harness:
        connection = database.connection(harness.app, password="s3cret", db="nowhere")
        assert "s3cret" in connection.build_dsn()
        assert "s3cret" not in repr(connection.Options)
        assert "s3cret" not in repr(connection.rest_get())
        with pytest.raises(ConfigError) as error:
            await connection.open()
        assert "s3cret" not in str(error.value)


async def test_a_pooled_connection_that_has_died_is_replaced(database):
    async with Harness() as harness:
        connection = database.connection(harness.app, pool_size=1)
        async with connection.acquire() as first:
            await first.execute("SELECT 1")
        database.cut()
        async with connection.acquire() as second:
            await second.execute("SELECT 1")
        async with connection.acquire() as third:
            assert third is second
            await third.execute("BEGIN")
        async with connection.acquire() as fourth:
            assert fourth is not third
