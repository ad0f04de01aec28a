"""The example that replays flights: over a few rows whose results are known, and over all."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bspump.testing import eventually

EXAMPLES = Path(__file__).parents[2] / "examples" / "flights"
MAIN = "examples/flights/main.py"
PLOT = Path(__file__).parents[2] / "docs" / "images" / "flights-2013.svg"

WEATHER = """\
origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
EWR,2013,2,1,6,40.5,26,59,270,10.25,NA,0,1012,10,2013-02-01T11:00:00Z
EWR,2013,2,1,7,NA,26,59,270,1048.36,NA,0,NA,0.5,2013-02-01T12:00:00Z
JFK,2013,2,1,6,30,26,59,270,NA,25.5,0.1,1012,9,2013-02-01T12:00:00Z
"""
COLUMNS = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,"
    "carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour"
)
# Carrier, flight, plane, origin, destination, delays, minute, hour: not in the order of time.
FLIGHTS = [
    ("UA", 4, "N1", "EWR", "IAH", 15, 20, 0, "2013-02-01T12:00:00Z"),
    ("UA", 5, "N2", "EWR", "IAH", "NA", "NA", 59, "2013-02-01T12:00:00Z"),
    ("UA", 1, "NA", "EWR", "XXX", -3, -5, 59, "2013-02-01T10:00:00Z"),
    ("AA", 2, "N1", "EWR", "IAH", 14, 1, 0, "2013-02-01T11:00:00Z"),
    ("UA", 3, "N1", "EWR", "IAH", 0, 0, 59, "2013-02-01T11:00:00Z"),
    ("UA", 6, "N1", "JFK", "IAH", 60, 30, 5, "2013-02-01T13:00:00Z"),
]


def line_of(flight: tuple[Any, ...]) -> str:
    carrier, number, plane, origin, dest, dep, arr, minute, hour = flight
    return (
        f"2013,2,1,NA,NA,{dep},NA,NA,{arr},{carrier},{number},{plane},{origin},{dest},NA,100,0,"
        f"{minute},{hour}"
    )


def write_data(directory: Path, flights: list[str]) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "weather.csv").write_text(WEATHER)
    (directory / "airlines.csv").write_text("carrier,name\nUA,United\n")
    (directory / "airports.csv").write_text("faa,name,lat,lon\nIAH,Houston,29.5,-95.25\n")
    (directory / "planes.csv").write_text(
        "tailnum,year,manufacturer,model,seats\nN1,1999,BOEING,737,149\nN2,NA,AIRBUS,A320,NA\n"
    )
    with zipfile.ZipFile(directory / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "\n".join([COLUMNS, *flights]) + "\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with a few rows."""
    write_data(tmp_path / "data", [line_of(flight) for flight in FLIGHTS])
    return tmp_path / "data"


