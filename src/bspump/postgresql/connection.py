"""The connection to a PostgreSQL server."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bspump.abc.connection import Connection
from bspump.abc.errors import ConfigError, RejectedError
from bspump.abc.extras import require
from bspump.abc.options import Options

from .adapting import adapt
from .errors import EXTRA, transfer_errors
from .options import PostgreSQLConnectionOptions
from .pool import Pool

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from bspump.abc.host import Application

# A host that is gone without a word is noticed within a minute, not after hours.
_KEEPALIVE: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


class PostgreSQLConnection(Connection):
    """Knows how to connect to a PostgreSQL server, and lends connections.

    Each source and sink opens one of its own; lookups, and programs by `acquire()`, share a pool
    of `pool_size`. All are in autocommit mode. Nothing is opened before it is needed, and a
    connection that the server has ended is replaced.
    """

    OptionsClass: ClassVar[type[Options]] = PostgreSQLConnectionOptions
    Options: PostgreSQLConnectionOptions

    def __init__(
        self, app: Application, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(app, id, config)
        options = self.Options
        self.Where = f"postgresql {options.host}:{options.port}/{options.db or options.user}"
        self._pool = Pool(self.open, options.pool_size)

    def build_dsn(self) -> str:
        """Return the connection string of libpq. It contains the password: never show it."""
        conninfo = require("psycopg.conninfo", extra=EXTRA)
        dsn: str = conninfo.make_conninfo(**self._parameters())
        return dsn

    def _parameters(self) -> dict[str, Any]:
        options, tls = self.Options, self.Options.tls
        given: dict[str, Any] = {
            "host": options.host,
            "port": options.port,
            "user": options.user,
            "password": options.password,
            "dbname": options.db,
            "connect_timeout": max(2, math.ceil(options.connect_timeout)),
            "application_name": options.application_name,
            "sslmode": tls.mode,
            "sslrootcert": tls.ca,
            "sslcert": tls.cert,
            "sslkey": tls.key,
            "sslpassword": tls.key_password,
            "client_encoding": "utf8",
            **_KEEPALIVE,
            **options.parameters,
        }
        return {name: value for name, value in given.items() if value != ""}

    def errors(self) -> AbstractContextManager[None]:
        """Translate the errors of psycopg in a `with` block; see `transfer_errors`."""
        return transfer_errors(self.Where)

    async def open(self, **parameters: Any) -> AsyncConnection[Any]:
        """Open a connection in autocommit mode, which the caller closes.

        Args:
            parameters: further ones of libpq, such as `replication="database"`.

        Raises:
            NotConnectedError, TransientError: it cannot be had now.
            ConfigError: wrong credentials, no such database, and the like.
        """
        psycopg = require("psycopg", extra=EXTRA)
        try:
            with self.errors():
                connection: AsyncConnection[Any] = await psycopg.AsyncConnection.connect(
                    autocommit=True, **{**self._parameters(), **parameters}
                )
        except RejectedError as error:
            # What psycopg refuses here are the parameters.
            raise ConfigError(str(error)) from error
        adapt(connection)
        return connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Lend a connection of the pool for an `async with` block, and translate errors in it.

        Raises:
            NotConnectedError, TransientError, ConfigError: as `open`.
        """
        async with self._pool.acquire() as connection:
            with self.errors():
                yield connection

    async def close(self) -> None:
        """Close the pool; what is lent is closed when it comes back."""
        await self._pool.close()

    def rest_get(self) -> dict[str, Any]:
        options = self.Options
        return {
            **super().rest_get(),
            "host": options.host,
            "port": options.port,
            "db": options.db,
            "user": options.user,
        }
