"""Half-space trees: several numbers at once."""

from __future__ import annotations

import random

import pytest

from bspump.anomaly import UNKNOWN, HalfSpaceTrees

# By the first release; a checkpoint has counts of nodes, whose places depend on the seed alone.
GOLDEN = [0.0960994290628031, 0.4098249192588815, 1.0]

LIMITS = {"x": (0.0, 1.0), "y": (0.0, 1.0)}


def cluster(rng, n):
    return [{"x": rng.gauss(0.3, 0.05), "y": rng.gauss(0.7, 0.05)} for _ in range(n)]


def learned(detector, observations):
    for x in observations:
        detector.learn_one(x)
    return detector


def scores(detector, observations):
    return [detector.score_one(x).score for x in observations]


def test_what_lies_outside_of_the_crowd_scores_higher():
    rng = random.Random(1)
    detector = learned(HalfSpaceTrees(LIMITS), cluster(rng, 500))
    usual = scores(detector, cluster(rng, 200))
    far = scores(detector, [{"x": 0.8, "y": 0.2}, {"x": 0.3, "y": 0.1}, {"x": 5.0, "y": -3.0}])
    assert min(far) > detector.usual_threshold > sorted(usual)[190]
    assert max(usual) < 1


def test_without_limits_those_of_the_first_window_are_taken():
    rng = random.Random(2)
    detector = HalfSpaceTrees(window=100)
    observations = [{"x": rng.gauss(1000, 10), "y": rng.gauss(-5, 0.1)} for _ in range(400)]
    learned(detector, observations[:99])
    assert detector.score_one(observations[0]) is UNKNOWN
    learned(detector, observations[99:])
    far = detector.score_one({"x": 1200.0, "y": -5.0})
    assert far.score > detector.usual_threshold
    assert max(scores(detector, observations[-50:])) < far.score


def test_the_same_seed_gives_the_same_scores_and_another_one_others():
    rng = random.Random(3)
    observations = cluster(rng, 400)
    first = scores(learned(HalfSpaceTrees(LIMITS, seed=5), observations), observations)
    again = scores(learned(HalfSpaceTrees(LIMITS, seed=5), observations), observations)
    other = scores(learned(HalfSpaceTrees(LIMITS, seed=6), observations), observations)
    assert first == again != other


def test_the_scores_of_a_seed_are_those_of_earlier_releases():
    rng = random.Random(4)
    observations = [{"x": 0.3 + rng.random() / 10, "y": 0.7 + rng.random() / 5} for _ in range(60)]
    detector = learned(HalfSpaceTrees(LIMITS, trees=3, height=4, window=50), observations)
    found = scores(detector, [{"x": 0.3, "y": 0.7}, {"x": 0.5, "y": 0.5}, {"x": 0.9, "y": 0.1}])
    assert found == pytest.approx(GOLDEN, abs=1e-12)


def test_features_may_be_missing_and_may_appear():
    rng = random.Random(6)
    detector = learned(HalfSpaceTrees(LIMITS), cluster(rng, 500))
    assert detector.score_one({"x": 0.3}).score < detector.usual_threshold
    assert detector.score_one({"x": 0.9}).score > detector.score_one({"x": 0.3}).score
    assert detector.score_one({}).score < detector.usual_threshold
    with_more = {"x": 0.3, "y": 0.7, "z": 1e9}
    assert detector.score_one(with_more) == detector.score_one({"x": 0.3, "y": 0.7})
    detector.learn_one({"z": 4.0})


def test_a_feature_that_does_not_vary_does_no_harm():
    rng = random.Random(7)
    observations = [{"x": rng.random(), "one": 1.0} for _ in range(300)]
    detector = learned(HalfSpaceTrees(window=100), observations)
    assert detector.score_one({"x": 0.5, "one": 50.0}).score > detector.usual_threshold


def test_what_was_usual_is_forgotten_after_a_window():
    rng = random.Random(8)
    detector = learned(HalfSpaceTrees(LIMITS, window=100), cluster(rng, 200))
    moved = [{"x": rng.gauss(0.8, 0.05), "y": rng.gauss(0.2, 0.05)} for _ in range(200)]
    assert detector.score_one(moved[0]).score > detector.usual_threshold
    assert learned(detector, moved).score_one(moved[0]).score < detector.usual_threshold


def test_the_explanation_says_how_dense_it_is_there():
    rng = random.Random(9)
    detector = learned(HalfSpaceTrees(LIMITS), cluster(rng, 500))
    assert "times as dense" in detector.score_one({"x": 0.9, "y": 0.1}).explanation


def test_a_single_number_is_refused():
    with pytest.raises(TypeError, match="expected numbers by name"):
        HalfSpaceTrees().learn_one(1.0)


@pytest.mark.parametrize("name", ["trees", "height", "window"])
def test_arguments_that_make_no_sense_are_refused(name):
    with pytest.raises(ValueError, match=name):
        HalfSpaceTrees(**{name: 0})
