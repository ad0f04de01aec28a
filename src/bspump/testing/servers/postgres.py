"""PostgreSQL."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import struct
import subprocess
from pathlib import Path

from .server import HOST, Server, find_program, not_installed

PROTOCOL_3 = 196_608


class PostgresServer(Server):
    """PostgreSQL with logical decoding; user `postgres`, no password, database `postgres`.

    What was committed survives `kill`, not a power cut: it does not wait for the disk.
    """

    name = "PostgreSQL"
    system_user = "postgres"  # refuses to run as root
    stop_signal = signal.SIGINT  # does not wait until the clients have gone

    @classmethod
    def lacks(cls) -> str | None:
        if cls._program("postgres") is None:
            return not_installed(cls.name, "postgresql")
        if os.geteuid() == 0 and cls.system_user not in {user.pw_name for user in pwd.getpwall()}:
            return "PostgreSQL does not run as root, and there is no user postgres"
        return None

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, for its superuser."""
        return f"postgresql://postgres@{self.address}/postgres"

    def prepare(self) -> None:
        self.run(
            [
                *(str(self._program("initdb")), "--pgdata", str(self._data), "--no-sync"),
                *("--auth", "trust", "--username", "postgres"),
                *("--encoding", "UTF8", "--locale", "C.UTF-8"),
            ]
        )

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "wal_level": "logical",
            "max_replication_slots": "16",
            "max_wal_senders": "16",
            "fsync": "off",
            "shared_buffers": "64MB",
            # Files of the data directory, so that nothing stays in /dev/shm after `kill`.
            "dynamic_shared_memory_type": "mmap",
            **self.settings,
        }
        given = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self._program("postgres")), "-D", str(self._data), *given]

    def answers(self, connection: socket.socket) -> bool:
        body = struct.pack(">i", PROTOCOL_3) + b"user\0postgres\0database\0postgres\0\0"
        connection.sendall(struct.pack(">i", len(body) + 4) + body)
        return connection.recv(1) == b"R"  # an error while it starts or recovers

    def sql(self, text: str, within_s: float = 30.0) -> str:
        """Run SQL as the superuser; return the rows, one a line, columns separated by `|`."""
        return subprocess.run(  # noqa: S603 - a test chose what to run
            [
                *(str(self._program("psql")), "--no-psqlrc", "--quiet", "--tuples-only"),
                *("--no-align", "--set", "ON_ERROR_STOP=1", "--dbname", self.url),
            ],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            timeout=within_s,
        ).stdout

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @classmethod
    def _program(cls, name: str) -> str | None:
        # Debian keeps the programs of a server apart by version: the newest comes first.
        folders = Path("/usr/lib/postgresql").glob("*/bin")
        return find_program(name, *sorted(folders, key=_version, reverse=True))


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0
