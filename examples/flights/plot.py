"""Draws the days of the year, and which of them were found to be unusual, as SVG."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import NamedTuple

DAY_PX, PANEL_PX, LEFT_PX, TOP_PX, GAP_PX = 2.4, 140, 46, 44, 66
USUAL, UNUSUAL, INK = "#9db4c8", "#d1495b", "#3b4550"
APART_DAYS = 20
"""So far apart are labels; of incidents that are closer, that with the highest score has one."""

PANELS = (
    ("Cancellations", "Cancelled flights, %", "100.0 * sum(cancelled) / sum(flights)"),
    (
        "Delays",
        "Mean delay of departures, minutes",
        "sum(mean_delay_min * (flights - cancelled)) / sum(flights - cancelled)",
    ),
)


class Incident(NamedTuple):
    """An incident of a panel, by days."""

    first: date
    last: date
    score: float


def draw(database: Path, path: Path) -> Path:
    """Write the picture, and return where it is."""
    with closing(sqlite3.connect(database)) as connection:
        panels = [
            panel
            for number, (measure, title, value) in enumerate(PANELS)
            for panel in _panel(connection, number, measure, title, value)
        ]
    width = LEFT_PX + 365 * DAY_PX + 16
    height = TOP_PX + len(PANELS) * (PANEL_PX + GAP_PX) - GAP_PX + 26
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(panels) + "\n</svg>\n",
        encoding="utf-8",
    )
    return path


def _panel(
    connection: sqlite3.Connection, number: int, measure: str, title: str, value: str
) -> Iterator[str]:
    query = f"SELECT day, {value} FROM days GROUP BY day ORDER BY day"  # noqa: S608 - of ours
    days = {date.fromisoformat(day): found or 0.0 for day, found in connection.execute(query)}
    query = "SELECT first_day, last_day, score FROM incidents WHERE measure = ? ORDER BY score DESC"
    incidents = [
        Incident(date.fromisoformat(first), date.fromisoformat(last), score)
        for first, last, score in connection.execute(query, (measure,))
    ]
    unusual = {day for day in days if any(i.first <= day <= i.last for i in incidents)}
    most = max(days.values(), default=1.0)
    bottom = TOP_PX + number * (PANEL_PX + GAP_PX) + PANEL_PX
    yield f'<text x="{LEFT_PX}" y="{bottom - PANEL_PX - 20}" font-weight="bold">{title}</text>'
    yield (
        f'<text x="{LEFT_PX + 365 * DAY_PX:g}" y="{bottom - PANEL_PX - 20}" text-anchor="end" '
        f'fill="{UNUSUAL}">days of an incident</text>'
    )
    yield from _axes(bottom, most)
    for day, found in days.items():
        height = max(0.0, found) / most * (PANEL_PX - 14)
        yield (
            f'<rect x="{_x(day):.1f}" y="{bottom - height:.1f}" width="{DAY_PX - 0.4:.1f}" '
            f'height="{height:.1f}" fill="{UNUSUAL if day in unusual else USUAL}"/>'
        )
    labelled: list[Incident] = []
    for each in incidents:
        if all(abs((each.first - other.first).days) >= APART_DAYS for other in labelled):
            labelled.append(each)
            tallest = max(days.get(day, 0.0) for day in days if each.first <= day <= each.last)
            y = bottom - tallest / most * (PANEL_PX - 14) - 4
            yield (
                f'<text x="{_x(each.first):.1f}" y="{y:.1f}" text-anchor="middle" '
                f'fill="{UNUSUAL}">{_name(each)}</text>'
            )


def _name(incident: Incident) -> str:
    """Return its days: `8-9 Feb`."""
    first, last = incident.first, incident.last
    if first.month == last.month and first != last:
        return f"{first.day}\N{EN DASH}{last:%-d %b}"
    return f"{first:%-d %b}"


def _axes(bottom: float, most: float) -> Iterator[str]:
    right = LEFT_PX + 365 * DAY_PX
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * (PANEL_PX - 14)
        yield f'<line x1="{LEFT_PX}" x2="{right:g}" y1="{y:g}" y2="{y:g}" stroke="#e3e7eb"/>'
        label = f"{most * part:.0f}"
        yield f'<text x="{LEFT_PX - 6}" y="{y + 4:g}" text-anchor="end">{label}</text>'
    for month in range(1, 13):
        first = date(2013, month, 1)
        yield f'<text x="{_x(first):.1f}" y="{bottom + 15:g}">{first:%b}</text>'


def _x(day: date) -> float:
    return LEFT_PX + (day - date(2013, 1, 1)).days * DAY_PX
