"""Matrices that are maps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from msgspec import Meta

from bspump.abc.errors import ConfigError

from .matrix import Matrix, MatrixOptions
from .persistent import Path, Persistent, SavePeriod

if TYPE_CHECKING:
    from bspump.abc.host import Application

EARTH_RADIUS_KM = 6371.0

_NEARBY_DEGREES = 90.0

Latitude = Annotated[float, Meta(ge=-90, le=90, description="Degrees to the north.")]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="Degrees to the east.")]


class GeoOptions(MatrixOptions, frozen=True, kw_only=True):
    """What a map can be told: its borders. Default is Europe."""

    max_lat: Latitude = 71.26
    min_lat: Latitude = 23.33
    min_lon: Longitude = -10.10
    max_lon: Longitude = 40.6


class GeoMatrix(Matrix):
    """A map: a matrix whose cells are places, in equirectangular projection.

    Row 0 is the most northern one, column 0 the most western one. `MapHeight` rows and
    `MapWidth` columns cover the box; where it is widest, a cell is at most `resolution` wide.

    Args:
        bbox: the borders, `{"min_lat": …, "max_lat": …, "min_lon": …, "max_lon": …}` in
            degrees; those that are missing come from the configuration.
        resolution: kilometres of a cell.

    Raises:
        ConfigError: the box is empty, or crosses the date line.
    """

    OptionsClass = GeoOptions
    Options: GeoOptions

    def __init__(
        self,
        app: Application,
        dtype: Any = "float_",
        bbox: Mapping[str, float] | None = None,
        resolution: float | str = 5,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.MapHeight = self.MapWidth = 0
        self._given_box = {} if bbox is None else dict(bbox)
        self.Resolution = float(resolution)
        super().__init__(app, dtype, id=id, config=config)

    def zeros(self, rows: int = 1) -> None:
        """Begin anew with an empty map; `rows` has no meaning."""
        options = self.Options
        defaults = {
            "min_lat": options.min_lat,
            "max_lat": options.max_lat,
            "min_lon": options.min_lon,
            "max_lon": options.max_lon,
        }
        self.Bbox = defaults | {key: float(value) for key, value in self._given_box.items()}
        self._check_box(defaults)
        self._measure_map()
        super().zeros(rows)
        self.ClosedRows.flush()

    def _check_box(self, known: Mapping[str, float]) -> None:
        box = self.Bbox
        if (
            box.keys() != known.keys()
            or not -90 <= box["min_lat"] < box["max_lat"] <= 90
            or not -180 <= box["min_lon"] < box["max_lon"] <= 180
            or self.Resolution <= 0
        ):
            raise ConfigError(
                f"{self.locate_address()}: expected {', '.join(known)} in degrees, each minimum "
                f"below its maximum, and a resolution above zero, got {box}, {self.Resolution}"
            )

    def _measure_map(self) -> None:
        box = self.Bbox
        # Where meridians are farthest apart.
        widest = min(max(0.0, box["min_lat"]), box["max_lat"])
        west, east = box["min_lon"], box["max_lon"]
        height_km = self.get_gps_distance(box["min_lat"], west, box["max_lat"], west)
        width_km = self.get_gps_distance(widest, west, widest, east)
        if east - west > _NEARBY_DEGREES:
            # The shortest way leaves the map there, so the parallel itself counts.
            radius_km = EARTH_RADIUS_KM * math.cos(self.degrees_to_radians(widest))
            width_km = radius_km * self.degrees_to_radians(east - west)
        self.MapHeight = max(1, math.ceil(height_km / self.Resolution))
        self.MapWidth = max(1, math.ceil(width_km / self.Resolution))
        self.SizeHeight = self.MapHeight * self.Resolution
        self.SizeWidth = self.MapWidth * self.Resolution

    def build_shape(self, rows: int = 0) -> tuple[int, ...]:
        return (self.MapHeight, self.MapWidth)

    def add_row(self) -> NoReturn:
        """Raise TypeError: a map does not grow."""
        raise TypeError(f"{self.locate_address()}: a map has the rows that it has")

    def close_row(self, row: int, clear: bool = True) -> NoReturn:
        """Raise TypeError: all rows of a map belong to it."""
        raise TypeError(f"{self.locate_address()}: a map has the rows that it has")

    def is_in_boundaries(self, lat: float, lon: float) -> bool:
        """Tell whether a place is on the map; the borders are not."""
        box = self.Bbox
        is_inside = box["min_lat"] < lat < box["max_lat"] and box["min_lon"] < lon < box["max_lon"]
        return bool(is_inside)

    def project_equirectangular(self, lat: float, lon: float) -> tuple[int, int]:
        """Return the row and the column of a place.

        Raises:
            ValueError: it is not on the map.
        """
        box = self.Bbox
        down = (box["max_lat"] - lat) / (box["max_lat"] - box["min_lat"])
        right = (lon - box["min_lon"]) / (box["max_lon"] - box["min_lon"])
        if not (0 <= down <= 1 and 0 <= right <= 1):
            raise ValueError(
                f"{self.locate_address()}: expected a place in {box}, got {lat}, {lon}"
            )
        row = min(int(down * self.MapHeight), self.MapHeight - 1)
        return row, min(int(right * self.MapWidth), self.MapWidth - 1)

    def inverse_equirectangular(self, row: int, column: int) -> tuple[float, float]:
        """Return latitude and longitude of the centre of a cell."""
        box = self.Bbox
        down, right = (row + 0.5) / self.MapHeight, (column + 0.5) / self.MapWidth
        return (
            box["max_lat"] - down * (box["max_lat"] - box["min_lat"]),
            box["min_lon"] + right * (box["max_lon"] - box["min_lon"]),
        )

    def get_gps_distance(self, lat1: float, lon1: float, lat2: float, lon2: float) -> float:
        """Return the length of the great circle between two places, in kilometres."""
        phi1, phi2 = self.degrees_to_radians(lat1), self.degrees_to_radians(lat2)
        half_phi = (phi2 - phi1) / 2
        half_lambda = self.degrees_to_radians(lon2 - lon1) / 2
        a = math.sin(half_phi) ** 2
        a += math.cos(phi1) * math.cos(phi2) * math.sin(half_lambda) ** 2
        return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, a)))

    def degrees_to_radians(self, degrees: float) -> float:
        """Return an angle in radians."""
        return degrees * math.pi / 180

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "bbox": self.Bbox, "resolution": self.Resolution}

    def _check_facts(self, facts: Mapping[str, Any]) -> None:
        super()._check_facts(facts)
        for what, mine in (("bbox", self.Bbox), ("resolution", self.Resolution)):
            if facts[what] != mine:
                raise self._misfit(what, mine, facts[what])


class PersistentGeoOptions(GeoOptions, frozen=True, kw_only=True):
    """What a map in files can be told."""

    path: Path = ""
    save_period: SavePeriod = 1.0


class PersistentGeoMatrix(Persistent, GeoMatrix):
    """A `GeoMatrix` that keeps itself in files; see `PersistentMatrix`."""

    OptionsClass = PersistentGeoOptions
