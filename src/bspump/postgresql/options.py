"""What the connection to PostgreSQL can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from bspump.abc.options import Duration, Options


class PostgreSQLTlsOptions(Options, frozen=True, kw_only=True):
    """Whether the connection is encrypted, whom to trust, and how to show who one is."""

    mode: Annotated[
        Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        Meta(description="As libpq's `sslmode`; only `verify-full` is safe on a foreign network."),
    ] = "prefer"
    ca: Annotated[
        str, Meta(description="File with the authorities that are trusted; `system` for its own.")
    ] = ""
    cert: Annotated[str, Meta(description="File with the certificate to show (PEM).")] = ""
    key: Annotated[str, Meta(description="File with its private key.")] = ""
    key_password: Annotated[str, Meta(description="Password of the private key.")] = ""


class PostgreSQLConnectionOptions(Options, frozen=True, kw_only=True):
    """Where the server is, who connects, and how many connections there may be."""

    host: Annotated[
        str, Meta(description="Host, several by comma, or the directory of a Unix socket.")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port of the server.")] = 5432
    user: Annotated[str, Meta(description="Role to connect as; default is as libpq's.")] = ""
    password: Annotated[
        str, Meta(description="Its password; else the file `.pgpass` is looked at.")
    ] = ""
    db: Annotated[str, Meta(description="Database; default is the name of the role.")] = ""
    connect_timeout: Annotated[
        Duration, Meta(description="Seconds that connecting to one host may take; 2 or more.")
    ] = 60.0
    reconnect_delay: Annotated[
        Duration, Meta(description="Seconds after which a source with triggers tries again.")
    ] = 5.0
    pool_size: Annotated[
        int,
        Meta(ge=1, description="Connections of lookups and of `acquire()` at the most."),
    ] = 10
    application_name: Annotated[
        str, Meta(description="The name that the server shows in `pg_stat_activity`.")
    ] = "bspump"
    tls: PostgreSQLTlsOptions = PostgreSQLTlsOptions()
    parameters: Annotated[
        dict[str, str],
        Meta(description="Further parameters of libpq, such as `target_session_attrs`."),
    ] = {}  # noqa: RUF012 - each struct gets a dict of its own
