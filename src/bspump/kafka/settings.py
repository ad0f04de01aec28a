"""Options of ours and properties of librdkafka, in one section of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from bspump.abc.config import ConfigSource, Entry, shown
from bspump.abc.errors import ConfigError, MissingExtraError, OptionError, nearest
from bspump.abc.extras import require
from bspump.abc.options import Configurable, option_fields
from bspump.abc.redaction import is_secret

EXTRA: Final = "kafka"
_PROPERTIES: Final = "https://docs.confluent.io/platform/current/clients/librdkafka/html"
# The client takes properties in their order and stops at the first that it does not like. With
# one at the end that there is not, no client is ever made.
_END: Final = "bspump.end"
_COMMON: Final = (
    "auto.offset.reset",
    "bootstrap.servers",
    "compression.type",
    "enable.idempotence",
    "fetch.max.bytes",
    "group.instance.id",
    "group.protocol",
    "max.poll.interval.ms",
    "message.max.bytes",
    "partition.assignment.strategy",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "ssl.ca.location",
)


class LibrdkafkaConfigurable(Configurable):
    """Has a section in which declared options and properties of librdkafka stand side by side.

    A dot and an underscore in a name mean the same: `bootstrap_servers`, `bootstrap.servers`.
    What is no option of ours is a property of librdkafka, checked against its own knowledge and
    kept in `Settings` under its name there.
    """

    Fallback: ClassVar[str | None] = None
    """A section that is read before that of the component."""
    Fixed: ClassVar[Mapping[str, bool]] = {}
    """Properties that must have this value, for a promise rests on it."""

    Settings: dict[str, Any]

    def _configure(
        self, source: ConfigSource, section: str, given: Mapping[str, Any] | None
    ) -> None:
        cls = type(self)
        self.Settings = {}
        sorter = _Sorter(cls, section, source)
        for base in reversed(cls.__mro__):
            for key, value in vars(base).get("ConfigDefaults", {}).items():
                sorter.put(key, Entry(value, f"ConfigDefaults of {base.__name__}"))
        for name in (self.Fallback, section):
            for key, entry in (source.entries(name) if name else {}).items():
                sorter.put(key, entry)
        for key, value in (given or {}).items():
            sorter.put(key, Entry(value, f"config= of {cls.__name__}"))
        super()._configure(_Declared(sorter.declared, source), section, None)
        self.Settings = {name: entry.value for name, entry in sorter.settings.items()}
        self.Config.update(self.Settings)


class _Declared:
    """A configuration with nothing but what one component declares."""

    def __init__(self, entries: Mapping[str, Entry], source: ConfigSource) -> None:
        self._entries, self._source = entries, source

    def entries(self, _: str, /) -> Mapping[str, Entry]:
        """Return what is configured."""
        return self._entries

    def report(self, problem: ConfigError, /) -> None:
        """Keep `problem`."""
        self._source.report(problem)


class _Sorter:
    """Sorts what is said into declared options and properties of librdkafka."""

    def __init__(
        self, cls: type[LibrdkafkaConfigurable], section: str, source: ConfigSource
    ) -> None:
        self._owner, self._fixed = cls.__name__, cls.Fixed
        self._section, self._report = section, source.report
        fields = option_fields(cls.OptionsClass)
        self._names = {_plain(name): name for name in fields}
        self._mappings = tuple(f"{n}." for n, field in fields.items() if field.is_mapping)
        self._groups = {name.partition(".")[0] for name in fields if "." in name}
        self._is_missing = False
        self.declared: dict[str, Entry] = {}
        self.settings: dict[str, Entry] = {}

    def put(self, key: str, entry: Entry) -> None:
        """Put what somebody says of `key`; what is said later wins."""
        if key in self._groups and isinstance(entry.value, Mapping):
            for name, value in entry.value.items():
                self.put(f"{key}.{name}", Entry(value, entry.place))
        elif name := self._names.get(_plain(key)):
            self.declared[name] = entry
        elif key.startswith(self._mappings):
            self.declared[key] = entry
        else:
            self._put_setting(key, entry)

    def _put_setting(self, key: str, entry: Entry) -> None:
        name = key.replace("_", ".")
        complaint = self._complaint(name, entry.value)
        if name in self._fixed and complaint is None:
            if str(entry.value).strip().lower() != str(self._fixed[name]).lower():
                self._refuse(key, entry, f"{str(self._fixed[name]).lower()}, always")
        elif complaint is None:
            self.settings[name] = entry
        elif not complaint.startswith("No such configuration property"):
            self._refuse(key, entry, f"what librdkafka takes ({complaint})")
        elif "." in key:
            self._refuse_unknown(key, entry)
        else:
            # An option of a program's own, or one of ours that is misspelt.
            self.declared[key] = entry

    def _complaint(self, name: str, value: Any) -> str | None:
        """Return what librdkafka has against a property, `None` for nothing."""
        try:
            kafka = require("confluent_kafka", extra=EXTRA)
        except MissingExtraError as error:
            if not self._is_missing:
                self._report(error)
            self._is_missing = True
            return None
        try:
            kafka.Consumer({name: value, "group.id": "x", _END: ""})
        except kafka.KafkaException as error:
            text = str(error.args[0].str())
        except (TypeError, ValueError) as error:
            text = str(error)
        if _END in text:
            return None
        # Where it repeats the value, that is not for everyone to see.
        return text.replace(str(value), "…") if _is_hidden(name) and str(value) else text

    def _refuse(self, key: str, entry: Entry, expected: str) -> None:
        got = "***" if _is_hidden(key) else shown(key, entry.value)
        self._report(OptionError(entry.place, self._section, key, expected=expected, got=got))

    def _refuse_unknown(self, key: str, entry: Entry) -> None:
        known = [*self._names.values(), *_COMMON]
        near = nearest(key, known)
        expected = f"an option of {self._owner}, or a property of librdkafka ({_PROPERTIES})"
        error = OptionError(
            entry.place,
            self._section,
            key,
            expected=expected,
            got=repr(key),
            known=[near] if near else (),
            what="there is no such option",
        )
        self._report(error)


def _plain(key: str) -> str:
    return key.replace(".", "_").lower()


def _is_hidden(key: str) -> bool:
    return is_secret(key) or "pem" in key
