"""Detectors: cut anywhere and restored they give the same scores, and those of a batch."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.anomaly import (
    ADWIN,
    EWMA,
    LARGEST_SCORE,
    HalfSpaceTrees,
    HoltWinters,
    PageHinkley,
    QuantileSketch,
    RobustZScore,
    SeasonalBaseline,
    ZScore,
)
from bspump.state.plain import decode, encode

MAKERS = {
    "zscore": ZScore,
    "zscore with a memory": lambda: ZScore(memory=5),
    "ewma": EWMA,
    "robust": lambda: RobustZScore(window=7),
    "seasonal": lambda: SeasonalBaseline("Europe/Prague", least_count=2, memory=4),
    "holt-winters": lambda: HoltWinters(period=3),
    "trees": lambda: HalfSpaceTrees({"x": (-5, 5), "y": (-5, 5)}, trees=3, height=4, window=5),
    "trees without limits": lambda: HalfSpaceTrees(trees=3, height=4, window=5),
    "adwin": lambda: ADWIN(clock=2, delta=0.5),
    "page-hinkley": lambda: PageHinkley(threshold=1, least_count=3),
}

numbers = st.floats(-1e6, 1e6) | st.floats(-3, 3) | st.sampled_from([0.0, -0.0, 0.1, 1.0])
features = st.dictionaries(st.sampled_from("xyz"), numbers, max_size=3)
times = st.integers(0, 4 * 7 * 24).map(lambda hours: hours * 3_600_000)


def streams(name):
    values = features if "trees" in name else numbers
    return st.lists(st.tuples(values, times), max_size=60)


def kept(detector):
    return decode(encode(detector.snapshot(), of="a test"))


def scored(detector, stream):
    """Return the scores before and after each is learned."""
    found = []
    for x, at_ms in stream:
        found.append(detector.score_one(x, at_ms))
        detector.learn_one(x, at_ms)
        found.append(detector.score_one(x, at_ms))
    return found


@pytest.mark.parametrize("name", MAKERS)
@given(data=st.data())
def test_a_detector_cut_and_restored_anywhere_gives_the_same(name, data):
    make, stream = MAKERS[name], data.draw(streams(name))
    cut = data.draw(st.integers(0, len(stream)))
    whole, first, second = make(), make(), make()
    expected = scored(whole, stream)
    found = scored(first, stream[:cut])
    second.restore(kept(first), first.version)
    found += scored(second, stream[cut:])
    assert found == expected
    assert second.snapshot() == whole.snapshot()


@pytest.mark.parametrize("name", MAKERS)
@given(data=st.data())
def test_a_snapshot_does_not_change_any_more(name, data):
    make, stream = MAKERS[name], data.draw(streams(name))
    cut = data.draw(st.integers(0, len(stream)))
    first, second = make(), make()
    scored(first, stream[:cut])
    state = first.snapshot()
    before = encode(state, of="a test")
    second.restore(state, first.version)
    scored(first, stream[cut:])
    scored(second, stream[cut:])
    assert encode(state, of="a test") == before


@pytest.mark.parametrize("name", MAKERS)
@given(data=st.data())
def test_scores_are_numbers_and_can_be_explained(name, data):
    for score in scored(MAKERS[name](), data.draw(streams(name))):
        assert 0 <= score.score <= LARGEST_SCORE
        assert all(edge is None or math.isfinite(edge) for edge in (score.low, score.high))
        assert score.explanation


@given(st.lists(numbers, min_size=2), numbers)
def test_a_zscore_is_that_of_the_whole_batch(batch, x):
    detector = ZScore()
    for each in batch:
        detector.learn_one(each)
    score = detector.score_one(x)
    mean, deviation = statistics.fmean(batch), statistics.pstdev(batch)
    size = max(map(abs, batch))
    assert (score.low + score.high) / 2 == pytest.approx(mean, abs=1e-9 * size + 1e-100)
    assert (score.high - score.low) / 6 == pytest.approx(
        deviation, rel=1e-5, abs=1e-9 * size + 1e-100
    )


def test_a_zscore_is_that_of_numpy():
    numpy = pytest.importorskip("numpy")
    batch = numpy.random.default_rng(5).normal(1e6, 3, 2000)
    detector = ZScore()
    for x in batch:
        detector.learn_one(float(x))
    expected = abs(1_000_007 - batch.mean()) / batch.std()
    assert detector.score_one(1_000_007.0).score == pytest.approx(expected, rel=1e-9)


@given(st.lists(numbers, min_size=3, max_size=50), numbers)
def test_a_robust_zscore_is_that_of_the_window(batch, x):
    detector = RobustZScore(window=20)
    for each in batch:
        detector.learn_one(each)
    window = batch[-20:]
    median = statistics.median(window)
    distances = [abs(each - median) for each in window]
    deviation = statistics.median(distances) * 1.482602218505602
    if not deviation:
        deviation = statistics.fmean(distances) * 1.2533141373155001
    score = detector.score_one(x)
    assert (score.low + score.high) / 2 == pytest.approx(median, rel=1e-9, abs=1e-9)
    assert (score.high - score.low) / 7 == pytest.approx(deviation, rel=1e-9, abs=1e-9)


@given(st.lists(numbers, min_size=2, max_size=60), st.floats(0.5, 50))
def test_an_ewma_is_the_weighted_sum_of_the_batch(batch, half_life):
    detector = EWMA(half_life=half_life)
    for each in batch:
        detector.learn_one(each)
    keep = 0.5 ** (1 / half_life)
    weights = [(1 - keep) * keep ** (len(batch) - 1 - i) for i in range(len(batch))]
    weights[0] = keep ** (len(batch) - 1)
    mean = math.fsum(w * x for w, x in zip(weights, batch, strict=True))
    variance = math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, batch, strict=True))
    score, size = detector.score_one(0.0), max(map(abs, batch))
    assert (score.low + score.high) / 2 == pytest.approx(mean, abs=1e-9 * size + 1e-100)
    assert ((score.high - score.low) / 6) ** 2 == pytest.approx(
        variance, rel=1e-5, abs=1e-9 * size * size + 1e-100
    )


@given(st.lists(numbers, min_size=1, max_size=200), st.integers(1, 64))
def test_the_window_of_adwin_has_the_mean_of_its_numbers(batch, clock):
    detector = ADWIN(clock=clock)
    for each in batch:
        detector.learn_one(each)
    window = batch[len(batch) - detector.width :]
    size = max(map(abs, batch))
    assert detector.mean == pytest.approx(statistics.fmean(window), abs=1e-9 * size + 1e-100)
    variance = detector.snapshot()["numbers"][3] / len(window)
    assert variance == pytest.approx(
        statistics.pvariance(window), rel=1e-5, abs=1e-7 * size * size + 1e-100
    )


@given(st.lists(st.just(0.0) | st.floats(1e-9, 1e6), min_size=1, max_size=300), st.floats(0, 0.9))
def test_a_sketch_is_as_accurate_as_it_says(batch, share):
    sketch = QuantileSketch(accuracy=0.01)
    for value in batch:
        sketch.add(value)
    found = sketch.exceeded_by(share)
    assert sum(value > found for value in batch) <= share * len(batch) + 1e-9
    # A bit less, and more than the share exceed it.
    lower = found / 1.01 * (1 - 1e-9)
    assert found == 0 or sum(value > lower for value in batch) > share * len(batch) - 1e-9


@given(st.lists(st.floats(0, 100), max_size=100), st.data())
def test_a_sketch_cut_and_restored_anywhere_gives_the_same(batch, data):
    cut = data.draw(st.integers(0, len(batch)))
    whole, first, second = (QuantileSketch(memory=20, most_buckets=10) for _ in range(3))
    for value in batch:
        whole.add(value)
    for value in batch[:cut]:
        first.add(value)
    second.restore(decode(encode(first.snapshot(), of="a test")))
    for value in batch[cut:]:
        second.add(value)
    assert second.snapshot() == whole.snapshot()
