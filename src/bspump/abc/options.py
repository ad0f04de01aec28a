"""Options: what a part can be told, declared once as a typed struct.

From the struct come validation, `self.Options` (typed), `self.Config` (the mapping), and the
reference page. A nested struct is written with dots: `batch.max_events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

from msgspec import Meta

from .config import Config, ConfigSource, Entry
from .errors import ConfigError, OptionError
from .option_fields import (
    Duration,
    OptionField,
    Options,
    Size,
    build,
    option_fields,
)
from .option_merge import Merge

__all__ = [
    "BatchOptions",
    "Configurable",
    "Duration",
    "OptionField",
    "Options",
    "RetryOptions",
    "Section",
    "Size",
    "option_fields",
    "resolve",
]


class BatchOptions(Options, frozen=True, kw_only=True):
    """When a batch is written: as soon as one of the three limits is reached."""

    max_events: Annotated[int, Meta(ge=1, description="Events in a batch at the most.")] = 1000
    max_bytes: Annotated[Size, Meta(description="Bytes in a batch at the most.")] = 5_000_000
    max_age: Annotated[
        Duration, Meta(description="Seconds that the oldest event of a batch waits at the most.")
    ] = 1.0


class RetryOptions(Options, frozen=True, kw_only=True):
    """How often and how fast a failed attempt is repeated."""

    attempts: Annotated[
        int, Meta(ge=0, description="Attempts at the most; 0 means: without an end.")
    ] = 0
    first: Annotated[Duration, Meta(description="Wait before the second attempt.")] = 0.1
    longest: Annotated[Duration, Meta(description="No wait gets longer than this.")] = 30.0
    factor: Annotated[float, Meta(ge=1, description="Each wait is longer by this factor.")] = 2.0


class Section(NamedTuple):
    """What `resolve` made of a section: the mapping, the struct and what was wrong."""

    config: Config
    options: Options
    problems: list[ConfigError]


def defaults_of(cls: type, section: str) -> dict[str, Entry]:
    """Merge `ConfigDefaults` along the MRO; the most derived class that defines a key wins.

    Raises:
        OptionError: one of the values is `None`.
    """
    merged: dict[str, Entry] = {}
    for base in reversed(cls.__mro__):
        place = f"ConfigDefaults of {base.__name__}"
        for key, value in vars(base).get("ConfigDefaults", {}).items():
            if value is None:
                raise OptionError(place, section, key, expected="a value", got="None")
            merged[key] = Entry(value, place)
    return merged


def resolve(
    cls: type,
    options_class: type[Options],
    section: str,
    entries: Mapping[str, Entry],
    given: Mapping[str, Any] | None,
    *,
    is_open: bool,
) -> Section:
    """Merge defaults, the section and `config=`, and check everything that is declared.

    Args:
        is_open: keys that nobody declared are kept instead of reported.

    Raises:
        OptionError: a default is `None`, which is a mistake of the program.
    """
    merge = Merge(cls.__name__, section, option_fields(options_class), is_open=is_open)
    merge.declare(defaults_of(cls, section))
    for key, entry in entries.items():
        merge.put(key, entry)
    for key, value in (given or {}).items():
        merge.put(key, Entry(value, f"config= of {cls.__name__}"))
    values = merge.values()
    config = Config({**merge.undeclared(), **values}, section, merge.places())
    return Section(config, build(options_class, values), merge.problems)


class Configurable:
    """Whatever has a section of the configuration.

    `OptionsClass` declares options with types and bounds; `ConfigDefaults` is the plain
    dictionary of programs that do not need them. Both may be used, also in subclasses.
    """

    ConfigDefaults: ClassVar[Mapping[str, Any]] = {}
    OptionsClass: ClassVar[type[Options]] = Options

    Config: Config
    Options: Any

    def _configure(
        self, source: ConfigSource, section: str, given: Mapping[str, Any] | None
    ) -> None:
        cls = type(self)
        found = resolve(
            cls, cls.OptionsClass, section, source.entries(section), given, is_open=_is_open(cls)
        )
        for problem in found.problems:
            source.report(problem)
        self.Config = found.config
        self.Options = found.options


def _is_open(cls: type) -> bool:
    """Tell whether `cls` may have keys that it does not declare.

    Our own parts, and classes of users that declare options, name all they have.
    """
    users = [base for base in cls.__mro__ if not base.__module__.startswith("bspump.")]
    return cls in users and not any("OptionsClass" in vars(base) for base in users)
