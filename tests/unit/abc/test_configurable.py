"""Whatever has a section of the configuration: which keys it may have, and what it sees."""

from __future__ import annotations

from typing import Any

import pytest

from bspump.abc.config import Entry
from bspump.abc.errors import ConfigError
from bspump.abc.options import BatchOptions, Configurable


class Source:
    """A source of configuration that keeps what it is told."""

    def __init__(self, **entries: Any) -> None:
        self.problems: list[ConfigError] = []
        self._entries = {key: Entry(value, "pump.conf:2") for key, value in entries.items()}

    def entries(self, section: str, /) -> dict[str, Entry]:
        return self._entries

    def report(self, problem: ConfigError, /) -> None:
        self.problems.append(problem)


class Part(Configurable):
    def __init__(self, source: Source, config: dict[str, Any] | None = None) -> None:
        self._configure(source, "connection:X", config)


class Plain(Part):
    ConfigDefaults = {"topic": "t"}


class Declared(Part):
    OptionsClass = BatchOptions


class BelowDeclared(Declared):
    ConfigDefaults = {"topic": "t"}


def _as_if_ours(cls: type) -> type:
    return type(cls.__name__, (cls,), {"__module__": "bspump.example"})


@pytest.mark.parametrize(
    ("cls", "is_open"),
    [
        (Plain, True),
        (Declared, False),
        (BelowDeclared, False),
        (_as_if_ours(Plain), False),
        (type("OfUser", (_as_if_ours(Part),), {}), True),
    ],
)
def test_our_parts_and_those_that_declare_options_know_all_their_keys(cls, is_open):
    source = Source(unknown="1")
    part = cls(source)
    assert ([problem.key for problem in source.problems], "unknown" in part.Config) == (
        ([], True) if is_open else (["unknown"], False)
    )


def test_a_part_has_its_options_and_its_config():
    part = BelowDeclared(Source(max_events="5"), {"topic": "u"})
    assert part.Options == BatchOptions(max_events=5)
    assert (part.Config["topic"], part.Config["max_events"]) == ("u", 5)
    assert part.Config.getint("max_events") == 5
