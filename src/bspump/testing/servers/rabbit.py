"""RabbitMQ."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from pathlib import Path

from .ports import free_port
from .server import HOST, PROGRAM_PATHS, Server, find_program, not_installed

ASKS = b"AMQP\x00\x00\x09\x01"
CONNECTION_START = b"\x00\x0a\x00\x0a"
FOLDER = Path("/usr/lib/rabbitmq/bin")  # what Debian has on the path insists on its own user


class RabbitServer(Server):
    """RabbitMQ without plugins; user and password `guest`.

    What it has confirmed for durable queues survives `kill`. Settings are lines of `rabbitmq.conf`.
    """

    name = "RabbitMQ"
    system_user = "rabbitmq"
    _ports = 0, 0  # of its own epmd and for rabbitmqctl, so that it meets no other RabbitMQ

    @classmethod
    def lacks(cls) -> str | None:
        if find_program("rabbitmq-server", FOLDER) is None:
            return not_installed(cls.name, "rabbitmq-server")
        if os.geteuid() == 0 and cls.system_user not in {user.pw_name for user in pwd.getpwall()}:
            return "RabbitMQ should not run as root, and there is no user rabbitmq"
        return None

    @property
    def url(self) -> str:
        """The URL of the virtual host `/`."""
        return f"amqp://guest:guest@{self.address}/"

    def prepare(self) -> None:
        self._ports = free_port(), free_port()
        settings = {
            "listeners.tcp.1": self.address,
            "disk_free_limit.absolute": "1MB",
            "log.file": "false",
            "log.console": "true",
            "log.console.level": "warning",
            **self.settings,
        }
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        self.write_file("rabbitmq.conf", lines)
        self.write_file("enabled_plugins", "[].\n")

    def environment(self) -> dict[str, str]:
        epmd_port, distribution_port = self._ports
        return {
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(self.directory / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none"
            ),
        }

    def command(self) -> list[str]:
        return [str(find_program("rabbitmq-server", FOLDER))]

    def answers(self, connection: socket.socket) -> bool:
        connection.sendall(ASKS)
        frame = connection.recv(
            11, socket.MSG_WAITALL
        )  # type, channel, size, then class and method
        return frame[7:11] == CONNECTION_START

    def ctl(self, *arguments: str, within_s: float = 30.0) -> str:
        """Run `rabbitmqctl` with these arguments and return what it prints; takes a second."""
        basic = {"PATH": PROGRAM_PATHS, "HOME": str(self.directory), "LANG": "C.UTF-8"}
        return subprocess.run(  # noqa: S603 - a test chose what to run
            [str(find_program("rabbitmqctl", FOLDER)), "--quiet", *arguments],
            env={**basic, **self.environment()},
            user=self._user(),
            capture_output=True,
            text=True,
            check=True,
            timeout=within_s,
        ).stdout
