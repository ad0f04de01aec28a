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
HOURS = """
    SELECT 'hours of departure' AS what, count(*) AS number, sum(corrections > 0) AS corrected,
        sum(corrections) AS corrections
    FROM hours
"""
PLANES = """
    SELECT carrier, count(*) AS 'late after late', avg(arrived_late_min) AS 'arrived late, min',
        avg(left_late_min) AS 'left late, min'
    FROM knock_ons GROUP BY carrier ORDER BY count(*) DESC LIMIT 5
"""
ROTATIONS = """
    SELECT legs || ' flights' AS rotation, count(*) AS number, avg(miles) AS miles,
        100.0 * sum(late_legs) / sum(legs) AS 'late %'
    FROM rotations GROUP BY legs ORDER BY legs
"""
EXPLAINED = """
    visibility_miles <= 1 OR precipitation_in >= 0.1 OR gust_mph >= 40 OR wind_mph >= 30
"""
"""What counts as bad weather of a day, as its flights have seen it."""

INCIDENTS = """
    SELECT first_day || CASE WHEN last_day > first_day THEN ' to ' || substr(last_day, 9) ELSE ''
            END AS days,
        lower(measure) AS measure, worst, score, airports,
        min(visibility_miles) AS 'visibility, miles', max(precipitation_in) AS 'rain or snow, in',
        max(gust_mph) AS 'gusts, mph', CASE WHEN max({explained}) THEN '' ELSE '?' END AS 'why'
    FROM incidents JOIN days ON day BETWEEN first_day AND last_day
    GROUP BY incident ORDER BY first_day, measure
"""
FALSE = """
    SELECT count(*), coalesce(sum(NOT is_explained), 0) FROM (
        SELECT max({explained}) AS is_explained
        FROM incidents JOIN days ON day BETWEEN first_day AND last_day GROUP BY incident
    )
"""


def show(database: Path) -> None:
    """Print all tables."""
    with closing(sqlite3.connect(database)) as connection:
        for query in (AIRPORTS, HOURS, WORST, WIND, VISIBILITY, ROTATIONS, PLANES, INCIDENTS):
            found = connection.execute(query.format(figures=FIGURES, explained=EXPLAINED))
            show_table([column[0] for column in found.description], found.fetchall())
        incidents, alone = connection.execute(FALSE.format(explained=EXPLAINED)).fetchone()
        print(f"\n  {incidents} incidents, {alone} of them (?) on days without bad weather.")


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
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
