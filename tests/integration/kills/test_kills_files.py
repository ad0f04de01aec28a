"""File to file: every event exactly once, whatever kills the program."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from feeding import Feeder, assert_each_once, lines
from killing import KILLS, Killing


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_file_to_file_is_exactly_once(tmp_path: Path) -> None:
    source, out = tmp_path / "in.json", tmp_path / "out"
    sink = {"kind": "file", "path": str(out / "{index:05}.json")}
    killing = Killing({"kind": "file", "path": str(source)}, sink, tmp_path)
    with source.open("ab", buffering=0) as file:

        def send(first: int, count: int) -> None:
            file.write(lines(first, count))

        with Feeder(send) as feeder:
            killing.run()

    def visible() -> int:
        count = 0
        for path in out.iterdir():
            with contextlib.suppress(FileNotFoundError):  # It has just got its name.
                count += path.read_bytes().count(b"\n")
        return count

    killing.finish(lambda: visible() == feeder.sent)
    assert killing.kills == KILLS
    arrived = [
        json.loads(line)
        for path in sorted(out.glob("*.json"))
        for line in path.read_bytes().splitlines()
    ]
    assert_each_once(arrived, feeder.sent)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
