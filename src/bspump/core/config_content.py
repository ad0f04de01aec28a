"""What a configuration file says, whatever its format: sections of entries, and what is wrong.

A section has a name such as `pipeline:Sample:KafkaSource`. In TOML and YAML it may be written as
it is or as nested tables; a table inside the section of a component is written with dots, the way
nested options are: `batch.max_events`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from bspump.abc.config import Entry
from bspump.abc.errors import ConfigError

COMPONENT_DEPTH = {
    "pipeline": 3,
    "connection": 2,
    "lookup": 2,
    "lookupprovider": 2,
    "matrix": 2,
    "model": 2,
}
"""How many parts the name of a component's section has, by its first part."""

_DEPTH = {**COMPONENT_DEPTH, "general": 1, "logging": 1, "web": 1}
MAX_DEPTH = 32


class Table(dict[str, Any]):
    """A table of TOML or YAML: entries and tables by key, and where it begins."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place


@dataclass(slots=True)
class Content:
    """What a file says: entries by section and key, and where each section begins."""

    sections: dict[str, dict[str, Entry]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def section(self, name: str, place: str) -> dict[str, Entry]:
        """Return the entries of section `name`, which is new or goes on at `place`."""
        self.places.setdefault(name, place)
        return self.sections.setdefault(name, {})

    def put(self, section: str, key: str, entry: Entry) -> None:
        """Set an option, over what was set before."""
        self.section(section, entry.place)[key] = entry

    def update(self, other: Content) -> None:
        """Put all options of `other` over those that are here."""
        for name, entries in other.sections.items():
            self.section(name, other.places[name]).update(entries)

    def add(self, root: Table) -> None:
        """Take over a file of tables."""
        for key, value in root.items():
            if isinstance(value, Table):
                self._add(tuple(key.split(":")), value, at_least=key.count(":") + 1)
            elif value.value == "":
                self.section(key, value.place)  # `name:` of YAML, with nothing below
            else:
                what, got = "an option outside of any section", f"the key {key!r}"
                self.problems.append(problem(value.place, what, expected="a section", got=got))

    def _add(self, path: tuple[str, ...], table: Table, at_least: int) -> None:
        holds_sections = len(path) == 1 and path[0] in COMPONENT_DEPTH
        options = {key: value for key, value in table.items() if not isinstance(value, Table)}
        if holds_sections:
            for key in [key for key, entry in options.items() if entry.value == ""]:
                self.section(f"{path[0]}:{key}", options.pop(key).place)
        is_section = len(path) <= max(at_least, _DEPTH.get(path[0], MAX_DEPTH))
        if is_section and (options or not table):
            self.section(":".join(path), table.place)
        for key, entry in options.items():
            self.put(*section_and_key((*path, key), at_least), entry)
        for key, value in table.items():
            if isinstance(value, Table):
                self._add((*path, *key.split(":")), value, at_least)


def section_and_key(path: Sequence[str], at_least: int = 1) -> tuple[str, str]:
    """Return the section and the key of an option that stands in nested tables.

    Args:
        path: the names of the tables, then that of the option.
        at_least: so many names belong to the section in any case.

    >>> section_and_key(["pipeline", "Sample", "Sink", "batch", "max_events"])
    ('pipeline:Sample:Sink', 'batch.max_events')
    """
    depth = min(max(at_least, _DEPTH.get(path[0], MAX_DEPTH)), len(path) - 1)
    return ":".join(path[:depth]), ".".join(path[depth:])


def plain(value: Any) -> Any:
    """Return `value` as all formats can say it: a time is text, and nothing is an empty text."""
    if value is None:
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return value


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Return lines with their numbers; only line feeds end a line, as editors count."""
    return enumerate(text.split("\n"), 1)


def problem(place: str, what: str, *, expected: str, got: str, hint: str = "") -> ConfigError:
    """Return an error about a place of the configuration, in the words all of them share."""
    lines = [f"{place}: {what} [{ConfigError.Code}]", f"  expected: {expected}", f"  got: {got}"]
    return ConfigError("\n".join([*lines, *([f"  {hint}"] if hint else [])]))
