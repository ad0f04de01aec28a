"""File to file: every event exactly once, whatever kills the program."""

from __future__ import annotations

from pathlib import Path

import pytest
from arriving import Files
from feeding import Feeder, assert_each_once, lines
from killing import AT_CHECKPOINTS, KILLS, Killing


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.fault("TailSource", "program killed")
@pytest.mark.fault("FileSink", "program killed")
def test_file_to_file_is_exactly_once(tmp_path: Path) -> None:
    source, files = tmp_path / "in.json", Files(tmp_path / "out")
    sink = {"kind": "file", "path": str(tmp_path / "out" / "{index:05}.json")}
    killing = Killing({"kind": "file", "path": str(source)}, sink, tmp_path)
    with source.open("ab", buffering=0) as file:

        def send(first: int, count: int) -> None:
            file.write(lines(first, count))

        with Feeder(send) as feeder:
            killing.run(kills=KILLS - AT_CHECKPOINTS)
            killing.run_to_checkpoints(kills=AT_CHECKPOINTS)

    killing.finish(lambda: files.count() >= feeder.sent)
    assert killing.kills == KILLS
    assert_each_once(files.events(), feeder.sent)
