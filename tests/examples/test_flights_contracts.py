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
    for name in ("replay", "tables"):
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


class TestTable(SinkContract):
    @pytest.fixture
    def target(self, tmp_path):
        from tables import Table

        path = tmp_path / "flights.db"
        columns = {"number": "INTEGER", "text": "TEXT"}

        def stored():
            with closing(sqlite3.connect(path)) as database:
                database.row_factory = sqlite3.Row
                rows = database.execute("SELECT * FROM rows ORDER BY number").fetchall()
            return [dict(row) for row in rows]

        return SinkTarget(
            make=lambda app, pipeline: Table(
                app, pipeline, "rows", columns, ("number",), config={"path": str(path)}
            ),
            stored=stored,
            event=lambda number, text: {"number": number, "text": text},
        )
