"""TCP by a buffer on disk to a file: what was confirmed arrives, and what arrives does so once."""

from __future__ import annotations

import socket
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from arriving import Files
from feeding import Feeder, lines
from killing import AT_CHECKPOINTS, KILLS, Killing

from bspump.testing.servers.ports import free_port

CONNECT_EVERY_S = 0.01


class Client:
    """Sends numbered lines, each once, and notes which were confirmed.

    What was on its way when the server was killed may be in the buffer or not.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: socket.socket | None = None
        self._answers: Any = None
        self.next = 0
        self.confirmed: list[int] = []

    def send(self, _first: int, count: int) -> None:
        """Send lines and wait until they are confirmed; or connect, if there is no server."""
        if self._connection is None:
            self._connect()
            return
        first = self.next
        self.next += count
        sent = lines(first, count)
        try:
            self._connection.sendall(sent)
            for number, line in enumerate(sent.splitlines(keepends=True), first):
                answer = self._answers.readline()
                if answer != line:
                    assert line.startswith(answer), (answer, line)
                    raise ConnectionResetError
                self.confirmed.append(number)
        except ConnectionError:
            self.close()

    def _connect(self) -> None:
        with suppress(ConnectionRefusedError):
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            self._answers = self._connection.makefile("rb")

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._answers.close()
            self._connection.close()
            self._connection = None


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.fault("DiskBufferSource", "program killed")
def test_tcp_to_file_delivers_once_what_was_confirmed(tmp_path: Path) -> None:
    out, client = Files(tmp_path / "out"), Client(port := free_port())
    source = {
        "kind": "tcp",
        "address": f"127.0.0.1 {port}",
        "buffer.segment_bytes": 20_000,
    }
    sink = {"kind": "file", "path": str(tmp_path / "out" / "{index:05}.json")}
    killing = Killing(source, sink, tmp_path)
    with Feeder(client.send, every_s=CONNECT_EVERY_S):
        killing.run(kills=KILLS - AT_CHECKPOINTS)
        killing.run_to_checkpoints(kills=AT_CHECKPOINTS)
    before = len(client.confirmed)

    def is_done() -> bool:
        # What is confirmed now is behind everything else in the buffer.
        while len(client.confirmed) == before:
            client.send(0, 1)
            time.sleep(CONNECT_EVERY_S)
        return out.has(client.confirmed[-1])

    killing.finish(is_done)
    client.close()
    assert killing.kills == KILLS
    assert_confirmed_once(out.events(), client)
    # What was processed was removed, apart from the last files.
    assert len(list((tmp_path / "var").rglob("*.segment"))) <= 3


def assert_confirmed_once(arrived: list[dict[str, Any]], client: Client) -> None:
    """Raise unless all that was confirmed arrived, and all once, in order and rightly counted."""
    numbers = [each["number"] for each in arrived]
    lost = set(client.confirmed) - set(numbers)
    twice = len(numbers) - len(set(numbers))
    print(  # noqa: T201 - what one wants to see
        f"sent {client.next}, confirmed {len(client.confirmed)}, arrived {len(numbers)},"
        f" confirmed and lost {len(lost)}, twice {twice}"
    )
    assert (len(lost), twice) == (0, 0), f"lost {sorted(lost)[:10]}"
    assert numbers == sorted(numbers)
    counts: Counter[str] = Counter()
    for each in arrived:
        counts[each["key"]] += 1
        assert each["count"] == counts[each["key"]], each
