"""Aggregations: in one pass, merged in any way, all or nothing for each event."""

from __future__ import annotations

import math
import random
import statistics
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ProcessingError
from bspump.windows.aggregation import (
    Aggregation,
    Count,
    Deviation,
    First,
    Last,
    Max,
    Mean,
    Min,
    Sum,
    Variance,
)
from bspump.windows.collecting import Collect, Distinct, Quantiles, TopK
from bspump.windows.folding import fold_of
from bspump.windows.sketches import ApproxDistinct, ApproxQuantiles, ApproxTopK


class Product(Aggregation):
    def create(self):
        return 1

    def add(self, accumulated, value):
        return accumulated * value

    def merge(self, accumulated, other):
        return accumulated * other

    def result(self, accumulated):
        return accumulated


ALL = {
    "n": Count(),
    "values": Count("v"),
    "sum": Sum("v"),
    "min": Min("v"),
    "max": Max("v"),
    "mean": Mean("v"),
    "variance": Variance("v"),
    "deviation": Deviation("v"),
    "first": First("v"),
    "last": Last("v"),
    "list": Collect("v"),
    "some": Collect("v", most=2),
    "distinct": Distinct("v"),
    "top": TopK("v", k=3),
    "quantiles": Quantiles("v", at=[0, 0.3, 1]),
    "product": Product("v"),
    "twice": Sum(lambda context, event: None if event["v"] is None else 2 * event["v"]),
}


def folded(fold, events):
    accumulated = None
    for event in events:
        if accumulated is None:
            accumulated = fold.first({}, event, event["at"])
        else:
            fold.step(accumulated, {}, event, event["at"])
    return accumulated


def stream(values):
    return [{"at": n, "v": value} for n, value in enumerate(values)]


def same(found, expected):
    for name in ("mean", "variance", "deviation"):
        assert found.pop(name) == pytest.approx(expected.pop(name))
    assert found == expected


values = st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=12)


@given(values)
def test_each_says_what_a_loop_says(values):
    found = fold_of(ALL).results(folded(fold_of(ALL), stream(values)))
    v = [value for value in values if value is not None]
    counts = sorted({(-v.count(x), x) for x in v})
    assert found == {
        "n": len(values),
        "values": len(v),
        "sum": sum(v) if v else None,
        "min": min(v, default=None),
        "max": max(v, default=None),
        "mean": pytest.approx(statistics.fmean(v)) if v else None,
        "variance": pytest.approx(statistics.variance(v)) if len(v) > 1 else None,
        "deviation": pytest.approx(statistics.stdev(v)) if len(v) > 1 else None,
        "first": v[0] if v else None,
        "last": v[-1] if v else None,
        "list": v,
        "some": v[:2],
        "distinct": len(set(v)),
        "top": [[x, -n] for n, x in counts[:3]],
        "quantiles": [min(v), found["quantiles"][1], max(v)] if v else None,
        "product": math.prod(v),
        "twice": 2 * sum(v) if v else None,
    }


@given(values, st.lists(st.integers(0, 12), max_size=3))
def test_parts_that_are_merged_say_what_the_whole_says(values, cuts):
    fold, events = fold_of(ALL), stream(values)
    places = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    parts = [folded(fold, events[a:b]) for a, b in pairwise(places) if b > a]
    before = [fold.results(part) for part in parts]
    same(fold.results(fold.merged(parts)), fold.results(folded(fold, events)))
    assert [fold.results(part) for part in parts] == before


@given(values, values)
def test_what_is_merged_can_be_added_to(one, other):
    fold = fold_of(ALL)
    merged = fold.merged([folded(fold, stream(one))])
    for event in stream(other):
        fold.step(merged, {}, event, event["at"] + 100)
    events = [*stream(one), *({**e, "at": e["at"] + 100} for e in stream(other))]
    same(fold.results(merged), fold.results(folded(fold, events)))


def test_order_is_that_of_the_times_and_then_that_in_which_they_came():
    fold = fold_of({"first": First("v"), "last": Last("v"), "list": Collect("v")})
    events = [{"at": at, "v": v} for at, v in [(5, "a"), (5, "b"), (1, "c"), (9, "d"), (9, "e")]]
    assert fold.results(folded(fold, events)) == {"first": "c", "last": "e", "list": list("cabde")}
    reversed_ = fold.results(folded(fold, events[::-1]))
    assert reversed_ == {"first": "c", "last": "d", "list": list("cbaed")}


