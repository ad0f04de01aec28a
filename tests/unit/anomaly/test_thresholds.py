"""Quantiles in bounded memory, and thresholds that keep the rate of alerts."""

from __future__ import annotations

import math
import random

import pytest

from bspump.anomaly import QuantileSketch
from bspump.anomaly.threshold import Threshold


def test_a_fixed_threshold_never_moves():
    threshold = Threshold(3.0, leave_ratio=0.5)
    for _ in range(1000):
        threshold.learn(100.0)
    assert (threshold.enter, threshold.leave) == (3.0, 1.5)
    assert threshold.snapshot() is None


def share_beyond(threshold, scores):
    beyond = 0
    for score in scores:
        beyond += score > threshold.enter
        threshold.learn(score)
    return beyond / len(scores)


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.002])
@pytest.mark.parametrize("draw", ["random", "expovariate", "paretovariate"])
def test_about_the_wanted_share_of_scores_is_beyond_a_threshold_with_a_rate(rate, draw):
    rng = random.Random(11)
    make = {
        "random": rng.random,
        "expovariate": lambda: rng.expovariate(1),
        "paretovariate": lambda: rng.paretovariate(2),
    }[draw]
    found = share_beyond(Threshold(0.0, rate=rate), [make() for _ in range(40_000)])
    assert rate * 0.7 < found < rate * 1.4


def test_a_threshold_with_a_rate_follows_scores_that_grow():
    rng = random.Random(12)
    threshold = Threshold(0.0, rate=0.01)
    share_beyond(threshold, [rng.random() for _ in range(20_000)])
    before = threshold.enter
    share_beyond(threshold, [10 * rng.random() for _ in range(300_000)])
    assert threshold.enter == pytest.approx(10 * before, rel=0.02)


def test_before_enough_scores_were_seen_nothing_is_beyond_it():
    threshold = Threshold(0.0, rate=0.001)
    assert share_beyond(threshold, [float(n) for n in range(1000)]) == 0
    assert threshold.enter == math.inf


def test_a_floor_counts_from_the_beginning_and_is_never_passed_by():
    threshold = Threshold(5.0, rate=0.5)
    assert threshold.enter == 5.0
    share_beyond(threshold, [1.0] * 1000)
    assert threshold.enter == 5.0


def test_scores_that_are_all_the_same_are_no_anomalies():
    for score in (0.1, 0.96, 1.0, 3.7, 1e6):
        assert share_beyond(Threshold(0.0, rate=0.01), [score] * 2000) == 0


def test_zeros_count_as_scores():
    sketch = QuantileSketch()
    for value in [0.0] * 90 + [5.0] * 10:
        sketch.add(value)
    assert sketch.exceeded_by(0.2) == 0.0
    assert sketch.exceeded_by(0.05) == pytest.approx(5.0, rel=0.003)


def test_an_empty_sketch_has_nothing_that_exceeds_anything():
    assert QuantileSketch().exceeded_by(0.5) == 0.0


def test_a_sketch_stays_small_and_keeps_its_upper_quantiles_exact():
    sketch = QuantileSketch(accuracy=0.01, most_buckets=50)
    for n in range(1, 10_001):
        sketch.add(float(n))
    assert len(sketch.snapshot()["counts"]) == 50
    assert sketch.exceeded_by(0.1) == pytest.approx(9000, rel=0.011)


def test_a_sketch_with_a_memory_fades():
    sketch = QuantileSketch(memory=1000)
    for value in [100.0] * 900 + [1.0] * 20_000:
        sketch.add(value)
    assert sketch.total < 1000
    assert sketch.exceeded_by(0.01) == pytest.approx(1.0, rel=0.003)
