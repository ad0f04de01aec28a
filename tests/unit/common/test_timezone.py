from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest

from bspump.abc.errors import ConfigError
from bspump.common import TimeZoneNormalizer


class Normalizer(TimeZoneNormalizer):
    def process(self, context, event):
        return self.normalize(event)


at = datetime.fromisoformat


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        (
            "Europe/Prague",
            at("2024-01-01T12:00"),
            datetime(2024, 1, 1, 11, tzinfo=UTC),
        ),
        (
            "Europe/Prague",
            at("2024-07-01T12:00"),
            datetime(2024, 7, 1, 10, tzinfo=UTC),
        ),
        # The clocks show 02:30 twice; the first is still summer.
        (
            "Europe/Prague",
            at("2024-10-27T02:30"),
            datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        ),
        (
            "Europe/Prague",
            at("2024-10-27T02:30").replace(fold=1),
            datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
        ),
        (
            "Europe/Prague",
            datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=-5))),
            datetime(2024, 1, 1, 17, tzinfo=UTC),
        ),
    ],
)
def test_local_times_are_brought_to_utc(through, zone, local, expected):
    out, errors = through(partial(Normalizer, config={"timezone": zone}), events=[local])
    assert (out, errors) == ([expected], [])
    assert out[0].tzinfo is UTC


def test_naive_times_are_central_european_unless_told_otherwise(through):
    assert through(Normalizer, events=[at("2024-01-01T12:00")])[0] == [
        datetime(2024, 1, 1, 11, tzinfo=UTC)
    ]


def test_an_unknown_time_zone_is_an_error_of_the_configuration(through):
    with pytest.raises(ConfigError, match="no time zone 'Mars/Olympus'"):
        through(partial(Normalizer, config={"timezone": "Mars/Olympus"}), events=[])


def test_the_base_cannot_be_used_itself(through):
    with pytest.raises(TypeError, match="abstract"):
        through(TimeZoneNormalizer, events=[])
