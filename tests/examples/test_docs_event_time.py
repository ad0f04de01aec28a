"""The example of the page on event time does what it says."""

from __future__ import annotations

import json
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/event-time.md").read_text(encoding="utf-8")
READINGS = [
    ("12:01", "north", 13.0),
    ("12:04", "south", 17.0),
    ("12:11", "north", 16.0),
    ("12:09", "north", 15.0),  # Out of order, but in time.
    ("12:12", "south", 18.0),  # The first ten minutes are over.
    ("12:03", "north", 99.0),  # Too late.
    ("12:11", "south", 19.0),
]


def shown(language):
    return PAGE.split(f"```{language}\n")[1].split("```")[0]


async def test_readings_become_means_and_what_is_late_goes_aside(start, tmp_path):
    lines = [
        json.dumps({"at": f"2024-05-01T{at}:00Z", "station": station, "celsius": celsius})
        for at, station, celsius in READINGS
    ]
    (tmp_path / "readings.ndjson").write_text("".join(f"{line}\n" for line in lines))
    program = await start("docs/examples/event_time.py")
    assert await program.end() == 0, program.log
    assert program.output == shown("text")
    assert (tmp_path / "late.ndjson").read_text() == shown("json")
