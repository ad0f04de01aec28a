"""Apache Kafka: one broker that is its own controller."""

from __future__ import annotations

import base64
import socket
import struct

from . import maven
from .ports import free_port
from .server import HOST, Server

VERSION = "4.4.0"
FOLDER = f"kafka-{VERSION}"
ARTIFACTS = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",  # without it there is no log
)
OLDEST_JAVA = 17
CLUSTER_ID = base64.urlsafe_b64encode(b"bspump-test-0001").decode().rstrip("=")
METADATA_V1 = struct.pack(">hhihi", 3, 1, 1, -1, 0)  # about the brokers and no topics


class KafkaServer(Server):
    """A real broker of version 4 in KRaft mode; topics come into being when they are written to.

    What it has acknowledged survives `kill`, not a power cut. Its archives are fetched by Maven
    once and kept: see `bspump.testing.servers.maven.folder_of`. Settings are its properties.
    """

    name = "Kafka"
    start_within_s = 90.0

    @classmethod
    def lacks(cls) -> str | None:
        """Say what is missing; the first time this may fetch some 45 MB."""
        return maven.java(OLDEST_JAVA)[1] or maven.fetch(FOLDER, ARTIFACTS)

    @property
    def bootstrap_servers(self) -> str:
        """What clients want to know."""
        return self.address

    def prepare(self) -> None:
        lines = "".join(f"{key}={value}\n" for key, value in self._properties().items())
        file = self.write_file("server.properties", lines)
        tool = ("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(file))
        self.run([*self._java("-XX:TieredStopAtLevel=1"), *tool])

    def command(self) -> list[str]:
        return [*self._java("-Xmx512m"), "kafka.Kafka", str(self.directory / "server.properties")]

    def answers(self, connection: socket.socket) -> bool:
        connection.sendall(struct.pack(">i", len(METADATA_V1)) + METADATA_V1)
        head = connection.recv(12, socket.MSG_WAITALL)
        # Requests are answered a little before the broker takes part in its own cluster.
        return len(head) == 12 and struct.unpack(">iii", head)[2] == 1

    def _java(self, *options: str) -> list[str]:
        return [
            *(maven.java(OLDEST_JAVA)[0], *options),
            "-XX:-UsePerfData",  # a file outside of our directory
            f"-Djava.io.tmpdir={self.directory}",
            "-Dlog4j2.level=WARN",
            *("-cp", f"{maven.folder_of(FOLDER)}/*"),
        ]

    def _properties(self) -> dict[str, str]:
        controller = f"{HOST}:{free_port()}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.directory / "data"),
            "num.partitions": "4",
            # After `kill` a broker may not come back before its last session has ended.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "200",
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "log.segment.bytes": str(16 * 1024 * 1024),
            **self.settings,
        }
