"""The example of the page on windows does what the page says, and so do the tables on it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import bspump.window
from bspump.window.aggregations import AGGREGATIONS
from bspump.windows.sketches import ApproxDistinct

PAGE = Path(__file__).parents[2] / "docs/windows.md"


def sale(at, shop, price, article="tea"):
    return {"at": at.isoformat(), "shop": shop, "price": price, "article": article}


async def test_a_day_of_the_shops_has_23_hours_in_march(start, tmp_path):
    # The day begins at 23:00 UTC and ends at 22:00 UTC: clocks are set forward at night.
    first = datetime(2024, 3, 30, 23, tzinfo=UTC)
    hours = [0, 1, 7, 22.5, 23]
    prices = [30, 10, 200, 20, 50]
    sales = [
        sale(first + timedelta(hours=hour), "Brno", price)
        for hour, price in zip(hours, prices, strict=True)
    ]
    sales += [
        sale(first + timedelta(hours=23.5), "Plzen", 5, "jam"),
        sale(first + timedelta(hours=3), "Brno", 60, "jam"),  # so late that the day is corrected
        sale(first + timedelta(hours=60), "Plzen", 5, "jam"),
    ]
    text = "".join(f"{json.dumps(each)}\n" for each in sales)
    (tmp_path / "sales.ndjson").write_text(text)
    program = await start("docs/examples/windows.py")
    assert await program.end() == 0, program.log
    found = [json.loads(line) for line in (tmp_path / "days.ndjson").read_text().splitlines()]
    of_first = [
        (each["firing"], each["sales"], each["turnover"])
        for each in found
        if each["key"] == "Brno" and each["start_ms"] == first.timestamp() * 1000
    ]
    assert of_first == [("early", 2, 40), ("early", 3, 240), ("final", 4, 260), ("late", 5, 320)]
    corrected = next(each for each in found if each["firing"] == "late")
    assert corrected == {
        "key": "Brno",
        "start_ms": 1711839600000,
        "end_ms": 1711922400000,
        "firing": "late",
        "pane": 3,
        "sales": 5,
        "turnover": 320,
        "highest": 200,
        "median": [30],
        "best": [["tea", 4], ["jam", 1]],
        "large": 0.2,
    }
    assert json.dumps(corrected, separators=(",", ":")) in PAGE.read_text().replace("\n ", "")


def test_every_aggregation_has_its_row():
    text = PAGE.read_text()
    table = text.partition("## What is computed")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)`", table))
    assert set(AGGREGATIONS) <= named
    classes = {kind.__name__ for kind in AGGREGATIONS.values()}
    assert {name for name in classes if f"`{name}" in table} == classes


@pytest.mark.parametrize(
    "name", ["Tumbling", "Hopping", "Session", "Calendar", "Counted", "Global"]
)
def test_every_kind_of_windows_is_on_the_page(name):
    assert hasattr(bspump.window, name)
    assert f"`{name}(" in PAGE.read_text()


def test_the_error_on_the_page_is_that_of_the_sketch():
    assert ApproxDistinct("x")._precision == 12
    assert 0.0162 < 1.04 / 2 ** (12 / 2) < 0.0163
    assert "1.6 %" in PAGE.read_text()
