"""File to file through the real engine: parse, filter, enrich, serialise."""

from __future__ import annotations

import functools
import json

import msgspec
import pytest

from bspump.file import FileSink, FileSource, TailSource
from bspump.testing import Harness, eventually


class Access(msgspec.Struct):
    """A line of an access log."""

    status: int
    host: str
    label: str = ""


def enrich(context, event):
    event["label"] = event["host"].upper()
    return event


def enrich_typed(context, event):
    event.label = event.host.upper()
    return event


@pytest.mark.parametrize(
    ("schema", "keep", "enrich"),
    [
        (None, lambda context, event: event if event["status"] < 400 else None, enrich),
        (Access, lambda context, event: event if event.status < 400 else None, enrich_typed),
    ],
    ids=["dicts", "typed"],
)
async def test_lines_are_parsed_filtered_enriched_and_written(tmp_path, schema, keep, enrich):
    events = [{"status": 200 + 100 * (i % 4), "host": f"h{i}"} for i in range(20_000)]
    (tmp_path / "in.json").write_text("".join(json.dumps(event) + "\n" for event in events))
    source = {"path": str(tmp_path / "in.json"), "codec": "json"}
    sink = {"path": str(tmp_path / "out.json"), "codec": "json"}
    async with Harness() as harness:
        pipeline = harness.chain(
            functools.partial(FileSource, config=source, schema=schema),
            keep,
            enrich,
            functools.partial(FileSink, config=sink, schema=schema),
        )
        await eventually(pipeline.is_finished, within_s=20)
        counts = harness.counts()
    assert counts["event.in"] == 20_000
    assert (counts["event.out"], counts["event.drop"]) == (10_000, 10_000)
    found = [json.loads(line) for line in (tmp_path / "out.json").read_text().splitlines()]
    assert found == [
        {**event, "label": event["host"].upper()} for event in events if event["status"] < 400
    ]


async def test_a_log_is_followed_while_it_is_written_and_rotated(tmp_path):
    log = tmp_path / "app.log"
    source = {"path": str(log), "idle": "5ms", "rotate_wait": "50ms"}
    sink = {"path": str(tmp_path / "out.txt"), "batch.max_age": "10ms"}
    written = []
    async with Harness() as harness:
        harness.chain(
            functools.partial(TailSource, config=source),
            functools.partial(FileSink, config=sink),
        )
        for i in range(30):
            with log.open("a") as file:
                for j in range(20):
                    written.append(f"{i} {j}")
                    file.write(f"{i} {j}\n")
            if i % 5 == 4:
                await eventually(lambda: harness.counts()["event.in"] == len(written))
                log.rename(tmp_path / f"app.log.{i}")
            await harness.app.Clock.sleep(0.002)
        await eventually(lambda: harness.counts()["event.in"] == len(written))
    assert (tmp_path / "out.txt").read_text().splitlines() == written
