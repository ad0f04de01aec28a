from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ConfigError, ConfigErrors
from bspump.matrix import GeoMatrix
from bspump.testing import Harness, run_virtual

BOX = {"min_lat": 48.0, "max_lat": 51.5, "min_lon": 12.0, "max_lon": 19.0}


@pytest.fixture
async def app():
    async with Harness() as harness:
        yield harness.app


async def test_the_map_covers_europe_by_default(app):
    matrix = GeoMatrix(app)
    assert matrix.Bbox == {"min_lat": 23.33, "max_lat": 71.26, "min_lon": -10.1, "max_lon": 40.6}
    assert matrix.Array.shape == (matrix.MapHeight, matrix.MapWidth)
    # A degree of latitude is 111.19 km on a sphere of a radius of 6371 km.
    assert matrix.MapHeight == math.ceil((71.26 - 23.33) * math.radians(1) * 6371 / 5)
    assert matrix.SizeHeight == matrix.MapHeight * 5
    assert matrix.SizeWidth == matrix.MapWidth * 5


async def test_borders_come_from_the_configuration_and_the_argument_counts_more():
    harness = Harness(["--set", "[matrix:M] min_lat=40", "--set", "[matrix:M] max_lat=60"])
    matrix = GeoMatrix(harness.app, bbox={"max_lat": 50}, id="M", resolution=50)
    async with harness:
        assert matrix.Bbox == {"min_lat": 40, "max_lat": 50, "min_lon": -10.1, "max_lon": 40.6}


async def test_the_distance_of_two_places_is_that_of_the_great_circle(app):
    matrix = GeoMatrix(app, resolution=500)
    prague, london = (50.0755, 14.4378), (51.5074, -0.1278)
    assert matrix.get_gps_distance(*prague, *london) == pytest.approx(1034, abs=3)
    assert matrix.get_gps_distance(*prague, *prague) == 0
    assert matrix.get_gps_distance(0, 0, 0, 180) == pytest.approx(math.pi * 6371)
    assert matrix.degrees_to_radians(180) == math.pi


async def test_the_borders_are_not_on_the_map(app):
    matrix = GeoMatrix(app, bbox=BOX)
    assert matrix.is_in_boundaries(50, 14) is True
    for place in [(48, 14), (51.5, 14), (50, 12), (50, 19), (0, 0), (math.nan, 14)]:
        assert matrix.is_in_boundaries(*place) is False


async def test_north_is_up_and_west_is_left(app):
    matrix = GeoMatrix(app, bbox=BOX)
    assert matrix.project_equirectangular(51.499, 12.001) == (0, 0)
    last = (matrix.MapHeight - 1, matrix.MapWidth - 1)
    assert matrix.project_equirectangular(48.001, 18.999) == last
    assert matrix.project_equirectangular(48.0, 19.0) == last


@pytest.mark.parametrize("place", [(47.9, 14), (52, 14), (50, 11.9), (50, 20), (math.nan, 14)])
async def test_a_place_beside_the_map_has_no_cell(app, place):
    with pytest.raises(ValueError, match="expected a place in"):
        GeoMatrix(app, bbox=BOX).project_equirectangular(*place)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_centre_of_a_cell_is_in_this_cell_and_near_the_place(down, right):
    async def main():
        matrix = GeoMatrix(Harness().app, bbox=BOX, resolution=20)
        lat, lon = 51.5 - 3.5 * down, 12 + 7 * right
        row, column = matrix.project_equirectangular(lat, lon)
        centre = matrix.inverse_equirectangular(row, column)
        assert matrix.project_equirectangular(*centre) == (row, column)
        assert matrix.get_gps_distance(lat, lon, *centre) <= 20 / math.sqrt(2) + 0.5

    run_virtual(main())


async def test_a_map_of_the_world_is_as_wide_as_the_equator(app):
    world = {"min_lat": -90, "max_lat": 90, "min_lon": -180, "max_lon": 180}
    matrix = GeoMatrix(app, bbox=world, resolution=100)
    assert matrix.MapWidth == math.ceil(2 * math.pi * 6371 / 100)
    assert matrix.MapHeight == math.ceil(math.pi * 6371 / 100)


@pytest.mark.parametrize(
    "box",
    [
        {"min_lat": 60, "max_lat": 50},
        {"min_lon": 170, "max_lon": -170},
        {"max_lat": 91},
        {"north": 1},
    ],
)
async def test_a_box_that_is_none_is_refused(app, box):
    with pytest.raises(ConfigError, match="matrix:M: expected min_lat"):
        GeoMatrix(app, bbox=box, id="M")


async def test_a_border_that_is_no_latitude_is_reported():
    harness = Harness(["--set", "[matrix:M] max_lat=99"])
    GeoMatrix(harness.app, id="M")
    with pytest.raises(ConfigErrors, match="max_lat"):
        async with harness:
            pass


async def test_a_map_has_the_rows_that_it_has(app):
    matrix = GeoMatrix(app, bbox=BOX)
    with pytest.raises(TypeError):
        matrix.add_row()
    with pytest.raises(TypeError):
        matrix.close_row(0)
    assert matrix.flush() == ([], list(range(matrix.MapHeight)))
