"""What rules match: fields, modifiers, wildcards, conditions, log sources."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from bspump.sigma import RuleSet
from bspump.sigma.loading import Loaded
from bspump.sigma.rules import Manner
from bspump.sigma.view import Fields


def rules_of(detection, mapping=(), source=None, **manner):
    rule = {"title": "T", "logsource": source or {"product": "x"}, "detection": detection}
    return RuleSet(Loaded([rule], Manner(**manner)).rules, Fields(dict(mapping)))


def is_hit(detection, event, mapping=(), **manner):
    """Tell whether a detection, given as YAML or its only part, matches an event."""
    if isinstance(detection, str):
        detection = yaml.safe_load(detection)
    if "condition" not in detection:
        detection = {"sel": detection, "condition": "sel"}
    rules = rules_of(detection, mapping, **manner)
    hits = rules.matches(event)
    assert rules.is_matched(event) is bool(hits)
    return bool(hits)


@pytest.mark.parametrize(
    ("part", "hits", "misses"),
    [
        # Values: case does not matter, numbers and their text are the same.
        ("{a: Word}", ["word", "WORD", ["x", "word"]], ["words", "", None, 1, []]),
        ("{a: 4}", [4, "4", 4.0], [5, "04", True]),
        ("{a: true}", [True, "true"], [False, 1]),
        ("{a: 2026-11-25}", ["2026-11-25"], [2026]),
        ("{a: ''}", [""], ["x", None]),
        ("{a: null}", [None], ["", "null", 0]),
        ("{a: [x, null, 3]}", ["x", None, "3"], ["y"]),
        ("{a|cased: Word}", ["Word"], ["word"]),
        ("{a|cased: [Word, X]}", ["Word", "X"], ["word", "x"]),
        ("{a|neq: x}", ["y", None], ["x", "X"]),
        # Wildcards
        ("{a: 'w*d'}", ["wd", "WORLD", "w\nd"], ["wo", "xwd"]),
        ("{a: 'w?d'}", ["wod"], ["wd", "wood"]),
        ("{a: '*'}", ["", "x", 0], [None]),
        ("{a: 'x*'}", ["x", "xy"], ["yx"]),
        ("{a: '*.exe'}", [r"C:\A.EXE"], ["a.exe.txt"]),
        (r"{a: 'w\*d'}", ["w*d"], ["wod", r"w\*d"]),
        (r"{a: 'w\\*'}", ["w\\", "w\\x"], ["w*", "wx"]),
        (r"{a: 'C:\dir\x'}", [r"c:\dir\x"], [r"c:dirx"]),
        ("{a: 'a.b'}", ["a.b"], ["axb"]),
        ("{a: 'a.*b?'}", ["a.xxbc"], ["axxxbc"]),
        # Modifiers of text
        ("{a|contains: or}", ["WORD", "or"], ["w"]),
        ("{a|contains|cased: or}", ["word"], ["wORd"]),
        ("{a|contains: 'o?d'}", ["a word"], ["a wod"]),
        ("{a|contains: [x, y]}", ["axb", "ayb"], ["azb"]),
        ("{a|contains|all: [x, y]}", ["yx"], ["x", "y"]),
        ("{a|startswith: wo}", ["Word"], ["sword"]),
        (r"{a|endswith: '\cmd.exe'}", [r"C:\CMD.exe"], ["cmd.exe"]),
        ("{a|endswith|windash: ' -enc'}", ["x -enc", "x /enc", "x \u2013enc"],
         ["x enc", "x --enc."]),
        ("{a|windash|contains: ' -a-b'}", ["c /a-b"], ["c a-b"]),
        ("{a|base64: foo}", ["Zm9v"], ["foo"]),
        ("{a|base64|contains: foobar}", ["x Zm9vYmFy"], ["foobar"]),
        ("{a|base64offset|contains: 'http://'}",
         ["aHR0cDovL2E=", "LWh0dHA6Ly9h", "LS1odHRwOi8vYQ=="], ["aHR0cA=="]),
        ("{a|wide|base64offset|contains: ping}", ["cABpAG4AZwA=", "AHAAaQBuAGcA"], ["ping"]),
        ("{a|utf16be|base64|contains: a}", ["AGE="], ["YQA="]),
        ("{a|utf16|base64: a}", ["//5hAA=="], ["YQA="]),
        ("{a|expand: 'u-%admins%'}", ["u-ann", "U-bob"], ["u-cyd", "u-%admins%"]),
        # Other kinds
        ("{a|re: 'b+c$'}", ["abbc", 'x"bc'], ["bcd", "BC", None]),
        ("{a|re|i: '^B'}", ["b"], ["ab"]),
        ("{a|re|m: '^b$'}", ["a\nb\nc"], ["ab"]),
        ("{a|re|s|i: 'A.b'}", ["a\nB"], ["ab"]),
        ("{a|cidr: 10.1.0.0/16}", ["10.1.2.3", ["::1", "10.1.0.0"]], ["10.2.0.1", "x", None, 5]),
        ("{a|cidr: ['2001:db8::/32', 10.0.0.1]}", ["2001:DB8::1", "10.0.0.1"], ["10.0.0.2"]),
        ("{a|lt: 5}", [4, "4.5", -1], [5, "x", None, True]),
        ("{a|lte: 5}", [5], [5.1]),
        ("{a|gt: 5}", [6, "6"], [5]),
        ("{a|gte: 5.5}", [5.5], [5]),
        ("{a|exists: true}", ["", None, 0], []),
        ("{a|exists: false}", [], ["", None]),
        ("{a|fieldref: b}", ["same", "SAME"], ["other", None]),
        ("{a|fieldref|startswith: b}", ["same and more"], ["not same"]),
        ("{a|fieldref|endswith: b}", ["not same"], ["same and more"]),
        ("{a|fieldref|contains: b}", ["as sameness"], ["sam"]),
        ("{a|cased|fieldref: b}", ["same"], ["SAME"]),
    ],
)  # fmt: skip
def test_a_field_matches(part, hits, misses):
    placeholders = {"admins": ["ann", "bob"]}
    for value in hits:
        assert is_hit(part, {"a": value, "b": "same"}, placeholders=placeholders), value
    for value in misses:
        assert not is_hit(part, {"a": value, "b": "same"}, placeholders=placeholders), value


def test_a_field_that_is_missing_is_null_and_does_not_exist():
    assert is_hit("{a: null}", {})
    assert is_hit("{a|exists: false}", {})
    assert not is_hit("{a|exists: true}", {"b": 1})
    assert not is_hit("{a|gt: 0}", {})
    assert not is_hit("{a: '*'}", {})


def test_fields_are_found_below_and_by_their_names_in_events():
    assert is_hit("{a.b: 1}", {"a": {"b": 1}})
    assert is_hit("{a.b: 1}", {"a.b": 1, "a": {"b": 2}})
    assert not is_hit("{a.b: 1}", {"a": 1})
    assert is_hit("{Image|endswith: .exe}", {"p": {"path": "a.exe"}}, {"Image": "p.path"})


class Process(msgspec.Struct):
    name: str
    parent: dict


def test_fields_of_structs_are_found():
    event = Process("sh", {"pid": 4711})
    assert is_hit("{name: SH, parent.pid: 4711}", event)
    assert is_hit("{a.name: sh}", {"a": event})
    assert is_hit("[47*]", {"a": event})
    assert not is_hit("{pid: 4711}", event)


def test_keywords_are_looked_for_in_all_values():
    event = {"msg": "Disk FAILED on sda1", "more": {"n": [4711, None]}}
    assert is_hit("[failed]", event)
    assert is_hit("failed", event)
    assert is_hit("[nothing, 4711]", event)
    assert is_hit("['f*on']", event)
    assert is_hit("{'|all': [disk, 'sda?']}", event)
    assert not is_hit("{'|all': [disk, sdb]}", event)
    assert is_hit("{'|re': 'sda\\d'}", event)
    assert not is_hit("[msg]", event)


def test_a_part_is_all_of_its_fields_and_a_list_of_parts_any_of_them():
    both = "{a: 1, b: 2, c: 3}"
    assert is_hit(both, {"a": 1, "b": 2, "c": 3})
    assert not is_hit(both, {"a": 1, "b": 2})
    either = "[{a: 1, b: 2}, {c: 3}]"
    assert is_hit(either, {"c": 3})
    assert not is_hit(either, {"a": 1})
    assert is_hit("[{a: 1}, word]", {"x": "a word"})


CONDITIONS = [
    ("s1 and s2", [3, 7], [1, 2]),
    ("s1 or s2", [1, 2, 3], [0, 4]),
    ("s1 and not s2", [1, 5], [3, 0]),
    ("not s1 and not s2", [0, 4], [1, 2]),
    ("s1 or s2 and f1", [1, 6], [2, 4]),
    ("(s1 or s2) and f1", [5, 6], [1, 2, 4]),
    ("not (s1 or s2)", [0, 4], [1, 2]),
    ("NOT s1 AND s2", [2], [3]),
    ("1 of s*", [1, 2], [4, 0]),
    ("any of s*", [1, 2], [4]),
    ("all of s*", [3], [1, 2]),
    ("1 of them", [4], [0, 8]),
    ("all of them", [7, 15], [3, 8]),
    ("s1 and not 1 of f*", [1], [5]),
    ("_f2", [8], [0]),
]


@pytest.mark.parametrize(("condition", "hits", "misses"), CONDITIONS)
def test_a_condition_is_read(condition, hits, misses):
    names = ["s1", "s2", "f1", "_f2"]
    detection = {name: {name: 1} for name in names} | {"condition": condition}
    for expected, bits in ((True, hits), (False, misses)):
        for each in bits:
            event = {name: 1 for i, name in enumerate(names) if each >> i & 1}
            assert is_hit(detection, event) is expected, (condition, each)


def test_of_several_conditions_one_is_enough():
    detection = {"a": {"x": 1}, "b": {"x": 2}, "condition": ["a", "b"]}
    assert is_hit(detection, {"x": 2})


def test_rules_for_other_log_sources_are_left_out():
    source = {"product": "Windows", "category": "process_creation"}
    detection = {"s": {"a": 1}, "condition": "s"}
    for known, count in (
        ({}, 1),
        ({"product": "windows"}, 1),
        ({"product": "linux"}, 0),
        ({"product": "windows", "category": "dns"}, 0),
        ({"service": "sysmon"}, 1),
    ):
        assert len(rules_of(detection, source=source, log_source=known)) == count


def test_events_tell_their_log_source():
    rules = rules_of(
        {"s": {"a|contains": "x"}, "condition": "s"},
        source={"product": "windows", "service": "dns"},
        log_source_fields={"product": "os.type"},
    )
    assert rules.matches({"a": "x", "os": {"type": "Windows"}})
    assert not rules.matches({"a": "x", "os": {"type": "linux"}})
    assert not rules.matches({"a": "x"})
    assert rules.unanchored == 0


def test_rules_of_lower_levels_are_left_out():
    given = [
        {"title": level, "level": level, "logsource": {"product": "x"},
         "detection": {"s": {"a": 1}, "condition": "s"}}
        for level in ("low", "medium", "critical")
    ]  # fmt: skip
    loaded = Loaded(given, Manner(least_level="medium"))
    assert [rule.title for rule in loaded.rules] == ["medium", "critical"]
    assert loaded.left_out == 1
