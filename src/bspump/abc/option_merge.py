"""Merging what is said about options: defaults, then the section, then the program."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from .config import Entry, shown
from .errors import ConfigError, OptionError
from .option_fields import OptionField, blank, convert, convert_key, expectation

_log = logging.getLogger("bspump.config")


class Merge:
    """What is said about the options of one component; what is put later wins.

    A mapping may say several at once: `{"batch": {"max_events": 5}}` is `batch.max_events`. An
    option that is a mapping takes single keys: `headers.Accept`.

    Args:
        owner: the name of the component's class, for errors.
        section: the component's section, for errors.
        fields: the declared options.
        is_open: keys that nobody declared are kept instead of reported.
    """

    def __init__(
        self, owner: str, section: str, fields: Mapping[str, OptionField], *, is_open: bool
    ) -> None:
        self.problems: list[ConfigError] = []
        self._owner = owner
        self._section = section
        self._fields = fields
        self._is_open = is_open
        self._known = set(fields)
        self._mappings = [name for name, field in fields.items() if field.is_mapping]
        self._groups = {
            name.rsplit(".", depth)[0] for name in fields for depth in range(1, name.count(".") + 1)
        }
        self._entries: dict[str, Entry] = {}
        self._place = owner

    def declare(self, defaults: Mapping[str, Entry]) -> None:
        """Put defaults, whose keys are known from then on."""
        for key, entry in defaults.items():
            for name, inner in self._flat(key, entry):
                self._known.add(name)
                self._entries[name] = inner

    def put(self, key: str, entry: Entry) -> None:
        """Put what somebody says of `key`; an unknown key becomes a problem."""
        self._place = entry.place
        for name, inner in self._flat(key, entry):
            if self._mapping_of(name) or name in self._known:
                self._put(name, inner)
            elif self._is_open and name.casefold() not in map(str.casefold, self._known):
                self._put(name, inner)
                self._warn(name, inner)
            else:
                self.problems.append(self._unknown(name, inner))

    def values(self) -> dict[str, Any]:
        """Return a value for each declared option; what does not fit becomes a problem."""
        return {name: self._value(field) for name, field in self._fields.items()}

    def undeclared(self) -> dict[str, Any]:
        """Return what was put under other names, as it was put."""
        return {
            name: entry.value
            for name, entry in self._entries.items()
            if name not in self._fields and not self._mapping_of(name)
        }

    def places(self) -> dict[str, str]:
        """Return where each value comes from."""
        return {name: entry.place for name, entry in self._entries.items()}

    def _flat(self, key: str, entry: Entry) -> Iterator[tuple[str, Entry]]:
        if key in self._groups and isinstance(entry.value, Mapping):
            for name, value in entry.value.items():
                yield from self._flat(f"{key}.{name}", Entry(value, entry.place))
        else:
            yield key, entry

    def _put(self, name: str, entry: Entry) -> None:
        if name in self._mappings:
            # The whole mapping is said anew, so single keys of before do not count.
            for other in self._keys_of(self._fields[name]):
                del self._entries[other]
        self._entries[name] = entry

    def _mapping_of(self, name: str) -> str | None:
        return next((m for m in self._mappings if name.startswith(f"{m}.")), None)

    def _value(self, field: OptionField) -> Any:
        value = field.make_default() if field.make_default else blank(field)
        said = [name for name in (field.name, *self._keys_of(field)) if name in self._entries]
        if not said and field.is_required:
            self.problems.append(self._missing(field))
        for name in said:
            entry, of_key = self._entries[name], name != field.name
            try:
                if of_key:
                    key = name.removeprefix(f"{field.name}.")
                    value = {**value, **convert_key(field, key, entry.value)}
                else:
                    value = convert(field, entry.value)
            except (ValueError, TypeError) as error:
                expected = expectation(field, entry.value, error, of_key=of_key)
                self.problems.append(self._wrong(name, entry, expected))
        return value

    def _keys_of(self, field: OptionField) -> list[str]:
        """Return the names under which single keys of a mapping were put."""
        return [name for name in self._entries if self._mapping_of(name) == field.name]

    def _wrong(self, name: str, entry: Entry, expected: str) -> OptionError:
        got = shown(name, entry.value)
        return OptionError(entry.place, self._section, name, expected=expected, got=got)

    def _missing(self, field: OptionField) -> OptionError:
        expected = (
            f"{field.expected} ({field.description})" if field.description else field.expected
        )
        what = "it has no default and must be given"
        return OptionError(
            self._place, self._section, field.name, expected=expected, got="nothing", what=what
        )

    def _unknown(self, name: str, entry: Entry) -> OptionError:
        known = sorted(self._known)
        return OptionError(
            entry.place,
            self._section,
            name,
            expected=f"an option of {self._owner}: {', '.join(known) or 'it has none'}",
            got=repr(name),
            known=known,
            what="there is no such option",
        )

    def _warn(self, name: str, entry: Entry) -> None:
        near = get_close_matches(name, self._fields, n=1, cutoff=0.85)
        if near:
            fields = {"place": entry.place, "section": self._section, "key": name}
            fields["did_you_mean"] = near[0]
            _log.warning("an option that nobody declares", extra={"fields": fields})
