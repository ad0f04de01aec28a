"""Windows as arithmetic: every moment belongs to the windows that it should."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.windows.calendars import Calendar
from bspump.windows.spans import Counted, Hopping, Session, Tumbling

MINUTE, HOUR = 60_000, 3_600_000

lengths = st.integers(1, 60)
times = st.integers(-500, 500)


def windows_with(aligned, at_ms):
    return aligned.windows_of(aligned.slice_of(at_ms))


@given(size=lengths, offset=lengths, at_ms=times)
def test_a_time_is_in_its_tumbling_window_and_in_no_other(size, offset, at_ms):
    tumbling = Tumbling(size / 1000, offset=offset / 1000)
    ((start_ms, end_ms),) = windows_with(tumbling, at_ms)
    assert start_ms <= at_ms < end_ms == start_ms + size
    assert (start_ms - offset) % size == 0
    assert tumbling.window_to(end_ms) == (start_ms, end_ms)
    assert size == 1 or tumbling.window_to(end_ms + 1) is None


@given(size=lengths, every=lengths, offset=lengths, at_ms=times)
def test_a_time_is_in_all_hopping_windows_that_reach_over_it(size, every, offset, at_ms):
    size = max(size, every)
    hopping = Hopping(size / 1000, every=every / 1000, offset=offset / 1000)
    expected = [
        (start, start + size)
        for start in range(at_ms - size, at_ms + 1)
        if (start - offset) % every == 0 and start <= at_ms < start + size
    ]
    found = windows_with(hopping, at_ms)
    assert found == expected
    slice_ms = hopping.slice_of(at_ms)
    assert hopping.last_end(slice_ms) == expected[-1][1]
    assert all(slice_ms in hopping.slices_of(window) for window in found)
    for n, (_, end_ms) in enumerate(found):
        assert hopping.window_to(end_ms) == found[n]
        assert hopping.next_end(slice_ms, end_ms - 1) == end_ms
        assert every == 1 or hopping.window_to(end_ms + 1) is None


def test_an_expression_says_the_same_as_the_method():
    for aligned in (Tumbling(0.05), Tumbling(0.05, offset=0.007), Hopping(0.05, every=0.02)):
        for at in range(-200, 200):
            assert eval(aligned.slice_text, {"at": at}) == aligned.slice_of(at)  # noqa: S307


ZONES = {
    "Europe/Prague": "2024-03-31",
    "America/New_York": "2023-11-05",
    "America/St_Johns": "2007-11-04",  # set back one minute after midnight
    "America/Havana": "2023-11-05",  # set back from one o'clock to midnight
    "America/Sao_Paulo": "2018-11-04",  # set forward at midnight
    "Australia/Lord_Howe": "2024-04-07",  # by half an hour
    "Pacific/Apia": "2011-12-30",  # there was no such day
    "Asia/Kathmandu": "1986-01-01",  # by a quarter of an hour
}


def moments(zone, step_ms=17 * MINUTE + 1):
    base_ms = int(datetime.fromisoformat(ZONES[zone]).replace(tzinfo=UTC).timestamp() * 1000)
    return range(base_ms - 60 * HOUR, base_ms + 60 * HOUR, step_ms)


def local(at_ms, zone):
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["hour", "day", "week", "month"])
def test_windows_of_the_calendar_lie_one_behind_the_other(unit, zone):
    calendar = Calendar(unit, zone=zone)
    times = moments(zone)
    at_ms = calendar.slice_of(times[0])
    while at_ms < times[-1]:
        ((start_ms, end_ms),) = windows_with(calendar, at_ms)
        assert start_ms == at_ms < end_ms
        assert calendar.window_to(end_ms) == (start_ms, end_ms)
        at_ms = end_ms
    for at_ms in times:
        ((start_ms, end_ms),) = windows_with(calendar, at_ms)
        assert start_ms <= at_ms < end_ms
        # Others that know of nothing yet say the same of any moment of it.
        assert windows_with(Calendar(unit, zone=zone), at_ms) == [(start_ms, end_ms)]


@pytest.mark.parametrize("zone", sorted(set(ZONES) - {"America/St_Johns"}))
def test_a_day_is_all_that_a_calendar_on_the_wall_calls_so(zone):
    calendar, days = Calendar("day", zone=zone), {}
    for at_ms in moments(zone):
        days.setdefault(calendar.slice_of(at_ms), set()).add(local(at_ms, zone).date())
    assert all(len(dates) == 1 for dates in days.values())
    assert len(days) == len({date for dates in days.values() for date in dates})


@pytest.mark.parametrize(
    ("zone", "at", "hours"),
    [
        ("Europe/Prague", "2024-03-31T12:00", 23),
        ("Europe/Prague", "2024-10-27T12:00", 25),
        ("America/Havana", "2023-11-05T12:00", 25),
        ("America/Sao_Paulo", "2018-11-04T12:00", 23),
        ("Australia/Lord_Howe", "2024-04-07T12:00", 24.5),
        ("Pacific/Apia", "2011-12-31T12:00", 24),
        ("UTC", "2024-03-31T12:00", 24),
    ],
)
def test_a_day_is_as_long_as_it_is(zone, at, hours):
    at_ms = int(datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    ((start_ms, end_ms),) = windows_with(Calendar("day", zone=zone), at_ms)
    assert (end_ms - start_ms) / HOUR == hours


def test_where_clocks_are_set_back_over_midnight_the_day_begins_for_good():
    zone = "America/St_Johns"
    first_ms = int(datetime(2007, 11, 4, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    days = Calendar("day", zone=zone)
    assert days.slice_of(first_ms) == days.slice_of(first_ms - 1)
    assert days.slice_of(first_ms + HOUR) == first_ms + HOUR


@pytest.mark.parametrize(
    ("unit", "at", "first", "next_first"),
    [
        ("week", "2024-01-03", "2024-01-01", "2024-01-08"),
        ("month", "2024-02-29", "2024-02-01", "2024-03-01"),
        ("month", "2023-12-31", "2023-12-01", "2024-01-01"),
        ("quarter", "2024-05-15", "2024-04-01", "2024-07-01"),
        ("quarter", "2024-12-31", "2024-10-01", "2025-01-01"),
        ("year", "2024-02-29", "2024-01-01", "2025-01-01"),
    ],
)
def test_a_unit_begins_on_its_first_day(unit, at, first, next_first):
    def ms(day):
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)

    assert windows_with(Calendar(unit), ms(at)) == [(ms(first), ms(next_first))]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Tumbling("0s"), "duration of at least"),
        (lambda: Tumbling("soon"), "soon"),
        (lambda: Hopping("10s", every="20s"), "without gaps"),
        (lambda: Session(0), "duration of at least"),
        (lambda: Counted(0), "at least one event"),
        (lambda: Calendar("decade"), "decade"),
        (lambda: Calendar("day", zone="Europe/Nowhere"), "Europe/Nowhere"),
    ],
)
def test_what_cannot_be_a_window_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
