"""Rules: read from documents, checked, and made to tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from .conditions import compile_condition
from .items import ItemCompiler
from .nodes import Anchors, Node, Test, all_of, any_of
from .problems import Place
from .view import KEYWORDS

LEVELS: Final = ("informational", "low", "medium", "high", "critical")
LOG_SOURCE: Final = ("category", "product", "service")


@dataclass(frozen=True, slots=True)
class Rule:
    """What alerts tell of a rule, and its test.

    Args:
        id: its id; its name or title where it has none.
        name: as correlations may refer to it.
        title: in a few words.
        level: `informational` to `critical`.
        tags: such as `attack.t1110`.
        test: tells whether an event matches.
        anchors: one of them has every event that matches; `None` if nothing is known.
    """

    id: str
    name: str
    title: str
    level: str
    tags: tuple[str, ...]
    test: Test
    anchors: Anchors | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How rules are read.

    Args:
        placeholders: what `%name%` stands for.
        log_source: what is known of the events; rules for others are left out.
        log_source_fields: where events tell the rest; rules for other events do not match.
        least_level: rules of a lower one are left out.
        is_compiled: rules are made to tests; where they are not, only their names matter.
    """

    placeholders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    log_source: Mapping[str, str] = field(default_factory=dict)
    log_source_fields: Mapping[str, str] = field(default_factory=dict)
    least_level: str = "informational"
    is_compiled: bool = True


def head_of(document: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Return what rules and correlations have in common, with reports of what is wrong."""
    title, level = document.get("title"), document.get("level", "medium")
    tags = document.get("tags") or []
    if not isinstance(title, str) or not title:
        place.at("title").report("a text", title)
    if level not in LEVELS:
        place.at("level").report(f"one of {', '.join(LEVELS)}", level, known=LEVELS)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        place.at("tags").report("a list of texts", tags)
        tags = []
    for key in ("id", "name"):
        if not isinstance(document.get(key, ""), str):
            place.at(key).report("a text", document[key])
    name, title = str(document.get("name") or ""), str(title)
    identity = str(document.get("id") or name or title)
    return {"id": identity, "name": name, "title": title, "level": level, "tags": tuple(tags)}


def read_rule(document: Mapping[str, Any], manner: Manner, place: Place) -> Rule | None:
    """Return a rule; `None` if it is meant for other events, or something is wrong with it."""
    head = head_of(document, place)
    source = _source_node(document.get("logsource"), manner, place.at("logsource"))
    node = _detection(document.get("detection"), manner, place.at("detection"))
    is_wanted = head["level"] not in LEVELS or (
        LEVELS.index(head["level"]) >= LEVELS.index(manner.least_level)
    )
    if source is None or node is None or not is_wanted:
        return None
    whole = all_of([*source, node])
    return Rule(**head, test=whole.test, anchors=whole.anchors)


def _source_node(source: Any, manner: Manner, place: Place) -> list[Node] | None:
    """Return tests of the log source; `None` if the rule is meant for another one."""
    if not isinstance(source, Mapping) or not any(key in source for key in LOG_SOURCE):
        place.report(f"a mapping with one of {', '.join(LOG_SOURCE)}", source)
        return None
    nodes = []
    for key in LOG_SOURCE:
        wanted = source.get(key)
        if wanted is None:
            continue
        known = manner.log_source.get(key)
        if known is not None:
            if known.lower() != str(wanted).lower():
                return None
        elif key in manner.log_source_fields:
            name = manner.log_source_fields[key]
            node = ItemCompiler({}).compile(name, [str(wanted)], place.at(key))
            if node is not None:
                nodes.append(node)
    return nodes


def _detection(detection: Any, manner: Manner, place: Place) -> Node | None:
    if not isinstance(detection, Mapping) or "condition" not in detection:
        place.report("a mapping of parts with a condition", detection)
        return None
    compiler = ItemCompiler(manner.placeholders)
    parts: dict[str, Node] = {}
    is_whole = True
    for name, value in detection.items():
        if name == "condition":
            continue
        if name == "timeframe":
            place.at(name).report("a rule of its own for it, a correlation", value)
            is_whole = False
            continue
        node = _part(value, compiler, place.at(name))
        is_whole = is_whole and node is not None
        parts[str(name)] = node or Node(lambda _view: False)
    conditions = detection["condition"]
    texts = conditions if isinstance(conditions, list) else [conditions]
    if not texts or not all(isinstance(text, str) for text in texts):
        place.at("condition").report("a text, or a list of them", conditions)
        return None
    nodes = [compile_condition(text, parts, place.at("condition")) for text in texts]
    found = [node for node in nodes if node is not None]
    return any_of(found) if is_whole and len(found) == len(texts) else None


def _part(value: Any, compiler: ItemCompiler, place: Place) -> Node | None:
    """Return the test of a part: fields that all have to match, or a list of alternatives."""
    if isinstance(value, Mapping):
        if not value:
            place.report("one field or more", {})
            return None
        nodes = [_line(str(key), given, compiler, place) for key, given in value.items()]
        found = [node for node in nodes if node is not None]
        return all_of(found) if len(found) == len(nodes) else None
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        nodes = [_part(each, compiler, place.at(i)) for i, each in enumerate(value)]
        found = [node for node in nodes if node is not None]
        return any_of(found) if len(found) == len(nodes) else None
    return _line(KEYWORDS, value, compiler, place)


def _line(key: str, given: Any, compiler: ItemCompiler, place: Place) -> Node | None:
    values = given if isinstance(given, list) else [given]
    here = place.at(key) if key else place
    # YAML makes dates of what looks like one; as text they are what was written.
    values = [str(value) if isinstance(value, date) else value for value in values]
    for value in values:
        if value is not None and not isinstance(value, str | int | float | bool):
            here.report("a text, a number, true, false, null, or a list of these", value)
            return None
    return compiler.compile(key, values, here)