@pytest.fixture
def check() -> ModuleType:
    """The comparison with DuckDB."""
    spec = importlib.util.spec_from_file_location("flights_check", EXAMPLES / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_flights(output: Path) -> list[dict[str, Any]]:
    lines = [
        line
        for path in sorted(output.glob("flights-*.ndjson.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    return [json.loads(line) for line in lines]


def read_hours(output: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(output / "flights.db")) as database:
        return database.execute("SELECT * FROM hours ORDER BY hour, airport").fetchall()


async def test_a_flight_sees_the_newest_observation_not_later_than_its_departure(
    start, tmp_path, data
):
    program = await start(MAIN, "--data", str(data), "--quiet")
    assert await program.end() == 0, program.log
    flights = read_flights(tmp_path / "demo-output")
    assert [flight["flight"] for flight in flights] == [1, 2, 3, 4, 5, 6]
    seen = {
        flight["flight"]: flight["weather"]
        and (flight["weather"]["time"], flight["weather"]["origin"])
        for flight in flights
    }
    assert seen == {
        1: None,
        2: ("2013-02-01T11:00:00Z", "EWR"),
        3: ("2013-02-01T11:00:00Z", "EWR"),
        4: ("2013-02-01T12:00:00Z", "EWR"),
        5: ("2013-02-01T12:00:00Z", "EWR"),
        6: ("2013-02-01T12:00:00Z", "JFK"),
    }
    assert [flight["weather_age_min"] for flight in flights] == [None, 0, 59, 0, 59, 65]


async def test_what_is_missing_or_cannot_be_is_null(start, tmp_path, data):
    program = await start(MAIN, "--data", str(data), "--quiet")
    assert await program.end() == 0, program.log
    first, second, *_, fifth, sixth = read_flights(tmp_path / "demo-output")
    assert (first["tailnum"], first["plane"], first["destination"]) == (None, None, None)
    assert second["airline"] is None
    assert first["airline"] == {"name": "United"}
    assert fifth["weather"]["temp"] is None
    assert fifth["weather"]["wind_speed"] is None, "no wind is that fast"
    assert fifth["dep_delay"] is None
    assert fifth["plane"] == {
        "year": None,
        "manufacturer": "AIRBUS",
        "model": "A320",
        "seats": None,
    }
    assert sixth["destination"] == {"name": "Houston", "lat": 29.5, "lon": -95.25}


async def test_hours_are_added_up_and_a_second_run_changes_nothing(start, tmp_path, data):
    at_11, at_12 = "2013-02-01 11:00", "2013-02-01 12:00"
    expected = [
        ("EWR", "2013-02-01 10:00", 1, 0, 0, -3, None, None, None, 0),
        ("EWR", at_11, 2, 0, 0, 14, at_11, 10.25, 10.0, 0),
        ("EWR", at_12, 2, 1, 1, 15, at_12, None, 0.5, 0),
        ("JFK", "2013-02-01 13:00", 1, 0, 1, 60, at_12, None, 9.0, 0),
    ]
    for _ in range(2):
        program = await start(MAIN, "--data", str(data), "--check")
        assert await program.end() == 0, program.log
        assert read_hours(tmp_path / "demo-output") == expected
        assert len(read_flights(tmp_path / "demo-output")) == len(FLIGHTS)
    assert "DuckDB: 4 hours expected, 0 missing, 0 wrong" in program.output


async def test_the_comparison_notices_what_is_wrong(start, tmp_path, data, check):
    program = await start(MAIN, "--data", str(data), "--quiet")
    assert await program.end() == 0, program.log
    output = tmp_path / "demo-output"
    with closing(sqlite3.connect(output / "flights.db")) as database, database:
        database.execute("UPDATE hours SET delay_min = delay_min + 1 WHERE airport = 'JFK'")
    (path,) = output.glob("flights-*.ndjson.gz")
    lines = gzip.decompress(path.read_bytes()).splitlines()
    path.write_bytes(gzip.compress(b"\n".join(lines[1:])))
    found = check.compare(data, output)
    assert (found["flights"].missing, found["flights"].wrong) == (1, 0)
    assert (found["hours"].missing, found["hours"].wrong) == (1, 1)


async def test_a_broken_row_ends_it_with_an_error(start, tmp_path):
    write_data(tmp_path / "data", [line_of(FLIGHTS[0]).replace(",UA,4,", ",UA,four,")])
    program = await start(MAIN, "--data", str(tmp_path / "data"))
    assert await program.end() == 1
    assert "stopped by an error" in program.log
    assert "flight" in program.log
    assert "airport" not in program.output


async def test_a_table_that_is_not_there_ends_it_with_an_error(start, data):
    (data / "planes.csv").unlink()
    program = await start(MAIN, "--data", str(data))
    assert await program.end() == 78
    assert "planes.csv" in program.log
    assert "airport" not in program.output


# The blizzard; a storm of wind and snow; thunderstorms; fog; and snow again, twice.
DAYS_OF_STORMS = ["02-08", "02-09", "03-06", "03-08", "05-23", "09-12", "12-05", "12-10", "12-14"]
STORMS = """
    SELECT day FROM days GROUP BY day HAVING 100.0 * sum(cancelled) / sum(flights) > 15
"""


def the_storms_are_found(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        storms = {day for (day,) in connection.execute(STORMS)}
        incidents = connection.execute("SELECT first_day, last_day FROM incidents").fetchall()
        _, alone = connection.execute(report_queries()["FALSE"]).fetchone()
    assert storms == {f"2013-{day}" for day in DAYS_OF_STORMS}
    assert {day for day in storms if not any(i <= day <= j for i, j in incidents)} == set()
    assert alone <= 2 * 12


def report_queries() -> dict[str, str]:
    """Return what the report asks."""
    spec = importlib.util.spec_from_file_location("flights_report", EXAMPLES / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {"FALSE": module.FALSE.format(explained=module.EXPLAINED)}


@pytest.mark.slow
async def test_ctrl_c_in_the_middle_shows_no_tables(start, tmp_path):
    program = await start(MAIN)
    output = tmp_path / "demo-output"
    await eventually(lambda: list(output.glob(".*.part")), within_s=50)
    assert await program.interrupt() == 130
    assert "Stopped before the end" in program.log
    assert program.output == ""
    assert read_flights(output), "what was written is complete"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_all_flights_are_as_duckdb_says(start, tmp_path, check):
    program = await start(MAIN, "--check")
    assert await program.end(within_s=170) == 0, program.log
    output = tmp_path / "demo-output"
    assert "DuckDB: 336,776 flights expected, 0 missing, 0 wrong" in program.output
    assert "DuckDB: 19,486 hours expected, 0 missing, 0 wrong" in program.output
    assert "DuckDB: 1,095 days expected, 0 missing, 0 wrong" in program.output
    assert "DuckDB: 267,936 rotations expected, 0 missing, 0 wrong" in program.output
    assert "DuckDB: 5,667 knock_ons expected, 0 missing, 0 wrong" in program.output
    assert "362,891 rows in" in program.log
    assert (output / "days.svg").read_bytes() == PLOT.read_bytes(), f"draw {PLOT} anew"
    the_storms_are_found(output / "flights.db")
    hours = read_hours(output)
    assert sum(row[-1] > 0 for row in hours) == 3_769, "hours that late flights have corrected"
    assert (len(hours), sum(row[2] for row in hours), sum(row[3] for row in hours)) == (
        19_486,
        336_776,
        8_255,
    )
