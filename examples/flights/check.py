"""Compares what the replay wrote with what DuckDB makes of the same files, row by row."""

from __future__ import annotations

import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from bspump.abc.extras import require

EXPECTED_FLIGHTS = """
    CREATE TABLE expected_flights AS
    WITH flights AS (
        SELECT *, time_hour + to_minutes(minute) AS time
        FROM read_csv('{work}/flights.csv', nullstr = 'NA')
    ), weather AS (
        SELECT * REPLACE (CASE WHEN wind_speed <= 200 THEN wind_speed END AS wind_speed)
        FROM read_csv('{data}/weather.csv', nullstr = 'NA')
    )
    SELECT time, f.carrier, flight, f.tailnum, f.origin, dest, distance, dep_delay, arr_delay,
        w.time_hour AS observed, temp, wind_speed, wind_gust, precip, visib,
        date_diff('minute', w.time_hour, time) AS weather_age_min,
        a.name AS airline, d.name AS destination, d.lat, d.lon,
        p.year, p.manufacturer, p.model, p.seats
    FROM flights f
    ASOF LEFT JOIN weather w ON f.origin = w.origin AND w.time_hour <= f.time
    LEFT JOIN read_csv('{data}/airlines.csv', nullstr = '') a ON f.carrier = a.carrier
    LEFT JOIN read_csv('{data}/airports.csv', nullstr = '') d ON f.dest = d.faa
    LEFT JOIN read_csv('{data}/planes.csv', nullstr = 'NA') p ON f.tailnum = p.tailnum
"""
WRITTEN_FLIGHTS = """
    CREATE TABLE written_flights AS
    SELECT time, carrier, flight, tailnum, origin, dest, distance, dep_delay, arr_delay,
        weather.time AS observed, weather.temp, weather.wind_speed, weather.wind_gust,
        weather.precip, weather.visib, weather_age_min,
        airline.name AS airline, destination.name AS destination, destination.lat, destination.lon,
        plane.year, plane.manufacturer, plane.model, plane.seats
    FROM read_json('{output}/flights-*.ndjson.gz', format = 'newline_delimited', columns = {{
        time: 'TIMESTAMPTZ', carrier: 'VARCHAR', flight: 'BIGINT', tailnum: 'VARCHAR',
        origin: 'VARCHAR', dest: 'VARCHAR', distance: 'BIGINT', dep_delay: 'BIGINT',
        arr_delay: 'BIGINT', weather_age_min: 'BIGINT', airline: 'STRUCT(name VARCHAR)',
        weather: 'STRUCT(time TIMESTAMPTZ, temp DOUBLE, wind_speed DOUBLE, wind_gust DOUBLE,
            precip DOUBLE, visib DOUBLE)',
        destination: 'STRUCT(name VARCHAR, lat DOUBLE, lon DOUBLE)',
        plane: 'STRUCT(year BIGINT, manufacturer VARCHAR, model VARCHAR, seats BIGINT)'
    }})
"""
EXPECTED_HOURS = """
    CREATE TABLE expected_hours AS
    SELECT origin AS airport, date_trunc('hour', time) AS hour, count(*) AS flights,
        count(*) FILTER (dep_delay IS NULL) AS cancelled,
        count(*) FILTER (dep_delay >= 15) AS delayed, coalesce(sum(dep_delay), 0) AS delay_min,
        any_value(observed) AS observed, any_value(wind_speed) AS wind_mph,
        any_value(visib) AS visibility_miles
    FROM expected_flights GROUP BY airport, hour
"""
WRITTEN_HOURS = """
    CREATE TABLE written_hours AS
    SELECT airport, hour::TIMESTAMPTZ AS hour, flights, cancelled, delayed, delay_min,
        observed::TIMESTAMPTZ AS observed, wind_mph::DOUBLE AS wind_mph,
        visibility_miles::DOUBLE AS visibility_miles
    FROM read_json('{work}/hours.ndjson', format = 'newline_delimited')
"""


class Difference(msgspec.Struct):
    """How many rows there should be, how many are missing, and how many should not be there."""

    expected: int
    missing: int
    wrong: int


def compare(data: Path, output: Path) -> dict[str, Difference]:
    """Return what is different, for `flights` and for `hours`."""
    duckdb = require("duckdb", extra="demo")
    with tempfile.TemporaryDirectory() as work, duckdb.connect() as connection:
        with zipfile.ZipFile(data / "flights.csv.zip") as archive:
            archive.extract("flights.csv", work)
        with closing(sqlite3.connect(output / "hours.db")) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute("SELECT * FROM hours")]
        Path(work, "hours.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(rows))
        connection.execute("SET TimeZone = 'UTC'")
        for query in (EXPECTED_FLIGHTS, WRITTEN_FLIGHTS, EXPECTED_HOURS, WRITTEN_HOURS):
            connection.execute(query.format(data=data, output=output, work=work))
        return {kind: _difference(connection, kind) for kind in ("flights", "hours")}


def report(data: Path, output: Path) -> int:
    """Print what is different; return 1 if anything is, else 0."""
    found = compare(data, output)
    print()
    for kind, difference in found.items():
        print(
            f"DuckDB: {difference.expected:,} {kind} expected, "
            f"{difference.missing:,} missing, {difference.wrong:,} wrong"
        )
    return int(any(each.missing or each.wrong for each in found.values()))


def _difference(connection: Any, kind: str) -> Difference:
    expected, written = (connection.table(f"{which}_{kind}") for which in ("expected", "written"))
    return Difference(len(expected), len(expected.except_(written)), len(written.except_(expected)))
