"""Redis."""

from __future__ import annotations

import socket
import subprocess

from .server import HOST, Server, find_program, not_installed


class RedisServer(Server):
    """Redis with an append-only file: what it has acknowledged survives `kill`."""

    name = "Redis"

    @classmethod
    def lacks(cls) -> str | None:
        return None if find_program("redis-server") else not_installed(cls.name, "redis-server")

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://{self.address}/0"

    def command(self) -> list[str]:
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            # Written before the answer, without exception; only a power cut could lose it.
            "appendfsync": "no",
            **self.settings,
        }
        given = [part for key, value in settings.items() for part in (f"--{key}", value)]
        return [str(find_program("redis-server")), *given]

    def answers(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))

    def cli(self, *arguments: str, within_s: float = 10.0) -> str:
        """Run `redis-cli` with these arguments and return what it prints."""
        return subprocess.run(  # noqa: S603 - a test chose what to run
            [str(find_program("redis-cli")), "-h", HOST, "-p", str(self.port), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=within_s,
        ).stdout
