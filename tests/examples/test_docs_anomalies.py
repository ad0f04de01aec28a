"""The example of the page on anomalies does what it says."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from bspump.abc.options import option_fields
from bspump.anomaly.named import DETECTORS
from bspump.anomaly.options import AnomalyOptions

ROOT = Path(__file__).parents[2]
EXAMPLE = "docs/examples/anomalies.py"
PAGE = (ROOT / "docs/anomalies.md").read_text(encoding="utf-8")
MONDAY_MS = 1_360_540_800_000


def minutes(shops, days, broken):
    """Yield what shops get; from the minute `broken` on, Brno gets nothing for half an hour."""
    rng = random.Random(8)
    for minute in range(0, days * 1440, 5):
        for shop in shops:
            day = 100 - 80 * math.cos(2 * math.pi * minute / 1440)
            is_down = shop == "Brno" and broken <= minute < broken + 30
            requests = 0 if is_down else round(day + 20 * (rng.random() - 0.5))
            at = MONDAY_MS + minute * 60_000
            yield {"shop": shop, "at": at, "requests": requests}


async def test_an_outage_is_told_when_it_begins_and_when_it_is_over(start, tmp_path):
    given = minutes(["Brno", "Praha"], 18, broken=17 * 1440 + 600)
    (tmp_path / "minutes.ndjson").write_text("".join(f"{json.dumps(each)}\n" for each in given))
    program = await start(EXAMPLE)
    assert await program.end() == 0, program.log
    assert program.output == PAGE.split("```text\n")[1].split("```")[0]


def test_the_page_shows_the_example():
    assert EXAMPLE.removeprefix("docs/") in PAGE
    source = (ROOT / EXAMPLE).read_text(encoding="utf-8")
    shown = PAGE.split("```python\n")[1].split("```")[0]
    assert all(line.strip() in source for line in shown.splitlines())


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_the_page_names_every_detector(name):
    assert f"`{DETECTORS[name].__name__}`" in PAGE
    assert f"`{name}`" in PAGE


def test_the_page_names_every_option():
    assert [name for name in option_fields(AnomalyOptions) if f"`{name}" not in PAGE] == []
