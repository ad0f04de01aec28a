"""Sigma rules: looking rules up finds the same as asking each of them, and what they mean."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from bspump.sigma import RuleSet
from bspump.sigma.loading import Loaded
from bspump.sigma.text import lowered, pieces_of, text_test
from bspump.sigma.view import Fields, View

words = st.text("aB.", max_size=3) | st.sampled_from(
    ["longer than eight", "*than*", "r?tha", "*a", "a*", "*a*", "?"]
)
values = words | st.integers(0, 2) | st.none()
keys = st.sampled_from(
    ["f", "g", "f|contains", "g|startswith", "f|endswith", "g|cased", "f|neq", "", "|all"]
)
selections = st.dictionaries(keys, values | st.lists(values, min_size=1, max_size=3), min_size=1)
conditions = st.sampled_from(
    ["a", "a and b", "a or b", "a and not b", "not a", "1 of them", "all of them", "not (a or b)"]
)
rules = st.builds(
    lambda a, b, condition: {
        "title": "T",
        "logsource": {"product": "x"},
        "detection": {"a": a, "b": b, "condition": condition},
    },
    selections | st.lists(selections, min_size=1, max_size=2),
    selections,
    conditions,
)
seen = st.text("AbB.", max_size=4) | st.integers(0, 2) | st.none() | st.just("Longer Than Eight")
events = st.dictionaries(st.sampled_from(["f", "g"]), seen | st.lists(seen, max_size=2))


@given(st.lists(rules, max_size=6), st.lists(events, min_size=1, max_size=6))
def test_the_index_finds_what_asking_every_rule_finds(given_rules, given_events):
    loaded = Loaded(given_rules).rules
    fields = Fields({})
    found = RuleSet(loaded, fields)
    for event in given_events:
        expected = [rule for rule in loaded if rule.test(View(fields, event))]
        assert [id(rule) for rule in found.matches(event)] == [id(rule) for rule in expected]
        assert found.is_matched(event) is bool(expected)


@given(st.text("ab*?", max_size=6), st.text("aAb", max_size=6))
def test_wildcards_mean_what_they_mean_in_names_of_files(pattern, text):
    test = text_test(lowered(pieces_of(pattern)))
    assert test(text.lower()) is fnmatchcase(text.lower(), pattern)


@given(st.text("a*?\\", max_size=6))
def test_an_escaped_text_matches_itself_alone(text):
    escaped = "".join("\\" + c if c in "*?\\" else c for c in text)
    assert pieces_of(escaped) == ((text,) if text else ())
