"""A mock Kafka cluster, which fails as told."""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import mock_kafka_process
from .server import HOST, Server, ServerError

ALL = -1


class MockKafka(Server):
    """The mock cluster of librdkafka, in a process of its own: any client, any fault, no data kept.

    Brokers have the ids from 1. It knows idempotent producers, consumer groups and errors on
    demand. It does not know transactions (aborted records are read), offsets by time, topics by
    the admin protocol, or more than some 5 MB per partition. After `kill`, `stop` and `restart`
    it is empty and has other addresses.

    Args:
        broker_count: brokers that the cluster has.
        rebalance_delay_ms: how long a new group waits for more members.
    """

    name = "MockKafka"

    def __init__(self, broker_count: int = 3, rebalance_delay_ms: int = 0) -> None:
        super().__init__()
        self.broker_count = broker_count
        self.rebalance_delay_ms = rebalance_delay_ms

    @classmethod
    def lacks(cls) -> str | None:
        if _library() is None:
            return "the package confluent-kafka is not installed (pip install 'bspump[kafka]')"
        return None

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers, separated by commas."""
        addresses: str = self._tell("bootstraps")
        return addresses

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-I", "-S", mock_kafka_process.__file__),
            *(str(_library()), str(self.port), str(self.broker_count)),
        ]

    def answers(self, connection: socket.socket) -> bool:
        # The first question is also the place to say what holds from the start.
        question = ["call", "group_initial_rebalance_delay_ms", self.rebalance_delay_ms]
        return "result" in _exchange(connection, question)

    def create_topic(self, topic: str, partitions: int = 1, replicas: int = 1) -> None:
        """Create a topic; one that is written to without that gets four partitions."""
        self._tell("call", "topic_create", topic, partitions, replicas)

    def broker_down(self, broker: int = ALL) -> None:
        """Close the connections of a broker and refuse new ones."""
        self._tell("call", "broker_set_down", broker)

    def broker_up(self, broker: int = ALL) -> None:
        """Undo `broker_down`."""
        self._tell("call", "broker_set_up", broker)

    def set_rtt(self, milliseconds: int, broker: int = ALL) -> None:
        """Answer each request so much later."""
        self._tell("call", "broker_set_rtt", broker, milliseconds)

    def push_errors(self, api_key: int, *codes: int) -> None:
        """Answer the next requests of this kind with these error codes, one each.

        Args:
            api_key: the kind, a number of the Kafka protocol: 0 is Produce, 1 is Fetch.
            codes: of the Kafka protocol, for example 6, not leader or follower.
        """
        self._tell("push_errors", api_key, codes)

    def clear_errors(self, api_key: int) -> None:
        """Forget the errors which are still to come for this kind of request."""
        self._tell("call", "clear_request_errors", api_key)

    def set_topic_error(self, topic: str, code: int) -> None:
        """Answer all requests for metadata of the topic with this error; 0 ends that."""
        self._tell("call", "topic_set_error", topic, code)

    def set_leader(self, topic: str, partition: int, broker: int) -> None:
        """Make a broker the leader of a partition; -1: it has none."""
        self._tell("call", "partition_set_leader", topic, partition, broker)

    def set_coordinator(self, kind: str, key: str, broker: int) -> None:
        """Make a broker the coordinator of a group or a transaction.

        Args:
            kind: `group` or `transaction`.
            key: the group's id or the transactional id.
            broker: its id.
        """
        self._tell("call", "coordinator_set", kind, key, broker)

    def requests(self) -> list[tuple[int, int]]:
        """Return broker and api key of each request since the start or `forget_requests`."""
        return [(broker, api_key) for broker, api_key in self._tell("requests")]

    def forget_requests(self) -> None:
        """Make `requests` begin anew."""
        self._tell("call", "clear_requests")

    def _tell(self, *command: Any) -> Any:
        with socket.create_connection((HOST, self.port), 10.0) as connection:
            answer = _exchange(connection, command)
        if "error" in answer:
            raise ServerError(f"{self.name}: {answer['error']}")
        return answer["result"]


def _exchange(connection: socket.socket, command: Sequence[Any]) -> dict[str, Any]:
    connection.sendall(json.dumps(command).encode() + b"\n")
    with connection.makefile("rb") as lines:
        line = lines.readline()
    answer: dict[str, Any] = json.loads(line) if line else {"error": "it closed the connection"}
    return answer


def _library() -> Path | None:
    """Return the path of librdkafka as it comes with confluent-kafka."""
    spec = importlib.util.find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        return None
    bundled = Path(spec.origin).parents[1] / "confluent_kafka.libs"
    return next(iter(bundled.glob("librdkafka*.so*")), None)
