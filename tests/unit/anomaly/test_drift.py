"""Detectors of drift: where the mean has moved."""

from __future__ import annotations

import random
import statistics

import pytest

from bspump.anomaly import ADWIN, PageHinkley


def found_at(detector, numbers):
    found = []
    for i, x in enumerate(numbers):
        detector.learn_one(float(x))
        if detector.score_one(float(x)).score > detector.usual_threshold:
            found.append(i)
    return found


def stepped(seed):
    rng = random.Random(seed)
    return rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)


def slight(seed):
    rng = random.Random(seed)
    return [rng.gauss(0.5, 0.1) for _ in range(3000)] + [rng.gauss(0.55, 0.1) for _ in range(3000)]


# What river 0.26.1 finds with the same arguments; the first one is the example of its pages.
@pytest.mark.parametrize(
    ("seed", "adwin", "page_hinkley"),
    [
        (12345, [1023], [1006]),
        (1, [1023], [1005, 1445]),
        (2, [1023], [1007]),
        (3, [1023], [1009, 1905]),
    ],
)
def test_a_step_is_found_where_river_finds_it(seed, adwin, page_hinkley):
    assert found_at(ADWIN(), stepped(seed)) == adwin
    assert found_at(PageHinkley(), stepped(seed)) == page_hinkley


def test_a_slight_step_is_found_where_river_finds_it():
    rng = random.Random(12345)
    rng.choices([0, 1], k=1000)
    rng.choices(range(4, 8), k=1000)
    numbers = [rng.gauss(0.5, 0.1) for _ in range(3000)]
    numbers += [rng.gauss(0.55, 0.1) for _ in range(3000)]
    assert found_at(ADWIN(), numbers) == [3231]


@pytest.mark.parametrize("seed", range(5))
def test_a_steady_stream_does_not_drift(seed):
    rng = random.Random(seed)
    numbers = [rng.random() for _ in range(5000)]
    assert found_at(ADWIN(), numbers) == []
    assert found_at(PageHinkley(), numbers) == []


@pytest.mark.parametrize("seed", range(5))
def test_after_a_drift_the_window_is_what_came_since(seed):
    detector = ADWIN()
    assert len(found_at(detector, slight(seed))) == 1
    assert detector.mean == pytest.approx(0.55, abs=0.01)
    assert 2500 < detector.width < 3500


def test_the_window_has_the_mean_and_the_length_of_what_came():
    rng = random.Random(9)
    numbers = [rng.random() for _ in range(777)]
    detector = ADWIN()
    found_at(detector, numbers)
    assert detector.width == 777
    assert detector.mean == pytest.approx(statistics.fmean(numbers))


def test_a_window_of_ten_thousand_takes_a_hundred_numbers():
    rng = random.Random(9)
    detector = ADWIN()
    found_at(detector, (rng.random() for _ in range(10_000)))
    assert sum(map(len, detector.snapshot()["rows"])) < 65


@pytest.mark.parametrize("least_part", [5, 50])
def test_no_part_of_a_window_is_shorter_than_it_may_be(least_part):
    detector = ADWIN(clock=1, least_part=least_part)
    numbers = [0.0, 0.1] * 200 + [1.0, 0.9] * 100
    while not found_at(detector, [numbers.pop(0)]):
        pass
    assert least_part <= detector.width < least_part + 64


def test_adwin_says_from_where_to_where_the_mean_moved():
    detector = ADWIN()
    for x in stepped(12345)[:1024]:
        detector.learn_one(float(x))
    score = detector.score_one(0.0)
    assert score.low < 0.5 < score.high < 4
    assert score.explanation.startswith("the mean moved from 0.4")


def test_page_hinkley_says_in_which_direction():
    rng = random.Random(1)
    numbers = [rng.gauss(100, 1) for _ in range(200)]
    falling = [rng.gauss(90, 1) for _ in range(20)]
    detector = PageHinkley()
    at = found_at(detector, numbers + falling)[0]
    again = PageHinkley()
    found_at(again, (numbers + falling)[: at + 1])
    assert "were below 99." in again.score_one(0.0).explanation
    assert found_at(PageHinkley(direction="up"), numbers + falling) == []
    assert found_at(PageHinkley(direction="down"), numbers + falling)[0] == at


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (ADWIN, {"delta": 0}, "delta"),
        (PageHinkley, {"threshold": 0}, "threshold"),
        (PageHinkley, {"direction": "sideways"}, "direction"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
