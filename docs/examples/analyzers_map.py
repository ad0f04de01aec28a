"""Where the most events come from: they are counted on a map of cells of 25 kilometres."""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.analyzer
import bspump.common
import bspump.file


class Heat(bspump.analyzer.GeoAnalyzer):
    """Counts events by place, and says at the end of the input which cell has the most."""

    ConfigDefaults = {"min_lat": 48.5, "max_lat": 51.1, "min_lon": 12.0, "max_lon": 18.9}

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline, dtype="i8", resolution=25)

    def predicate(self, context: dict[str, Any], event: dict[str, Any]) -> bool:
        return self.GeoMatrix.is_in_boundaries(event["lat"], event["lon"])

    def evaluate(self, context: dict[str, Any], event: dict[str, Any]) -> None:
        row, column = self.GeoMatrix.project_equirectangular(event["lat"], event["lon"])
        self.GeoMatrix.Array[row, column] += 1

    def analyze(self) -> None:
        row, column = divmod(int(self.GeoMatrix.Array.argmax()), self.GeoMatrix.MapWidth)
        lat, lon = self.GeoMatrix.inverse_equirectangular(row, column)
        print(f"{self.GeoMatrix.Array[row, column]} events around {lat:.2f}, {lon:.2f}")

    def release(self) -> None:
        self.analyze()


class Places(bspump.Pipeline):
    """Reads places."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            Heat(app, self),
            bspump.common.NullSink(app, self),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Places(application))
    sys.exit(application.run())
