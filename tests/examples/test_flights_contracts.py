"""The source and the sink of the flights keep the contracts that they claim."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from bspump.testing.contracts import SinkContract, SinkTarget, SourceContract, SourceTarget

EXAMPLES = Path(__file__).parents[2] / "examples" / "flights"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    for name in ("replay", "hours"):
        if name not in before:
            sys.modules.pop(name, None)


def time_of(line):
    return datetime.fromtimestamp(int(line.partition(",")[0]), UTC)


class TestReplay(SourceContract):
    @pytest.fixture
    def target(self, tmp_path):
        from replay import Replay, Stream

        path = tmp_path / "in.csv"
        path.write_text("number,text\n")

        def write(events):
            with path.open("a") as file:
                file.writelines(f"{event['number']},{event['text']}\n" for event in events)

        return SourceTarget(
            make=lambda app, pipeline: Replay(app, pipeline, Stream("rows", path, time_of)),
            write=write,
            # The files that it reads have no quotes, and no characters that would need them.
            event=lambda number, text: {"number": str(number), "text": quote(text)},
        )


class TestHoursTable(SinkContract):
    @pytest.fixture
    def target(self, tmp_path):
        from hours import HoursTable

        path = tmp_path / "hours.db"
        nothing = dict.fromkeys(("observed", "wind_mph", "visibility_miles"))

        def event(number, text):
            counts = {"flights": number, "cancelled": 0, "delayed": 0, "delay_min": -number}
            return {"airport": text, "hour": f"{number:05}", **counts, **nothing}

        def stored():
            with closing(sqlite3.connect(path)) as database:
                database.row_factory = sqlite3.Row
                rows = database.execute("SELECT * FROM hours ORDER BY hour").fetchall()
            return [dict(row) for row in rows]

        return SinkTarget(
            make=lambda app, pipeline: HoursTable(app, pipeline, config={"path": str(path)}),
            stored=stored,
            event=event,
        )
