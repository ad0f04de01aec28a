from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bspump.cache import CacheDict, LRUCacheDict
from bspump.testing import ManualClock


class Clock(ManualClock):
    now = 0.0

    def monotonic(self):
        return self.now


def lru(*args, **kwargs):
    clock = Clock()
    return LRUCacheDict(SimpleNamespace(Clock=clock), *args, **kwargs), clock


def test_a_plain_cache_is_a_dict():
    cache = CacheDict(a=1)
    assert isinstance(cache, dict)
    assert cache == {"a": 1}


def test_every_way_to_read_gives_the_value():
    cache, _ = lru(10, 60, {"a": 1}, b=2)
    assert (cache["a"], cache.get("a"), cache.get("x"), cache.get("x", 0)) == (1, 1, None, 0)
    assert (list(cache.items()), list(cache.values())) == ([("b", 2), ("a", 1)], [2, 1])
    assert cache.pop("a") == 1
    assert cache.setdefault("c", 3) == 3
    assert cache == {"b": 2, "c": 3}
    assert repr(cache) == "LRUCacheDict({'b': 2, 'c': 3})"


def test_the_least_recently_used_item_makes_room():
    cache, _ = lru(2)
    cache["a"], cache["b"] = 1, 2
    assert cache.get("a") == 1
    cache["c"] = 3
    assert set(cache) == {"a", "c"}
    cache["a"] = 4
    cache["d"] = 5
    assert dict(cache) == {"a": 4, "d": 5}


def test_looking_at_all_items_is_no_use_and_reading_on_the_way_is_possible():
    cache, _ = lru(2)
    cache["a"], cache["b"] = 1, 2
    assert ("a", 1) in cache.items()
    assert 1 in cache.values()
    assert [cache[key] for key in cache] == [1, 2]
    cache["b"], cache["a"] = 2, 1
    assert sorted(cache.items()) == [("a", 1), ("b", 2)]
    cache["c"] = 3
    assert set(cache) == {"a", "c"}


def test_an_item_is_gone_for_every_method_when_it_is_too_old():
    cache, clock = lru(10, 60)
    cache["a"] = 1
    clock.now = 30
    cache["b"] = 2
    clock.now = 60
    assert cache["a"] == 1
    clock.now = 60.5
    assert "a" not in cache
    assert cache.get("a") is None
    assert (len(cache), list(cache)) == (1, ["b"])
    with pytest.raises(KeyError):
        cache["a"]
    with pytest.raises(KeyError):
        del cache["a"]


def test_writing_makes_an_item_young_again_and_reading_does_not():
    cache, clock = lru(10, 60)
    cache["a"], cache["b"] = 1, 2
    clock.now = 50
    cache["a"] = 3
    assert cache["b"] == 2
    clock.now = 70
    assert dict(cache) == {"a": 3}


def test_there_must_be_room_for_something():
    with pytest.raises(ValueError, match="max_size: expected 1 or more, got 0"):
        lru(0)


class Model(RuleBasedStateMachine):
    """The cache does what a list in order of use, searched from end to end, would."""

    keys = st.integers(0, 5)

    def __init__(self):
        super().__init__()
        self.cache, self.clock = lru(3, 10)
        self.items = OrderedDict()

    def expire(self):
        for key, (_, at) in list(self.items.items()):
            if self.clock.now - at > 10:
                del self.items[key]

    @rule(key=keys, value=st.integers())
    def write(self, key, value):
        self.expire()
        self.cache[key] = value
        self.items[key] = (value, self.clock.now)
        self.items.move_to_end(key)
        if len(self.items) > 3:
            self.items.popitem(last=False)

    @rule(key=keys)
    def read(self, key):
        self.expire()
        expected = self.items.get(key, (None,))[0]
        if key in self.items:
            self.items.move_to_end(key)
        assert self.cache.get(key) == expected

    @rule(key=keys)
    def remove(self, key):
        self.expire()
        assert self.cache.pop(key, None) == self.items.pop(key, (None,))[0]

    @rule(seconds=st.integers(1, 8))
    def wait(self, seconds):
        self.clock.now += seconds

    @invariant()
    def both_hold_the_same(self):
        self.expire()
        assert list(self.cache) == list(self.items)
        assert len(self.cache) == len(self.items)


TestModel = Model.TestCase
