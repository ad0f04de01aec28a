"""Apicurio Registry: schemas by the REST interface of Confluent's registry."""

from __future__ import annotations

import socket
from typing import Final

from . import maven
from .server import HOST, Server

VERSION: Final = "2.6.13.Final"
FOLDER: Final = f"apicurio-{VERSION}"
ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
OLDEST_JAVA: Final = 17
INTERFACE: Final = "/apis/ccompat/v7"


class RegistryServer(Server):
    """A real registry of schemas for Avro, Protobuf and JSON; it keeps them in memory.

    Its archives are fetched by Maven once and kept: see `bspump.testing.servers.maven.folder_of`.
    Settings are its properties, such as `quarkus.http.…`.
    """

    name = "Apicurio"
    start_within_s = 90.0

    @classmethod
    def lacks(cls) -> str | None:
        """Say what is missing; the first time this may fetch some 140 MB."""
        return maven.java(OLDEST_JAVA)[1] or maven.fetch_unpacked(FOLDER, ARTIFACT)

    @property
    def url(self) -> str:
        """Where the REST interface begins."""
        return f"http://{self.address}{INTERFACE}"

    def command(self) -> list[str]:
        folder = maven.folder_of(FOLDER)
        properties = {
            "java.io.tmpdir": str(self.directory),
            "quarkus.http.host": HOST,
            "quarkus.http.port": str(self.port),
            "quarkus.log.level": "WARN",
            **self.settings,
        }
        return [
            *(maven.java(OLDEST_JAVA)[0], "-Xmx512m", "-XX:-UsePerfData"),
            *(f"-D{key}={value}" for key, value in properties.items()),
            *("-cp", f"{folder}/*:{folder}/lib/*", "io.quarkus.runner.GeneratedMain"),
        ]

    def answers(self, connection: socket.socket) -> bool:
        request = f"GET {INTERFACE}/subjects HTTP/1.0\r\nHost: {self.address}\r\n\r\n"
        connection.sendall(request.encode())
        return connection.recv(12, socket.MSG_WAITALL).endswith(b" 200")
