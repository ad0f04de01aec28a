"""The first pipeline: flights and weather, replayed, joined, enriched and written to files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import bspump
import bspump.common
import bspump.file
import bspump.lookup
from bspump.join import AsOfJoin
from bspump.window import EventTime
from records import Airline, Airport, Flight, Plane, Weather, landed, observed, typed, with_time
from replay import Replay, Stream

KINDS: dict[str, Any] = {"weather": Weather, "flight": Flight}
FASTEST_MPH = 200
MINUTE_MS = 60_000


class Flights(bspump.Pipeline):
    """Replays flights and weather, and writes each flight with all that is known about it.

    Its time is that of its scheduled departure, and it comes when it has landed. Time goes on six
    hours behind what comes; a few flights land even later, and are late.
    """

    ConfigDefaults = {"on_error": "exit"}  # Nobody is there who could repair it and go on.

    def __init__(self, app: Any, data: Path, output: Path) -> None:
        super().__init__(app)
        self.build(
            Replay(
                app,
                self,
                Stream("weather", data / "weather.csv", observed),
                Stream("flight", data / "flights.csv.zip", landed),
            ),
            parse,
            clean,
            EventTime(app, self, "at_ms", config={"lateness": "6h"}),
            AsOfJoin(
                app,
                self,
                left=lambda context, event: context["stream"] == "flight",
                right=lambda context, event: context["stream"] == "weather",
                key="origin",
                combine=with_weather,
                config={"retention": "36h", "late": "reject"},
            ),
            enricher(app, self, "airlines", key="carrier", target="airline"),
            enricher(app, self, "airports", key="dest", target="destination"),
            enricher(app, self, "planes", key="tailnum", target="plane"),
            bspump.common.TeeProcessor(app, self, config={"copy_event": False}),
            bspump.file.FileSink(
                app,
                self,
                config={
                    "path": str(output / "flights-{index}.ndjson.gz"),
                    "codec": "json",
                    "level": 1,
                    "rotate.max_events": 100_000,
                },
            ),
        )


def parse(context: dict[str, Any], row: dict[str, str]) -> dict[str, Any]:
    """Make typed values of text; a row that is not what it should be stops the pipeline."""
    event: dict[str, Any] = typed(with_time(row), KINDS[context["stream"]])
    return event


def clean(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Take out what cannot be: at Newark a wind of 1,048 miles per hour was written down."""
    if (event.get("wind_speed") or 0) > FASTEST_MPH:
        event["wind_speed"] = None
    return event


def with_weather(flight: dict[str, Any], weather: dict[str, Any] | None) -> dict[str, Any]:
    """Put the newest observation at its airport, not later than its departure, into a flight."""
    age_ms = flight["at_ms"] - weather["at_ms"] if weather else None
    age_min = None if age_ms is None else age_ms // MINUTE_MS
    return {**flight, "weather": weather, "weather_age_min": age_min}


def enricher(app: Any, pipeline: Any, lookup: str, key: str, target: str) -> Any:
    """Put what a lookup knows of `key` into `target`: None if that is nothing."""
    config = {"missing": "default"}
    return bspump.lookup.LookupEnricher(
        app, pipeline, lookup, key, target, id=f"Enrich {target}", config=config
    )


class CsvLookup(bspump.DictionaryLookup):
    """The rows of a CSV file by its first column, of the type `kind`."""

    def __init__(self, app: Any, id: str, path: Path, kind: Any) -> None:
        super().__init__(app, id, config={"source_url": str(path)})
        self.Kind = kind

    def deserialize(self, data: bytes) -> None:
        header, *rows = csv.reader(io.StringIO(data.decode()))
        self.Dictionary = {
            row[0]: typed(dict(zip(header, row, strict=True)), self.Kind) for row in rows
        }


def lookups(app: Any, data: Path) -> list[bspump.Lookup]:
    """Return the tables that flights are enriched from."""
    return [
        CsvLookup(app, "airlines", data / "airlines.csv", Airline),
        CsvLookup(app, "airports", data / "airports.csv", Airport),
        CsvLookup(app, "planes", data / "planes.csv", Plane),
    ]
