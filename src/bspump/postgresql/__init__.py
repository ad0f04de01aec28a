"""PostgreSQL: queries, notifications and changes as sources; tables as sinks and lookups."""

from .connection import PostgreSQLConnection
from .incremental_source import PostgreSQLIncrementalSource
from .lookup import PostgreSQLLookup
from .notify_source import PostgreSQLNotifySource
from .replication_source import (
    PostgreSQLLogicalReplicationSource,
    PostgreSQLReplicationSource,
)
from .sink import PostgreSQLSink
from .source import PostgreSQLSource

__all__ = [
    "PostgreSQLConnection",
    "PostgreSQLIncrementalSource",
    "PostgreSQLLogicalReplicationSource",
    "PostgreSQLLookup",
    "PostgreSQLNotifySource",
    "PostgreSQLReplicationSource",
    "PostgreSQLSink",
    "PostgreSQLSource",
]
