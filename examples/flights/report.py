"""What the replay found, as tables in the terminal."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

FIGURES = """
    sum(flights) AS flights,
    100.0 * sum(cancelled) / sum(flights) AS 'cancelled %',
    100.0 * sum(delayed) / sum(flights - cancelled) AS 'delayed %',
    1.0 * sum(delay_min) / sum(flights - cancelled) AS 'mean delay'
"""
AIRPORTS = "SELECT airport, {figures} FROM hours GROUP BY airport ORDER BY airport"
WORST = """
    SELECT hour || ' ' || airport AS 'hour (UTC)', {figures} FROM hours
    GROUP BY airport, hour HAVING sum(flights - cancelled) >= 10
    ORDER BY "mean delay" DESC LIMIT 5
"""
WIND = """
    SELECT CASE WHEN wind_mph < 10 THEN 'below 10 mph' WHEN wind_mph < 20 THEN '10 to 20 mph'
        WHEN wind_mph < 30 THEN '20 to 30 mph' ELSE '30 mph and more' END AS wind, {figures}
    FROM hours WHERE observed = hour AND wind_mph IS NOT NULL GROUP BY wind ORDER BY min(wind_mph)
"""
VISIBILITY = """
    SELECT CASE WHEN visibility_miles < 1 THEN 'below 1 mile'
        WHEN visibility_miles < 5 THEN '1 to 5 miles'
        WHEN visibility_miles < 10 THEN '5 to 10 miles' ELSE '10 miles' END AS visibility, {figures}
    FROM hours WHERE observed = hour AND visibility_miles IS NOT NULL
    GROUP BY visibility ORDER BY min(visibility_miles)
"""


def show(database: Path) -> None:
    """Print all tables."""
    with closing(sqlite3.connect(database)) as connection:
        for query in (AIRPORTS, WORST, WIND, VISIBILITY):
            found = connection.execute(query.format(figures=FIGURES))
            show_table([column[0] for column in found.description], found.fetchall())


def show_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table: the first column to the left, numbers to the right."""
    lines = [headings, *([shown(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    print()
    for number, (first, *others) in enumerate(lines):
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        print(f"  {first:{widths[0]}}  {'  '.join(cells)}")
        if number == 0:
            print(f"  {'  '.join('─' * width for width in widths)}")


def shown(value: Any) -> str:
    """Return a number with separators, a fraction with one digit, anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
