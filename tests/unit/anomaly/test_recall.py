"""On labelled series, with fixed seeds: how much is found, and how often it is a false alarm."""

from __future__ import annotations

import math
import random
from functools import partial

import pytest

from bspump.anomaly import (
    EWMA,
    AnomalyDetector,
    HalfSpaceTrees,
    HoltWinters,
    RobustZScore,
    SeasonalBaseline,
    ZScore,
)
from bspump.testing import Harness

HOUR_MS = 3_600_000
DAYS = 120
INCIDENTS = 30


def labels(rng):
    """Return the hours at which an incident begins: none before the models know the hours."""
    return sorted(rng.sample(range(24 * 60, 24 * DAYS, 24), INCIDENTS))


def flat(rng, hour):
    return rng.gauss(100, 5)


def daily(rng, hour):
    """As in many places: by day more than by night, on weekends less."""
    is_weekend = hour // 24 % 7 >= 5
    swing = 0.5 - 0.5 * math.cos(2 * math.pi * (hour % 24) / 24)
    return 20 + (80 if is_weekend else 200) * swing + rng.gauss(0, 5)


def trending(rng, hour):
    return 100 + hour / 10 + 30 * math.sin(2 * math.pi * hour / 24) + rng.gauss(0, 3)


async def judged(make, level, seed, size, **config):
    """Return the share of incidents that were found, and the alerts that are none of them."""
    rng = random.Random(seed)
    begins = labels(rng)
    strange = {begin + i for begin in begins for i in range(4)}
    given = [
        {"at": hour * HOUR_MS, "value": level(rng, hour) + size * (hour in strange)}
        for hour in range(24 * DAYS)
    ]
    options = {"time": "at", "incident.cool_down": "6h", "learn": "normal"} | config
    async with Harness() as harness:
        harness.chain(partial(AnomalyDetector, detector=make, config=options))
        harness.send(given)
        await harness.finish()
        closed = [alert for alert in harness.out() if alert["state"] == "closed"]
    spans = [(a["since_ms"] // HOUR_MS, a["last_ms"] // HOUR_MS) for a in closed]
    found = [b for b in begins if any(first <= b + 3 and b <= last for first, last in spans)]
    false = [s for s in spans if not any(s[0] <= b + 3 and b <= s[1] for b in begins)]
    return len(found) / INCIDENTS, len(false)


# At most one false alert in a month of hours, and the like.
@pytest.mark.parametrize(
    ("make", "level", "size", "recall", "false"),
    [
        (ZScore, flat, 30, 1.0, 4),
        (RobustZScore, flat, 30, 1.0, 4),
        (lambda: EWMA(half_life=100), flat, 30, 1.0, 8),
        (partial(SeasonalBaseline, band=5), daily, 60, 0.95, 4),
        (partial(HoltWinters, 24, band=5), trending, 40, 0.95, 4),
    ],
    ids=["zscore", "robust", "ewma", "seasonal", "holt-winters"],
)
@pytest.mark.parametrize("seed", [1, 2])
async def test_incidents_are_found_and_false_alerts_are_few(make, level, size, recall, false, seed):
    config = {"threshold.enter": 4.5 if level is flat else 0}
    found, wrong = await judged(make, level, seed, size, **config)
    assert found >= recall
    assert wrong <= false


async def test_the_hours_matter_where_days_are_alike():
    by_hour, _ = await judged(partial(SeasonalBaseline, band=5), daily, 1, 60)
    by_level, _ = await judged(RobustZScore, daily, 1, 60)
    assert by_level < 0.5 < by_hour


async def test_without_anomalies_a_rate_keeps_its_promise():
    rng = random.Random(4)
    given = [{"at": i * 1000, "value": rng.gauss(0, 1)} for i in range(20_000)]
    async with Harness() as harness:
        config = {"time": "at", "threshold.rate": 0.001, "threshold.leave_ratio": 1}
        harness.chain(partial(AnomalyDetector, detector=ZScore, config=config))
        harness.send(given)
        await harness.finish()
        opened = [alert for alert in harness.out() if alert["state"] == "open"]
    assert 10 <= len(opened) <= 35


def scattered(rng, n):
    for _ in range(n):
        is_strange = rng.random() < 0.01
        center = rng.choice([0.3, 0.6])
        x = [rng.random() if is_strange else rng.gauss(center, 0.05) for _ in range(4)]
        yield is_strange, {f"x{j}": value for j, value in enumerate(x)}


def test_trees_find_what_no_single_number_shows():
    detector = HalfSpaceTrees({f"x{j}": (0, 1) for j in range(4)})
    scores = []
    for is_strange, x in scattered(random.Random(6), 3000):
        scores.append((detector.score_one(x).score, is_strange))
        detector.learn_one(x)
    scores = sorted(scores[500:], reverse=True)
    count = sum(is_strange for _, is_strange in scores)
    assert sum(is_strange for _, is_strange in scores[: 2 * count]) / count > 0.9
