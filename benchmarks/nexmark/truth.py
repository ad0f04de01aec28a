"""The same questions, asked in SQL of all events at once: what the queries have to say."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

COLUMNS: Final = {
    "person": {"at_ms": "BIGINT", "id": "BIGINT", "name": "TEXT", "city": "TEXT", "state": "TEXT"},
    "auction": {
        "at_ms": "BIGINT",
        "id": "BIGINT",
        "item": "TEXT",
        "expires_ms": "BIGINT",
        "seller": "BIGINT",
        "category": "BIGINT",
    },
    "bid": {
        "at_ms": "BIGINT",
        "auction": "BIGINT",
        "bidder": "BIGINT",
        "price": "BIGINT",
        "channel": "TEXT",
    },
}

WINNERS: Final = """
    CREATE VIEW winners AS
        SELECT a.id, a.category, a.seller, a.expires_ms, max(b.price) AS price
        FROM auction a JOIN bid b ON b.auction = a.id AND b.at_ms BETWEEN a.at_ms AND a.expires_ms
        GROUP BY ALL
"""

TRUTH: Final = {
    "q0": "SELECT auction, bidder, price, at_ms, channel FROM bid",
    "q1": "SELECT auction, bidder, price * 908 / 1000, at_ms FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": """
        SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
        WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')""",
    "q4": "SELECT category, avg(price) FROM winners GROUP BY category",
    "q5": """
        WITH hops AS (
            SELECT (at_ms // 2000 + 1 + hop) * 2000 AS end_ms, auction, count(*) AS bids
            FROM bid, generate_series(0, 4) AS hops(hop) GROUP BY ALL
        )
        SELECT end_ms, auction, bids FROM hops
        QUALIFY rank() OVER (PARTITION BY end_ms ORDER BY bids DESC) = 1""",
    "q6": """
        SELECT seller, avg(price) FROM (
            SELECT * FROM winners
            QUALIFY row_number() OVER (PARTITION BY seller ORDER BY expires_ms DESC, id DESC) <= 10
        ) GROUP BY seller""",
    "q7": """
        WITH highest AS (
            SELECT (at_ms // 10000 + 1) * 10000 AS end_ms, price, auction, bidder FROM bid
            QUALIFY rank() OVER (PARTITION BY end_ms ORDER BY price DESC) = 1
        )
        SELECT end_ms, any_value(price), list((auction, bidder) ORDER BY auction, bidder)
        FROM highest GROUP BY end_ms""",
    "q8": """
        SELECT DISTINCT p.id, p.name, p.at_ms // 10000 * 10000
        FROM person p JOIN auction a ON a.seller = p.id AND a.at_ms // 10000 = p.at_ms // 10000""",
    "q11": """
        WITH steps AS (
            SELECT bidder, at_ms, at_ms - lag(at_ms) OVER one AS gap
            FROM bid WINDOW one AS (PARTITION BY bidder ORDER BY at_ms)
        ), numbered AS (
            SELECT *, count(*) FILTER (WHERE gap >= 10000)
                OVER (PARTITION BY bidder ORDER BY at_ms ROWS UNBOUNDED PRECEDING) AS session
            FROM steps
        )
        SELECT bidder, count(*), min(at_ms), max(at_ms) + 10000
        FROM numbered GROUP BY bidder, session""",
    "q12": "SELECT bidder, count(*) FROM bid GROUP BY bidder",
    "q17": """
        SELECT auction, count(*), count(*) FILTER (WHERE price < 10000),
            count(*) FILTER (WHERE price BETWEEN 10000 AND 999999),
            count(*) FILTER (WHERE price >= 1000000), min(price), max(price), avg(price), sum(price)
        FROM bid GROUP BY auction, at_ms // 86400000""",
    "q20": """
        SELECT b.auction, b.bidder, b.price, b.at_ms, a.seller, a.item
        FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10""",
}


class Truth:
    """Answers the queries by DuckDB.

    Args:
        events: all of them.
    """

    def __init__(self, events: Iterable[dict[str, Any]]) -> None:
        self._database = duckdb.connect()
        with tempfile.TemporaryDirectory() as folder:
            paths = {kind: Path(folder) / f"{kind}.ndjson" for kind in COLUMNS}
            files = {kind: path.open("wb") for kind, path in paths.items()}
            for event in events:
                files[event["kind"]].write(orjson.dumps(event) + b"\n")
            for kind, file in files.items():
                file.close()
                self._database.read_json(str(paths[kind]), columns=COLUMNS[kind]).create(kind)
        self._database.execute(WINNERS)

    def of(self, query: str) -> Counter[Any]:
        """Return the rows of the answer, and how often each is there."""
        rows = self._database.execute(TRUTH[query]).fetchall()
        return Counter(map(comparable, rows))


def comparable(row: Any) -> Any:
    """Return a row so that equal ones are equal: without what sums in another order add."""
    if isinstance(row, float):
        return float(f"{row:.9g}")
    return tuple(map(comparable, row)) if isinstance(row, tuple | list) else row


def final(query: str, rows: list[Any]) -> Counter[Any]:
    """Return what a query has said in the end, of all it has said, to be compared."""
    if query in ("q4", "q6"):  # A later row of a key replaces what was said before.
        rows = list(dict(rows).items())
    if query == "q12":  # Where windows of the wall clock are cut is nobody's promise.
        total: Counter[int] = Counter()
        for bidder, bids in rows:
            total[bidder] += bids
        rows = list(total.items())
    return Counter(map(comparable, rows))
