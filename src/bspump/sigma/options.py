"""What Sigma parts can be told, and the rules that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Options
from bspump.windows.ordered import OrderedOptions

from .loading import Given, Loaded
from .rules import LOG_SOURCE, Manner
from .view import Fields

_RULES = "Files with rules, or directories with such files, separated by commas."
_FIELDS = "What a field is called in events, where it differs: `fields.Image = process.path`."

Level = Literal["informational", "low", "medium", "high", "critical"]


class SigmaOptions(Options, frozen=True, kw_only=True):
    """Which rules there are, and how events fit to them."""

    rules: Annotated[str, Meta(description=_RULES)] = ""
    fields: Annotated[dict[str, str], Meta(description=_FIELDS)] = {}  # noqa: RUF012 - copied
    logsource: Annotated[
        dict[str, str],
        Meta(
            description="What is known of the log source of all events: `logsource.product ="
            " windows`, `.category`, `.service`; rules for others are left out."
        ),
    ] = {}  # noqa: RUF012 - copied
    logsource_fields: Annotated[
        dict[str, str],
        Meta(
            description="Where events tell their log source: `logsource_fields.product = os.type`;"
            " rules for others do not match."
        ),
    ] = {}  # noqa: RUF012 - copied
    placeholders: Annotated[
        dict[str, str],
        Meta(description="What `%name%` stands for, separated by commas: `placeholders.name = …`."),
    ] = {}  # noqa: RUF012 - copied
    level: Annotated[Level, Meta(description="Rules of a lower level are left out.")] = (
        "informational"
    )


class CorrelatorOptions(OrderedOptions, frozen=True, kw_only=True):
    """Which correlations there are, and how events fit to them."""

    rules: Annotated[str, Meta(description=_RULES)] = ""
    fields: Annotated[dict[str, str], Meta(description=_FIELDS)] = {}  # noqa: RUF012 - copied


def load(part: Any, rules: Given | Iterable[Given] | None) -> Loaded:
    """Return the rules of a part: those that the program gives, and those of its options.

    Raises:
        ConfigErrors: everything that is wrong with them.
        ConfigError: there are none.
    """
    options: SigmaOptions | CorrelatorOptions = part.Options
    given: list[Given] = []
    if isinstance(rules, str | Path | Mapping):
        given.append(rules)
    elif rules is not None:
        given += rules
    given += _words(options.rules)
    if not given:
        raise ConfigError(
            f"{part.locate_address()}: it is not said where the rules are [{ConfigError.Code}]\n"
            "  what to do: set `rules`, or give them to the constructor"
        )
    return Loaded(given, _manner(part, options))


def fields_of(part: Any) -> Fields:
    """Return where a part finds the fields of events."""
    return Fields(part.Options.fields)


def _manner(part: Any, options: SigmaOptions | CorrelatorOptions) -> Manner:
    if not isinstance(options, SigmaOptions):
        return Manner(is_compiled=False)
    for name in (*options.logsource, *options.logsource_fields):
        if name not in LOG_SOURCE:
            raise ConfigError(
                f"{part.locate_address()}: a log source has {', '.join(LOG_SOURCE)}, but no"
                f" {name!r} [{ConfigError.Code}]"
            )
    return Manner(
        placeholders={name: _words(text) for name, text in options.placeholders.items()},
        log_source=options.logsource,
        log_source_fields=options.logsource_fields,
        least_level=options.level,
    )


def _words(text: str) -> Sequence[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
