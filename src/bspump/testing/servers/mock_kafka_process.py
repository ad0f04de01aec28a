"""The process of `MockKafka`: the mock cluster of librdkafka, with commands over a socket.

Run as a script of its own. It needs the library of the package confluent-kafka, not the package:
the cluster is not part of its Python interface.
"""

from __future__ import annotations

import ctypes
import json
import socketserver
import sys
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_int16, c_int32, c_size_t, c_void_p
from typing import Any

PRODUCER = 0

# The commands that are functions of the library, by what follows `rd_kafka_mock_`: what each
# takes after the cluster, and what it returns, `c_int` being an error code.
FUNCTIONS: dict[str, tuple[Sequence[type[Any]], type[c_int] | None]] = {
    "broker_set_down": ((c_int32,), c_int),
    "broker_set_rtt": ((c_int32, c_int), c_int),
    "broker_set_up": ((c_int32,), c_int),
    "clear_request_errors": ((c_int16,), None),
    "clear_requests": ((), None),
    "coordinator_set": ((c_char_p, c_char_p, c_int32), c_int),
    "group_initial_rebalance_delay_ms": ((c_int32,), None),
    "partition_set_leader": ((c_char_p, c_int32, c_int32), c_int),
    "topic_create": ((c_char_p, c_int, c_int), c_int),
    "topic_set_error": ((c_char_p, c_int), None),
}


class Cluster:
    """A mock cluster of so many brokers, with ids from 1."""

    def __init__(self, library: str, broker_count: int) -> None:
        self._library = ctypes.CDLL(library)
        complaint = ctypes.create_string_buffer(512)
        client = self._call(
            "rd_kafka_new", c_void_p, (c_int, PRODUCER), (c_void_p, None),
            (c_char_p, complaint), (c_size_t, len(complaint)),
        )  # fmt: skip
        if not client:
            raise OSError(complaint.value.decode())
        self._cluster = self._call(
            "rd_kafka_mock_cluster_new", c_void_p, (c_void_p, client), (c_int, broker_count)
        )
        self._mock("start_request_tracking")

    def bootstraps(self) -> str:
        """Return the addresses of all brokers, separated by commas."""
        addresses: bytes = self._mock("cluster_bootstraps", c_char_p)
        return addresses.decode()

    def push_errors(self, api_key: int, codes: list[int]) -> None:
        """Answer the next requests of this kind with these errors, one each."""
        array = (c_int * len(codes))(*codes)
        self._mock(
            "push_request_errors_array",
            None,
            *((c_int16, api_key), (c_size_t, len(codes)), (POINTER(c_int), array)),
        )

    def requests(self) -> list[tuple[int, int]]:
        """Return broker and kind of each request since the last `clear_requests`, in order."""
        count = c_size_t()
        got = self._mock(
            "get_requests", POINTER(c_void_p), (POINTER(c_size_t), ctypes.byref(count))
        )
        try:
            return [
                (
                    self._call("rd_kafka_mock_request_id", c_int32, (c_void_p, got[i])),
                    self._call("rd_kafka_mock_request_api_key", c_int16, (c_void_p, got[i])),
                )
                for i in range(count.value)
            ]
        finally:
            self._call(
                "rd_kafka_mock_request_destroy_array",
                None,
                *((POINTER(c_void_p), got), (c_size_t, count)),
            )

    def call(self, name: str, *arguments: Any) -> None:
        """Call one of `FUNCTIONS`."""
        kinds, restype = FUNCTIONS[name]
        encoded = [a.encode() if isinstance(a, str) else a for a in arguments]
        code = self._mock(name, restype, *zip(kinds, encoded, strict=True))
        if code:
            text: bytes = self._call("rd_kafka_err2str", c_char_p, (c_int, code))
            raise ValueError(f"{name}: {text.decode()}")

    def _mock(self, name: str, restype: Any = None, *typed: tuple[Any, Any]) -> Any:
        return self._call(f"rd_kafka_mock_{name}", restype, (c_void_p, self._cluster), *typed)

    def _call(self, name: str, restype: Any, *typed: tuple[Any, Any]) -> Any:
        # A function object of its own for each call: types can differ between calls.
        function = self._library[name]
        function.restype = restype
        function.argtypes = [kind for kind, _ in typed]
        return function(*(value for _, value in typed))


class Commands(socketserver.StreamRequestHandler):
    """Answer one command per line: a JSON array of its name and its arguments."""

    cluster: Cluster

    def handle(self) -> None:
        for line in self.rfile:
            name, *arguments = json.loads(line)
            try:
                answer = {"result": getattr(self.cluster, name)(*arguments)}
            except (ValueError, TypeError, AttributeError, ctypes.ArgumentError) as error:
                answer = {"error": str(error)}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class ControlServer(socketserver.TCPServer):
    """Takes the connections with commands, one after the other."""

    allow_reuse_address = True


def main(library: str, port: int, broker_count: int) -> None:
    """Run the cluster until killed."""
    Commands.cluster = Cluster(library, broker_count)
    with ControlServer(("127.0.0.1", port), Commands) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
