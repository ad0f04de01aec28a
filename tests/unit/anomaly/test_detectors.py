"""Detectors of single numbers: what they expect, and how strange they find what comes."""

from __future__ import annotations

import math
import random

import pytest

from bspump.anomaly import (
    EWMA,
    LARGEST_SCORE,
    UNKNOWN,
    HoltWinters,
    RobustZScore,
    SeasonalBaseline,
    ZScore,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MONDAY_MS = 1_360_540_800_000  # 2013-02-11 00:00 UTC


def learned(detector, numbers):
    for x in numbers:
        detector.learn_one(x)
    return detector


@pytest.mark.parametrize("make", [ZScore, EWMA, RobustZScore])
def test_nothing_is_expected_before_something_was_seen(make):
    assert make().score_one(5.0) is UNKNOWN
    assert "too little was seen" in UNKNOWN.explanation


@pytest.mark.parametrize("make", [ZScore, EWMA, RobustZScore])
def test_the_expected_range_is_where_the_score_is_below_the_usual_threshold(make):
    rng = random.Random(7)
    detector = learned(make(), [rng.gauss(10, 2) for _ in range(500)])
    score = detector.score_one(10.0)
    for edge in (score.low, score.high):
        assert detector.score_one(edge).score == pytest.approx(detector.usual_threshold)
    assert score.score < 1 < detector.score_one(score.high + 1).score


@pytest.mark.parametrize("make", [ZScore, EWMA, RobustZScore])
def test_scoring_changes_nothing(make):
    detector = learned(make(), [1.0, 2.0, 4.0, 3.0])
    before = detector.snapshot()
    detector.score_one(100.0)
    assert detector.snapshot() == before


@pytest.mark.parametrize("make", [ZScore, EWMA, RobustZScore])
def test_the_first_change_of_what_never_varied_has_the_largest_score(make):
    detector = learned(make(), [0.1] * 50)
    assert detector.score_one(0.1).score == 0.0
    assert detector.score_one(0.2).score == LARGEST_SCORE


@pytest.mark.parametrize("make", [ZScore, EWMA, RobustZScore])
def test_a_least_deviation_makes_small_changes_of_what_never_varied_usual(make):
    detector = learned(make(least_deviation=1.0), [10.0] * 50)
    assert detector.score_one(10.5).score == pytest.approx(0.5)


def test_an_explanation_names_the_number_the_score_and_the_middle():
    detector = learned(ZScore(), [9.0, 11.0])
    assert detector.score_one(15.0).explanation == (
        "15 is 5 standard deviations from 10, the mean so far"
    )


def test_a_zscore_with_a_memory_follows_a_new_level():
    steady = [0.0, 1.0] * 500
    moved = [100.0, 101.0] * 500
    forgetful = learned(ZScore(memory=100), steady + moved)
    assert forgetful.score_one(100.5).score < 1
    assert forgetful.score_one(0.5).score > 10
    assert learned(ZScore(), steady + moved).score_one(0.5).score < 2


def test_what_an_ewma_saw_a_half_life_ago_weighs_half():
    detector = learned(EWMA(half_life=10), [0.0] * 200 + [1.0] * 10)
    score = detector.score_one(0.0)
    assert (score.low + score.high) / 2 == pytest.approx(0.5, abs=1e-6)


def test_outliers_do_not_move_what_a_robust_detector_expects():
    numbers = [10.0, 11.0, 12.0, 13.0, 14.0] * 20
    clean = learned(RobustZScore(), numbers).score_one(12.0)
    spoiled = learned(RobustZScore(), numbers + [1e6] * 40).score_one(12.0)
    assert spoiled.high < clean.high + 10
    assert learned(ZScore(), numbers + [1e6] * 40).score_one(12.0).high > 1e6


def test_a_robust_detector_forgets_what_left_its_window():
    detector = learned(RobustZScore(window=5), [1e6, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert detector.snapshot() == [1.0, 2.0, 3.0, 4.0, 5.0]
    score = detector.score_one(3.0)
    assert (score.low + score.high) / 2 == 3.0


def test_a_window_of_mostly_equal_numbers_still_has_a_scale():
    detector = learned(RobustZScore(), [5.0] * 60 + [5.0, 6.0, 4.0, 7.0] * 10)
    assert 0 < detector.score_one(6.0).score < LARGEST_SCORE


def hourly(days, level=10.0):
    """Return (time, number) by the hour: high at noon on weekdays, always low on weekends."""
    rng = random.Random(3)
    for hour in range(24 * days):
        is_noon = hour % 24 == 12 and (hour // 24) % 7 < 5
        yield MONDAY_MS + hour * HOUR_MS, (100.0 if is_noon else level) + rng.gauss(0, 1)


def baseline(days, **arguments):
    detector = SeasonalBaseline(**arguments)
    for at_ms, x in hourly(days):
        detector.learn_one(x, at_ms)
    return detector


def test_what_is_usual_at_noon_is_strange_at_night():
    detector = baseline(7 * 12)
    monday = MONDAY_MS + 84 * DAY_MS
    assert detector.score_one(100.0, monday + 12 * HOUR_MS).score < 3
    assert detector.score_one(100.0, monday + 3 * HOUR_MS).score > 30
    assert detector.score_one(10.0, monday + 12 * HOUR_MS).score > 30
    assert "Mondays at 12 h" in detector.score_one(10.0, monday + 12 * HOUR_MS).explanation


def test_weekends_are_known_once_they_were_seen_often_enough():
    saturday_noon = MONDAY_MS + (84 + 5) * DAY_MS + 12 * HOUR_MS
    assert baseline(7 * 12).score_one(100.0, saturday_noon).score > 30
    assert baseline(7 * 12, cycle="day").score_one(100.0, saturday_noon).score < 3


def test_until_a_week_is_known_the_hours_of_all_days_are_looked_at():
    detector = baseline(14)
    score = detector.score_one(10.0, MONDAY_MS + 14 * DAY_MS + 3 * HOUR_MS)
    assert "all days at 03 h" in score.explanation
    assert baseline(3).score_one(10.0, MONDAY_MS + 3 * DAY_MS) is UNKNOWN


def test_hours_are_those_of_the_time_zone_also_when_clocks_change():
    detector = SeasonalBaseline(zone="America/New_York", cycle="day", least_count=2)
    # Noon in New York is 17:00 UTC in February and 16:00 UTC in April.
    for day in range(20):
        detector.learn_one(50.0 + day % 2, MONDAY_MS + day * DAY_MS + 17 * HOUR_MS)
    april = MONDAY_MS + 60 * DAY_MS
    assert detector.score_one(50.5, april + 16 * HOUR_MS).score < 1
    assert detector.score_one(50.5, april + 17 * HOUR_MS) is UNKNOWN


def test_a_seasonal_baseline_without_a_time_says_so():
    with pytest.raises(TypeError, match="expected the time of the observation"):
        SeasonalBaseline().learn_one(1.0)


def season(n, period=12):
    return 100 + 0.5 * n + 20 * math.sin(2 * math.pi * n / period)


def test_a_series_with_trend_and_season_is_forecast():
    detector = learned(HoltWinters(period=12), [season(n) for n in range(240)])
    score = detector.score_one(season(240))
    assert (score.low + score.high) / 2 == pytest.approx(season(240), abs=0.5)


def test_what_is_usual_in_another_part_of_the_season_is_strange():
    rng = random.Random(5)
    numbers = [season(n) + rng.gauss(0, 1) for n in range(240)]
    detector = learned(HoltWinters(period=12), numbers)
    assert detector.score_one(season(240)).score < 3
    assert detector.score_one(season(246 + 3)).score > 6


def test_a_forecast_begins_after_two_periods():
    detector = learned(HoltWinters(period=12), [season(n) for n in range(23)])
    assert detector.score_one(season(23)) is UNKNOWN
    detector.learn_one(season(23))
    assert detector.score_one(season(24)).low is not None


def test_an_observation_that_is_skipped_is_a_step_all_the_same():
    detector = learned(HoltWinters(period=12), [season(n) for n in range(239)])
    detector.skip_one(1e6)
    score = detector.score_one(season(240))
    assert (score.low + score.high) / 2 == pytest.approx(season(240), abs=0.5)


def test_a_perfect_series_is_expected_exactly_from_the_start():
    detector = learned(HoltWinters(period=4), [n + [5, 0, -5, 0][n % 4] for n in range(8)])
    score = detector.score_one(13.0)
    assert (score.low + score.high) / 2 == pytest.approx(13.0)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (ZScore, {"memory": 1}, "memory"),
        (EWMA, {"half_life": 0}, "half_life"),
        (RobustZScore, {"window": 2}, "window"),
        (SeasonalBaseline, {"cycle": "year"}, "cycle"),
        (HoltWinters, {"period": 1}, "period"),
        (HoltWinters, {"gamma": 2}, "gamma"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("make", [ZScore, EWMA, RobustZScore, HoltWinters])
def test_a_detector_of_single_numbers_refuses_several(make):
    with pytest.raises(TypeError, match="expected a single number, got several: a"):
        make().learn_one({"a": 1.0})
