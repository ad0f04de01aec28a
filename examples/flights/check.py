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
WRITTEN_TABLE = "CREATE TABLE written_{kind} AS FROM expected_{kind} LIMIT 0"
WRITTEN_ROWS = """
    INSERT INTO written_{kind} BY NAME SELECT {columns}
    FROM read_json('{work}/{kind}.ndjson', format = 'newline_delimited')
"""
COLUMNS = {
    "hours": """airport, hour::TIMESTAMPTZ AS hour, flights, cancelled, delayed, delay_min,
        observed::TIMESTAMPTZ AS observed, wind_mph::DOUBLE AS wind_mph,
        visibility_miles::DOUBLE AS visibility_miles""",
    "days": """airport, day::DATE AS day, flights, cancelled, round(mean_delay_min, 6) AS mean,
        visibility_miles::DOUBLE AS visibility_miles, precipitation_in::DOUBLE AS precipitation_in,
        wind_mph::DOUBLE AS wind_mph, gust_mph::DOUBLE AS gust_mph""",
    "rotations": """plane, first_departure::TIMESTAMPTZ AS first_departure, legs, late_legs,
        delay_min, worst_delay_min, miles""",
    "knock_ons": """plane, carrier, arrived_flight, arrived_from, arrived_late_min, left_flight,
        left_at::TIMESTAMPTZ AS left_at, left_late_min""",
}
"""What is compared of each table."""

EXPECTED_HOURS = """
    CREATE TABLE expected_hours AS
    SELECT origin AS airport, date_trunc('hour', time) AS hour, count(*) AS flights,
        count(*) FILTER (dep_delay IS NULL) AS cancelled,
        count(*) FILTER (dep_delay >= 15) AS delayed, coalesce(sum(dep_delay), 0) AS delay_min,
        any_value(observed) AS observed, any_value(wind_speed) AS wind_mph,
        any_value(visib) AS visibility_miles
    FROM expected_flights GROUP BY airport, hour
"""
EXPECTED_DAYS = """
    CREATE TABLE expected_days AS
    SELECT origin AS airport, (time AT TIME ZONE 'America/New_York')::DATE AS day,
        count(*) AS flights, count(*) FILTER (dep_delay IS NULL) AS cancelled,
        round(avg(dep_delay), 6) AS mean, min(visib) AS visibility_miles,
        max(precip) AS precipitation_in, max(wind_speed) AS wind_mph, max(wind_gust) AS gust_mph
    FROM expected_flights GROUP BY airport, day
"""
FLOWN = """
    CREATE TABLE flown AS
    SELECT *, tailnum AS plane, lag(time) OVER of_plane AS time_before,
        lag(arr_delay) OVER of_plane AS arrived_late_min,
        lag(flight) OVER of_plane AS flight_before, lag(dest) OVER of_plane AS arrived_from
    FROM expected_flights WHERE tailnum IS NOT NULL AND dep_delay IS NOT NULL
    WINDOW of_plane AS (PARTITION BY tailnum ORDER BY time, flight)
"""
EXPECTED_ROTATIONS = """
    CREATE TABLE expected_rotations AS
    WITH numbered AS (
        SELECT *, count(*) FILTER (time - time_before >= INTERVAL 8 HOUR)
            OVER (PARTITION BY plane ORDER BY time, flight) AS rotation
        FROM flown
    )
    SELECT plane, min(time) AS first_departure, count(*) AS legs,
        count(*) FILTER (dep_delay >= 30) AS late_legs, sum(dep_delay) AS delay_min,
        max(dep_delay) AS worst_delay_min, sum(distance) AS miles
    FROM numbered GROUP BY plane, rotation
"""
EXPECTED_KNOCK_ONS = """
    CREATE TABLE expected_knock_ons AS
    SELECT plane, carrier, flight_before AS arrived_flight, arrived_from, arrived_late_min,
        flight AS left_flight, time AS left_at, dep_delay AS left_late_min
    FROM flown
    WHERE arrived_late_min >= 30 AND dep_delay >= 30 AND time - time_before < INTERVAL 12 HOUR
"""
EXPECTED = (
    EXPECTED_FLIGHTS,
    EXPECTED_HOURS,
    EXPECTED_DAYS,
    FLOWN,
    EXPECTED_ROTATIONS,
    EXPECTED_KNOCK_ONS,
)


class Difference(msgspec.Struct):
    """How many rows there should be, how many are missing, and how many should not be there."""

    expected: int
    missing: int
    wrong: int


def compare(data: Path, output: Path) -> dict[str, Difference]:
    """Return what is different, for `flights` and for each table."""
    duckdb = require("duckdb", extra="demo")
    with tempfile.TemporaryDirectory() as work, duckdb.connect() as connection:
        with zipfile.ZipFile(data / "flights.csv.zip") as archive:
            archive.extract("flights.csv", work)
        with closing(sqlite3.connect(output / "flights.db")) as database:
            database.row_factory = sqlite3.Row
            tables = {
                kind: [dict(row) for row in database.execute(f"SELECT * FROM {kind}")]  # noqa: S608
                for kind in COLUMNS
            }
        connection.execute("SET TimeZone = 'UTC'")
        for query in (*EXPECTED, WRITTEN_FLIGHTS):
            connection.execute(query.format(data=data, output=output, work=work))
        for kind, rows in tables.items():
            connection.execute(WRITTEN_TABLE.format(kind=kind))
            Path(work, f"{kind}.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(rows))
            if rows:
                query = WRITTEN_ROWS.format(kind=kind, columns=COLUMNS[kind], work=work)
                connection.execute(query)
        return {kind: _difference(connection, kind) for kind in ("flights", *COLUMNS)}


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
