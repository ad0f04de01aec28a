"""Reading rules: files and directories, and everything that is wrong with them at once."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigErrors
from bspump.sigma.loading import Loaded

RULE = """
title: Somebody becomes root
id: 11111111-1111-4111-8111-111111111111
level: high
tags: [attack.t1548]
date: 2026-11-25
logsource: {product: linux}
detection:
  selection: {program: su}
  condition: selection
"""


def problems(*given):
    with pytest.raises(ConfigErrors) as raised:
        Loaded(given)
    return [str(error) for error in raised.value.errors]


def rule(detection=None, **more):
    return {
        "title": "T",
        "logsource": {"product": "x"},
        "detection": detection or {"s": {"a": 1}, "condition": "s"},
        **more,
    }


def correlation(**body):
    usual = {"type": "event_count", "rules": ["r"], "timespan": "5m", "condition": {"gte": 2}}
    found = {key: value for key, value in {**usual, **body}.items() if value is not ...}
    return {"title": "C", "correlation": found}


def test_files_directories_and_documents_are_read(tmp_path):
    (tmp_path / "a.yml").write_text(RULE)
    (tmp_path / "deep").mkdir()
    other = RULE.replace("11111111-1", "21111111-1")
    (tmp_path / "deep" / "b.yaml").write_text(
        f"{other}\n---\ntitle: Two\nlogsource: {{product: x}}\n"
        "detection: {s: [a], condition: s}\n---\n"
    )
    (tmp_path / "README.txt").write_text("no rule")
    assert len(Loaded([str(tmp_path)]).rules) == 3
    [read] = Loaded([tmp_path / "a.yml"]).rules
    assert (read.id, read.title, read.level, read.tags) == (
        "11111111-1111-4111-8111-111111111111",
        "Somebody becomes root",
        "high",
        ("attack.t1548",),
    )


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    (tmp_path / "broken.yml").write_text("a: [")
    (tmp_path / "unsafe.yml").write_text("!!python/object/apply:os.system ['true']")
    (tmp_path / "two.yml").write_text(
        "title: One\nlogsource: {product: x}\nlevel: hihg\n"
        "detection:\n  sel:\n    a|conatins: x\n    b|re: '('\n  condition: sle\n---\n[1]\n"
    )
    found = problems(str(tmp_path))
    assert len(found) == 7
    text = "\n".join(found)
    assert "broken.yml: it cannot be read" in text
    assert "unsafe.yml: it cannot be read" in text
    assert "two.yml (document 1): [One] level: the rule is not valid [C002]" in text
    assert "got: 'hihg'\n  did you mean 'high'?" in text
    assert "[One] detection.sel.a|conatins: " in text
    assert "did you mean 'contains'?" in text
    assert "[One] detection.sel.b|re: " in text
    assert "expected: a regular expression (" in text
    assert "the condition 'sle' is not valid" in text
    assert "did you mean 'sel'?" in text
    assert "two.yml (document 2): " in text


@pytest.mark.parametrize(
    ("given", "key", "expected"),
    [
        (rule(title=""), "title", "a text"),
        (rule(tags="x"), "tags", "a list of texts"),
        (rule(id=5), "id", "a text"),
        (rule(logsource={}), "logsource", "a mapping with one of category, product, service"),
        (rule({"s": {"a": 1}}), "detection", "a mapping of parts with a condition"),
        (rule({"s": {}, "condition": "s"}), "detection.s", "one field or more"),
        (rule({"s": {"a": []}, "condition": "s"}), "detection.s.a", "one value or more"),
        (rule({"s": {"a": {"b": 1}}, "condition": "s"}), "detection.s.a", "a text, a number"),
        (rule({"s": {"a|re|contains": "x"}, "condition": "s"}), "detection.s.a|re|contains",
         "modifiers that go together with re"),
        (rule({"s": {"a|contains|i": "x"}, "condition": "s"}), "detection.s.a|contains|i",
         "modifiers that go together with text"),
        (rule({"s": {"a|lt": "x"}, "condition": "s"}), "detection.s.a|lt", "a number"),
        (rule({"s": {"a|cidr": "x"}, "condition": "s"}), "detection.s.a|cidr", "a network"),
        (rule({"s": {"a|exists": 1}, "condition": "s"}), "detection.s.a|exists", "true or false"),
        (rule({"s": {"a|wide": "x"}, "condition": "s"}), "detection.s.a|wide", "base64"),
        (rule({"s": {"a|base64": "x*"}, "condition": "s"}), "detection.s.a|base64",
         "text without wildcards before `base64`"),
        (rule({"s": {"a|expand": "%b%"}, "condition": "s"}), "detection.s.a|expand",
         "a placeholder out of none"),
        (rule({"s": {"a": 1}, "condition": "s and"}), "detection.condition", "the name of a part"),
        (rule({"s": {"a": 1}, "condition": "(s"}), "detection.condition", "a closing bracket"),
        (rule({"s": {"a": 1}, "condition": "s s"}), "detection.condition", "`and`, `or`"),
        (rule({"s": {"a": 1}, "condition": "1 of f*"}), "detection.condition", "a name that fits"),
        (rule({"s": {"a": 1}, "condition": "s | count() > 5"}), "detection.condition",
         "no aggregation: that is a rule of its own now, a correlation"),
        (rule({"s": {"a": 1}, "condition": "not " * 60 + "s"}), "detection.condition",
         "at most 50"),
        (rule({"s": {"a": 1}, "timeframe": "5m", "condition": "s"}), "detection.timeframe",
         "a correlation"),
        ({"title": "F", "filter": {}}, "filter", "this is not supported"),
        (correlation(type="count"), "correlation.type", "one of event_count, value_count"),
        (correlation(rules=["q"]), "correlation.rules", "the id or name of a rule"),
        (correlation(timespan="5"), "correlation.timespan", "a number and one of s, m, h"),
        (correlation(condition=...), "correlation.condition", "such as {gte: 10}"),
        (correlation(condition={"gte": "x"}), "correlation.condition.gte", "a whole number"),
        (correlation(condition={"more": 1}), "correlation.condition", "one of eq, gt"),
        (correlation(type="value_count"), "correlation.condition.field", "the field whose values"),
        (correlation(**{"group-by": {"a": 1}}), "correlation.group-by", "a list of fields"),
        (correlation(type="temporal_ordered"), "correlation.condition", "nothing: all rules"),
        (correlation(aliases={"a": {"q": "x"}}), "correlation.aliases.a", "the id or name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(given, key, expected):
    [error, *_] = problems(rule(title="R", name="r"), given)
    place, *lines = error.splitlines()
    assert place.startswith(f"program: [{given['title'] or '?'}] {key}: ")
    assert any(line.startswith("  expected: ") and expected in line for line in lines)
    assert any(line.startswith("  got: ") for line in lines)


def test_two_rules_of_the_same_id_are_told():
    [error] = problems(rule(id="a"), rule(id="a", title="U"))
    assert "one that program (T) does not have" in error


def test_correlations_of_correlations_are_refused():
    second = correlation(rules=["c"]) | {"title": "D"}
    [error] = problems(rule(name="r"), correlation() | {"name": "c"}, second)
    assert "program: [D] correlation.rules: " in error
    assert "the id or name of a rule (not of a correlation)" in error


def test_a_correlation_names_rules_by_id_name_or_where_they_have_none_by_title():
    given = [rule(id="i", name="n"), rule(title="U"), correlation(rules=["i", "n", "U"])]
    [found] = Loaded(given).correlations
    assert found.rules == ("i", "i", "U")


def test_where_there_are_no_rules_it_is_told(tmp_path):
    [error] = problems(str(tmp_path))
    assert "a file with rules, or a directory with such files" in error
