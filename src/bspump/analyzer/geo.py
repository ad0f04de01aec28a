"""Analyzers over a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bspump.matrix import GeoMatrix, PersistentGeoMatrix
from bspump.matrix.geo import Latitude, Longitude

from .analyzer import Analyzer, AnalyzerOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class GeoAnalyzerOptions(AnalyzerOptions, frozen=True, kw_only=True):
    """What an analyzer over a map can be told: its borders. Default is Europe."""

    max_lat: Latitude = 71.26
    min_lat: Latitude = 23.33
    min_lon: Longitude = -10.10
    max_lon: Longitude = 40.6


class GeoAnalyzer(Analyzer):
    """Take notes on a map, the `GeoMatrix` called `self.GeoMatrix`.

    Args:
        matrix_id: a matrix that is registered; default is one of its own, `<Id>Matrix`.
        dtype, resolution: of its own matrix.
        bbox: borders of its own matrix; those that are missing are options.
        persistent: its own matrix keeps itself in the folder `[matrix:<Id>Matrix] path`.
    """

    OptionsClass = GeoAnalyzerOptions
    Options: GeoAnalyzerOptions

    def __init__(  # noqa: PLR0913, PLR0917 - BSPump's signature
        self,
        app: Application,
        pipeline: Pipeline,
        matrix_id: str | GeoMatrix | None = None,
        dtype: Any = "float_",
        bbox: Mapping[str, float] | None = None,
        analyze_on_clock: bool = False,
        resolution: float = 5,
        persistent: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, analyze_on_clock, id, config)
        options = self.Options
        box = {
            "min_lat": options.min_lat,
            "max_lat": options.max_lat,
            "min_lon": options.min_lon,
            "max_lon": options.max_lon,
        } | ({} if bbox is None else dict(bbox))
        matrix_class = PersistentGeoMatrix if persistent else GeoMatrix
        self.GeoMatrix: GeoMatrix = self._own(
            matrix_id,
            lambda name: matrix_class(app, dtype=dtype, bbox=box, resolution=resolution, id=name),
        )
