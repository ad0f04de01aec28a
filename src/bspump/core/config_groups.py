"""Options of pipelines that stand in tables of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bspump.abc.config import Entry
from bspump.abc.errors import ConfigError
from bspump.abc.options import Options, option_fields

if TYPE_CHECKING:
    from .config import Configuration


class Grouped:
    """A configuration in which `[a:group] key` and `[a] group.key` are the same.

    Tables below that of a pipeline are sections of its parts. Those that are called like a group of
    its options are not: so `error_retry` may be nested in TOML and YAML, as it is elsewhere.

    Args:
        source: the configuration.
        options_class: whose groups are meant.
    """

    def __init__(self, source: Configuration, options_class: type[Options]) -> None:
        self._source = source
        self._groups = set(_groups(options_class))

    def entries(self, section: str, /) -> Mapping[str, Entry]:
        """Return what is configured in `section` and in those of its groups."""
        found = dict(self._source.entries(section))
        there = set(self._source.sections())
        for group in sorted(self._groups):
            if f"{section}:{group}" in there:
                inner = self._source.entries(f"{section}:{group}")
                found.update({f"{group}.{key}": entry for key, entry in inner.items()})
        return found

    def report(self, problem: ConfigError, /) -> None:
        """Keep `problem`, as the configuration does."""
        self._source.report(problem)


def _groups(options_class: type[Options]) -> Iterator[str]:
    for name, field in option_fields(options_class).items():
        if "." in name or field.is_mapping:
            yield name.partition(".")[0]
