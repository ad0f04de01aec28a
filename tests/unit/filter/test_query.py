from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ConfigError
from bspump.filter import compile_query

MOMENT = datetime(2024, 1, 2, tzinfo=UTC)


class Host(msgspec.Struct):
    name: str


class Reading(msgspec.Struct):
    host: Host
    watts: float


@pytest.mark.parametrize(
    ("query", "hits", "misses"),
    [
        ({}, [{}, {"a": 1}], []),
        ({"a": 1}, [{"a": 1}, {"a": 1.0}, {"a": [0, 1]}], [{"a": 2}, {}, {"a": True}, {"a": "1"}]),
        ({"a": True}, [{"a": True}, {"a": [True]}], [{"a": 1}, {"a": False}]),
        ({"a": None}, [{"a": None}, {}, {"a": [None]}], [{"a": 0}, {"a": []}]),
        ({"a": {"b": 1}}, [{"a": {"b": 1}}, {"a": [{"b": 1}]}], [{"a": {"b": 1, "c": 2}}]),
        ({"a": [1, 2]}, [{"a": [1, 2]}, {"a": [[1, 2], 3]}], [{"a": [2, 1]}, {"a": 1}]),
        ({"a": {}}, [{"a": {}}], [{"a": {"b": 1}}, {}]),
        ({"a.b": 1}, [{"a": {"b": 1}}, {"a": [{"b": 0}, {"b": 1}]}], [{"a.b": 1}, {"a": 1}]),
        ({"a.1": "x"}, [{"a": ["w", "x"]}, {"a": {"1": "x"}}], [{"a": ["x"]}]),
        ({"a.0.b": 1}, [{"a": [{"b": 1}]}], [{"a": [{"b": 2}, {"b": 1}]}]),
        ({"a": 1, "b": 2}, [{"a": 1, "b": 2}], [{"a": 1}, {"b": 2}]),
        ({"a": {"$eq": 1}}, [{"a": 1}], [{"a": 2}]),
        ({"a": {"$ne": 1}}, [{"a": 2}, {}, {"a": True}], [{"a": 1}, {"a": [1, 2]}]),
        ({"a": {"$gt": 1}}, [{"a": 1.5}, {"a": [0, 2]}], [{"a": 1}, {"a": "2"}, {}, {"a": None}]),
        ({"a": {"$gte": 1, "$lt": 3}}, [{"a": 1}, {"a": 2}], [{"a": 3}, {"a": 0}]),
        ({"a": {"$lte": "m"}}, [{"a": "a"}, {"a": "m"}], [{"a": "z"}, {"a": 1}]),
        ({"a": {"$gt": False}}, [{"a": True}], [{"a": 1}, {"a": False}]),
        ({"a": {"$gt": MOMENT}}, [{"a": datetime(2024, 1, 3, tzinfo=UTC)}], [{"a": MOMENT}]),
        ({"a": {"$in": ["x", "y"]}}, [{"a": "x"}, {"a": ["z", "y"]}], [{"a": "z"}, {}, {"a": 1}]),
        ({"a": {"$in": [1, None]}}, [{"a": 1}, {}, {"a": None}], [{"a": True}, {"a": 2}]),
        ({"a": {"$in": [re.compile("^x")]}}, [{"a": "xyz"}], [{"a": "yx"}, {"a": 1}]),
        ({"a": {"$in": []}}, [], [{}, {"a": 1}]),
        ({"a": {"$nin": ["x", 1]}}, [{"a": "y"}, {}], [{"a": "x"}, {"a": [1]}]),
        ({"a": {"$exists": True}}, [{"a": None}, {"a": 1}], [{}]),
        ({"a": {"$exists": 0}}, [{}], [{"a": None}]),
        ({"a": {"$type": "string"}}, [{"a": "x"}, {"a": [1, "x"]}], [{"a": 1}, {}]),
        ({"a": {"$type": [1, "bool"]}}, [{"a": 1.0}, {"a": True}], [{"a": 1}]),
        ({"a": {"$type": "int"}}, [{"a": 1}], [{"a": True}, {"a": 1.0}]),
        ({"a": {"$type": "null"}}, [{"a": None}], [{}]),
        ({"a": {"$regex": "^ab"}}, [{"a": "abc"}, {"a": ["x", "ab"]}], [{"a": "xab"}, {"a": 1}]),
        ({"a": {"$regex": "^ab$", "$options": "im"}}, [{"a": "x\nAB"}], [{"a": "abc"}]),
        ({"a": re.compile("b")}, [{"a": "abc"}], [{"a": "c"}, {"a": None}]),
        ({"a": {"$not": {"$gt": 1}}}, [{"a": 1}, {}, {"a": "x"}], [{"a": 2}]),
        ({"a": {"$not": re.compile("b")}}, [{"a": "c"}, {}], [{"a": "b"}]),
        ({"a": {"$mod": [4, 1]}}, [{"a": 5}, {"a": [2, 9]}], [{"a": 4}, {"a": True}, {"a": "5"}]),
        ({"a": {"$size": 2}}, [{"a": [1, 2]}, {"a": (1, 2)}], [{"a": [1]}, {"a": "xy"}, {}]),
        ({"a": {"$all": [1, 2]}}, [{"a": [2, 3, 1]}], [{"a": [1]}, {"a": 1}, {}]),
        ({"a": {"$all": [{"$elemMatch": {"b": 1}}]}}, [{"a": [{"b": 1}]}], [{"a": [{"b": 2}]}]),
        ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, [{"a": [0, 2]}], [{"a": [0, 4]}, {"a": 2}]),
        (
            {"a": {"$elemMatch": {"b": 1, "c": 2}}},
            [{"a": [{"b": 1, "c": 2}]}],
            [{"a": [{"b": 1}, {"c": 2}]}],
        ),
        ({"$or": [{"a": 1}, {"b": 1}]}, [{"a": 1}, {"b": 1}], [{"a": 2}]),
        ({"$and": [{"a": 1}, {"b": 1}]}, [{"a": 1, "b": 1}], [{"a": 1}]),
        ({"$nor": [{"a": 1}, {"b": 1}]}, [{"a": 2}, {}], [{"a": 1}, {"b": 1}]),
        ({"a": 1, "$or": [{"b": 1}, {"c": 1}]}, [{"a": 1, "c": 1}], [{"a": 1}, {"c": 1}]),
        ({"$comment": "why", "a": 1}, [{"a": 1}], [{}]),
        ({"a": 1}, [], [1, "text", None, [], b""]),
        ({"host.name": "x"}, [Reading(Host("x"), 1.0)], [Reading(Host("y"), 1.0)]),
        ({"watts": {"$gt": 1}}, [Reading(Host("x"), 2.0)], [Reading(Host("x"), 1.0)]),
    ],
    ids=str,
)
def test_a_query_tells_hits_from_misses(query, hits, misses):
    is_hit = compile_query(query)
    assert [event for event in hits if not is_hit(event)] == []
    assert [event for event in misses if is_hit(event)] == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("a", "query: expected a mapping of fields and conditions, got 'a'"),
        ({"$ro": [{}]}, "query.$ro: expected one of $and $or $nor, got '$ro'; did you mean '$or'?"),
        ({"a": {"$gte": 1, "$gth": 2}}, "did you mean '$gt"),
        ({"a": {"$gt": 1, "b": 2}}, "query.a: expected one of $eq"),
        ({"$or": {"a": 1}}, "query.$or: expected a list of queries"),
        ({"$or": []}, "query.$or: expected a list of queries"),
        ({"$and": [{"a": 1}, 2]}, "query.$and[1]: expected a mapping"),
        ({"a": {"$in": 1}}, "query.a.$in: expected a list of values, got 1"),
        ({"a": {"$not": 1}}, "query.a.$not: expected a condition"),
        ({"a": {"$regex": "("}}, "query.a.$regex: expected a regular expression"),
        ({"a": {"$regex": 1}}, "query.a.$regex: expected a regular expression"),
        ({"a": {"$regex": "x", "$options": "q"}}, "query.a.$regex: expected $options out of i"),
        ({"a": {"$options": "i"}}, "expected one of $eq"),
        ({"a": {"$type": "strnig"}}, "query.a.$type: expected one of double"),
        ({"a": {"$type": []}}, "query.a.$type: expected one type or more"),
        ({"a": {"$mod": [0, 1]}}, "query.a.$mod: expected [divisor, remainder]"),
        ({"a": {"$mod": 4}}, "query.a.$mod: expected [divisor, remainder]"),
        ({"a": {"$size": "2"}}, "query.a.$size: expected a number of items"),
        ({"a": {"$all": 1}}, "query.a.$all: expected a list of values"),
        ({"a": {"$elemMatch": 1}}, "query.a.$elemMatch: expected a query or a condition"),
        ({1: 2}, "query: expected names of fields and operators"),
    ],
    ids=str,
)
def test_what_is_no_query_is_refused_where_it_is_wrong(query, message):
    with pytest.raises(ConfigError) as caught:
        compile_query(query)
    assert message in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)


@given(anything, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), anything)
def test_values_of_any_kind_are_compared_without_an_error(value, operator, bound):
    assert compile_query({"a": {operator: bound}})({"a": value}) in (True, False)


@given(anything, anything)
def test_not_equal_is_the_opposite_of_equal(value, wanted):
    event = {"a": value}
    is_equal, differs = compile_query({"a": {"$eq": wanted}}), compile_query({"a": {"$ne": wanted}})
    assert is_equal(event) is not differs(event)
