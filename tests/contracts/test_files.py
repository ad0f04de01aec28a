"""The parts that read and write files keep the contracts of sources and sinks."""

from __future__ import annotations

import csv
import functools
import json
from typing import ClassVar

import pytest

from bspump.file import (
    FileBlockSink,
    FileCSVSink,
    FileLineSource,
    FileSink,
    FileSource,
    TailSource,
)
from bspump.formats.compression import decompressor
from bspump.subprocess import SubProcessSource
from bspump.testing.contracts import SinkContract, SinkTarget, SourceContract, SourceTarget
from bspump.trigger import OpportunisticTrigger


def append_lines(path, events):
    with path.open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


class TestFileSource(SourceContract):
    @pytest.fixture
    def target(self, tmp_path):
        path = tmp_path / "in.json"
        path.touch()
        config: ClassVar = {"path": str(path), "codec": "json", "block": "1KiB"}
        return SourceTarget(
            make=functools.partial(FileSource, config=config),
            write=functools.partial(append_lines, path),
        )


class TestTailSource(SourceContract):
    @pytest.fixture
    def target(self, tmp_path):
        path = tmp_path / "in.json"
        config: ClassVar = {"path": str(path), "codec": "json", "idle": "10ms", "block": "1KiB"}
        return SourceTarget(
            make=functools.partial(TailSource, config=config),
            write=functools.partial(append_lines, path),
        )


class TestFileLineSource(SourceContract):
    @pytest.fixture
    def target(self, tmp_path):
        written = []

        def make(app, pipeline):
            source = FileLineSource(app, pipeline, config={"path": str(tmp_path / "*.txt")})
            return source.on(OpportunisticTrigger(app, chilldown_period=0))

        def write(events):
            written.append(events)
            new = tmp_path / f".{len(written)}.txt"
            new.write_bytes(b"".join(events))
            new.rename(tmp_path / new.name[1:])

        def event(number, text):
            return json.dumps([number, text]).encode() + b"\n"

        return SourceTarget(make=make, write=write, event=event)


class TestSubProcessSource(SourceContract):
    @pytest.fixture
    def target(self, tmp_path):
        path = tmp_path / "in"
        path.touch()

        def write(events):
            with path.open("ab") as file:
                file.writelines(event + b"\n" for event in events)

        # It waits for the first line, so that there may be none when the pipeline starts.
        command = f"until test -s '{path}'; do sleep 0.01; done; exec tail -n +1 -f '{path}'"
        return SourceTarget(
            make=functools.partial(SubProcessSource, config={"command": command}),
            write=write,
            event=lambda number, text: json.dumps([number, text]).encode(),
        )

    @pytest.mark.skip(reason="does not apply: a program that runs again writes all of it again")
    def test_it_reads_on_after_a_stop_and_a_start(self, target):
        """Of programs only those know where they were that remember it themselves."""


class FileSinkTests(SinkContract):
    name = "out.json"
    config: ClassVar = {}

    @pytest.fixture
    def target(self, tmp_path):
        def stored():
            complete = sorted(tmp_path.glob("out*"), key=lambda path: (len(path.name), path.name))
            found = [*complete, *tmp_path.glob(".out*")]
            content = b""
            for path in found:
                expand = decompressor("gzip" if ".gz" in path.name else "none")
                content += b"".join(expand.feed(path.read_bytes()))
            return [json.loads(line) for line in content.splitlines()]

        config: ClassVar = {"path": str(tmp_path / self.name), "codec": "json", **self.config}
        return SinkTarget(
            make=functools.partial(FileSink, config=config), stored=stored, poison={"a": object()}
        )


class TestFileSink(FileSinkTests):
    pass


class TestRotatingFileSink(FileSinkTests):
    name = "out-{index:05}.json"
    config: ClassVar = {"rotate.max_events": 100, "fsync": "no"}


class TestCompressedFileSink(FileSinkTests):
    name = "out-{index:05}.json.gz"
    config: ClassVar = {"rotate.max_bytes": "1KiB"}


class TestAppendingFileSink(FileSinkTests):
    config: ClassVar = {"append": "yes"}


class TestFileCSVSink(SinkContract):
    @pytest.fixture(autouse=True)
    def large_cells(self):
        before = csv.field_size_limit(10_000_000)
        yield
        csv.field_size_limit(before)

    @pytest.fixture
    def target(self, tmp_path):
        path = tmp_path / "out.csv"

        def stored():
            if not path.exists():
                return []
            with path.open(newline="") as file:
                return [{**row, "number": int(row["number"])} for row in csv.DictReader(file)]

        return SinkTarget(
            make=functools.partial(FileCSVSink, config={"path": str(path)}),
            stored=stored,
            poison={"number": 1, "text": "", "other": 2},
        )


class NamedBlockSink(FileBlockSink):
    """Names files after the number in their events."""

    def get_file_name(self, context, event):
        return f"{self.Config['path']}/{json.loads(event)[0]:06}"


class TestFileBlockSink(SinkContract):
    @pytest.fixture
    def target(self, tmp_path):
        return SinkTarget(
            make=functools.partial(NamedBlockSink, config={"path": str(tmp_path)}),
            stored=lambda: [path.read_bytes() for path in sorted(tmp_path.glob("[0-9]*"))],
            event=lambda number, text: json.dumps([number, text]).encode(),
            poison="[7]",
        )
