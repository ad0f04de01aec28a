from __future__ import annotations

import pytest

from bspump.common import (
    MappingItemsGenerator,
    MappingItemsProcessor,
    MappingKeysGenerator,
    MappingKeysProcessor,
    MappingTransformator,
    MappingValuesGenerator,
    MappingValuesProcessor,
)

EVENT = {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (MappingKeysProcessor, [["a", "b"]]),
        (MappingValuesProcessor, [[1, 2]]),
        (MappingItemsProcessor, [[("a", 1), ("b", 2)]]),
        (MappingKeysGenerator, ["a", "b"]),
        (MappingValuesGenerator, [1, 2]),
        (MappingItemsGenerator, [("a", 1), ("b", 2)]),
    ],
)
def test_a_mapping_gives_its_keys_values_or_items(through, part, expected):
    assert through(part, events=[EVENT]) == (expected, [])


@pytest.mark.parametrize("part", [MappingKeysGenerator, MappingKeysProcessor])
def test_what_is_no_mapping_spares_its_neighbours(through, part):
    out, errors = through(part, events=[{"a": 1}, 42, {"b": 1}])
    assert out in (["a", "b"], [["a"], ["b"]])
    assert len(errors) == 1


class Transformator(MappingTransformator):
    def build(self, app):
        return {"a": lambda key, value: ("A", value * 10)}


class Shouting(Transformator):
    def __init__(self, app, pipeline, id=None, config=None):
        super().__init__(app, pipeline, id, config)
        self.Default = lambda key, value: (key.upper(), str(value))


def test_items_are_transformed_by_key_and_the_others_pass(through):
    assert through(Transformator, events=[{"a": 1, "b": 2}])[0] == [{"A": 10, "b": 2}]


def test_all_other_keys_go_through_the_default(through):
    assert through(Shouting, events=[{"a": 1, "b": 2}])[0] == [{"A": 10, "B": "2"}]


def test_a_transformator_has_to_say_what_it_does(through):
    with pytest.raises(NotImplementedError, match=r"MappingTransformator\.build"):
        through(MappingTransformator, events=[])