BAD = [
    {"at": 1, "v": "text"},
    {"at": 1, "v": [1]},
    {"at": 1},
    {"at": 1, "v": float("nan")},
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_event_that_does_not_fit_is_added_to_none_of_them(bad, is_first):
    fold, good = fold_of(ALL), stream([3, 4])
    accumulated = folded(fold, good)
    before = fold.results(accumulated)
    add = fold.first if is_first else partial(fold.step, accumulated)
    with pytest.raises((TypeError, KeyError, ProcessingError)):
        add({}, bad, 1)
    assert fold.results(accumulated) == before


@pytest.mark.parametrize("kind", [Sum, Mean, Variance, Quantiles, ApproxQuantiles])
def test_a_text_does_not_become_the_first_number(kind):
    with pytest.raises((TypeError, ProcessingError)):
        fold_of({"x": kind("v")}).first({}, {"v": "text"}, 0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TopK("v", k=0), "k of at least 1"),
        (lambda: Collect("v", most=-1), "negative"),
        (lambda: Quantiles("v", at=[1.5]), "from 0 to 1"),
        (lambda: Quantiles("v", at=[]), "from 0 to 1"),
        (lambda: ApproxDistinct("v", precision=30), "from 4 to 21"),
        (lambda: ApproxTopK("v", size=1000), "power of two"),
        (lambda: ApproxTopK("v", k=0), "k of at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


# Sketches: the error that their docstrings promise, and the way through bytes.

COUNT = 50_000


def sketched(aggregation, values, parts=3):
    """Return the result of parts that were stored, brought back and merged."""
    fold = fold_of({"x": aggregation})
    stored = [
        fold.dump(folded(fold, [{"at": 0, **event} for event in values[n::parts]]))
        for n in range(min(parts, len(values)))
    ]
    assert all(type(each[0]) is bytes for each in stored)
    return fold.results(fold.merged([fold.load(each) for each in stored]))["x"]


@pytest.mark.parametrize("form", [int, "user-{}".format, lambda n: n + 0.5, lambda n: (n, "x")])
@pytest.mark.parametrize("count", [1, 100, COUNT])
def test_the_estimate_of_distinct_values_is_within_its_bound(count, form):
    found = sketched(ApproxDistinct("v"), [{"v": form(n)} for n in range(count)] * 2)
    assert found == pytest.approx(count, rel=4 * 1.04 / math.sqrt(1 << 12))


def test_numbers_that_are_equal_are_one_value():
    assert sketched(ApproxDistinct("v"), [{"v": 1}, {"v": 1.0}, {"v": -0.0}, {"v": 0}]) == 2


def test_estimated_quantiles_are_within_their_rank():
    numbers = random.Random(3).sample(range(COUNT), COUNT)
    ranks = [0.01, 0.25, 0.5, 0.99]
    found = sketched(ApproxQuantiles("v", at=ranks), [{"v": n} for n in numbers])
    for rank, value in zip(ranks, found, strict=True):
        assert value / COUNT == pytest.approx(rank, abs=2 * 2.3 / 200)


def test_estimated_counts_are_within_their_bound_and_miss_nothing_frequent():
    rng = random.Random(4)
    words = [int(rng.paretovariate(1)) for _ in range(COUNT)]
    found = sketched(ApproxTopK("v", k=10, size=256), [{"v": word} for word in words])
    assert [value for value, _ in found[:5]] == [1, 2, 3, 4, 5]
    for value, count in found:
        assert 0 <= count - words.count(value) <= 3.5 / 256 * COUNT


def test_few_values_are_counted_exactly():
    events = [{"v": v} for v in ["a"] * 5 + [1] * 3 + [True] * 2 + [None]]
    assert sketched(ApproxTopK("v"), events) == [["a", 5], [1, 3], [True, 2]]
    assert sketched(ApproxQuantiles("v", at=[0, 1]), [{"v": 3}, {"v": 5}, {"v": None}]) == [3, 5]
