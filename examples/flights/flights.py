"""The first pipeline: flights and weather, replayed, joined, enriched and written to files."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import bspump
import bspump.common
import bspump.file
import bspump.lookup
from records import Airline, Airport, Flight, Plane, Weather, observed, scheduled, typed
from replay import Replay, Stream

KINDS: dict[str, Any] = {"weather": Weather, "flight": Flight}
FASTEST_MPH = 200


class Flights(bspump.Pipeline):
    """Replays flights and weather, and writes each flight with all that is known about it."""

    ConfigDefaults = {"on_error": "exit"}  # Nobody is there who could repair it and go on.

    def __init__(self, app: Any, data: Path, output: Path) -> None:
        super().__init__(app)
        self.build(
            Replay(
                app,
                self,
                # At the same time, first the observation and then the flight that sees it.
                Stream("weather", data / "weather.csv", observed),
                Stream("flight", data / "flights.csv.zip", scheduled),
            ),
            parse,
            clean,
            WeatherJoin(app, self),
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
    event: dict[str, Any] = typed({**row, "time": context["time"]}, KINDS[context["stream"]])
    return event


def clean(context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Take out what cannot be: at Newark a wind of 1,048 miles per hour was written down."""
    if (event.get("wind_speed") or 0) > FASTEST_MPH:
        event["wind_speed"] = None
    return event


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


class WeatherJoin(bspump.Processor):
    """Put the newest observation at its airport, not later than its departure, into a flight.

    Both come in one stream in the order of time, so the newest is the one that came last,
    however the tasks of the program take turns. Observations go no further.
    """

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self._newest: dict[str, dict[str, Any]] = {}

    def process(self, context: dict[str, Any], event: dict[str, Any], /) -> dict[str, Any] | None:
        if context["stream"] == "weather":
            self._newest[event["origin"]] = event
            return None
        event["weather"] = weather = self._newest.get(event["origin"])
        age = event["time"] - weather["time"] if weather else None
        event["weather_age_min"] = age // timedelta(minutes=1) if age is not None else None
        return event
