"""A program that is killed at any moment loses no line and leaves no half a file behind."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from bspump.formats.compression import decompressor

PROGRAM = """
import sys
import bspump
from bspump.file import FileLineSource, FileSink
from bspump.trigger import OpportunisticTrigger

class Copy(bspump.Pipeline):
    def __init__(self, app, id, source, sink):
        super().__init__(app, id)
        self.build(
            FileLineSource(app, self, config={"path": source}).on(
                OpportunisticTrigger(app, chilldown_period=0)
            ),
            lambda context, event: event[:-1],
            FileSink(app, self, config={
                "path": sink, "rotate.max_events": 500, "batch.max_events": 50,
            }),
        )

app = bspump.BSPumpApplication(args=[])
app.PumpService.add_pipeline(Copy(app, "Copy", *sys.argv[1:]))
sys.exit(app.run())
"""

FILES, LINES = 150, 250


def wait_until(condition, within_s):
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about in time"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("extension", ["json", "json.gz"])
def test_every_line_arrives_and_every_file_is_whole(tmp_path, extension):
    source, sink = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for i in range(FILES):
        lines = [json.dumps({"file": i, "line": j, "pad": "x" * 100}) for j in range(LINES)]
        (source / f"{i:03}.json").write_text("".join(line + "\n" for line in lines))

    def start():
        arguments = [f"{source}/*.json", f"{sink}/{{index:05}}.{extension}"]
        return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])

    def done():
        return len(list(source.glob("*-processed")))

    chance = random.Random(7)
    for kill in range(6):
        with start() as process:
            # Somewhere in the next few files, so that each run gets a bit further.
            enough = min(FILES, done() + kill % 3)
            wait_until(lambda enough=enough: done() >= enough, within_s=20)
            time.sleep(chance.uniform(0, 0.03) if kill % 3 else 0.2)
            process.send_signal(signal.SIGKILL)
        assert_files_are_whole(sink, extension)
    assert done() < FILES, "it was too quick to be killed in the middle"
    with start() as process:
        wait_until(lambda: done() == FILES, within_s=30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    found = assert_files_are_whole(sink, extension)
    assert {(event["file"], event["line"]) for event in found} == {
        (i, j) for i in range(FILES) for j in range(LINES)
    }
    assert [path for path in source.iterdir() if not path.name.endswith("-processed")] == []
    assert list(sink.glob(".*")) == []


def assert_files_are_whole(sink, extension):
    """Check that every complete file holds whole lines, and return their events."""
    events = []
    for path in sorted(sink.glob("[0-9]*")):
        expand = decompressor("gzip" if extension.endswith(".gz") else "none")
        content = b"".join(expand.feed(path.read_bytes()))
        expand.finish()
        assert content.endswith(b"\n")
        events += [json.loads(line) for line in content.splitlines()]
    return events
