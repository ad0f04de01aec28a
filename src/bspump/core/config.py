"""The configuration: files, under the environment, under the command line.

Precedence, from low to high: defaults of the program; files in the order they are given, each
followed by those it includes; environment variables `BSPUMP__<section>__<key>`, in which a double
underscore stands for the colons of the section's name and, behind the name of a component's
section, for the dots of the key; `--set '[section] key=value'`.

Values of files and of the command line may contain references, see `config_references`; those of
the environment are taken as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from glob import glob
from pathlib import Path
from typing import Any

from bspump.abc.config import Config, Entry
from bspump.abc.errors import ConfigError, ConfigErrors, OptionError

from .config_content import COMPONENT_DEPTH, Content, problem, section_and_key
from .config_files import read_file
from .config_references import resolve
from .log import get_logger

log = get_logger(__name__)

_PREFIX = "BSPUMP__"
_SET = re.compile(
    r"\s*\[(?P<section>[^\]]+)\]\s*(?P<key>[^=:\s]+)\s*[=:]\s*(?P<value>.*?)\s*", re.DOTALL
)
_WELL_KNOWN = ("general", "logging", "web", "asab", "bspump")
_NOTHING: Any = object()


class Configuration(Mapping[str, "SectionView"]):
    """Everything that was configured, and everything that is wrong with it.

    It is read like a mapping of mappings, `app.Config["section"]["key"]`, or by `get` and its
    relatives, which convert. Components take `entries(section)`. What is wrong is collected, so
    that one run shows all of it: `raise_if_wrong()` is called before anything starts.

    Args:
        files: paths of files to read.
        environment: where variables are looked up, `os.environ` if not given.
        settings: texts of the form `[section] key=value`.
    """

    def __init__(
        self,
        files: Iterable[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        settings: Iterable[str] = (),
    ) -> None:
        self.problems: list[ConfigError] = []
        self._environment = os.environ if environment is None else environment
        self._defaults: dict[str, dict[str, Entry]] = {}
        self._content = Content()
        self._overrides = Content()
        self._used: set[str] = set()
        self._started = False
        self._files: set[Path] = set()
        # Before the files, because what these include may depend on it.
        for name, value in self._environment.items():
            if name.startswith(_PREFIX):
                self._override_by_variable(name, value)
        for setting in settings:
            self._override_by_setting(setting)
        for file in files:
            self._read(Path(file))
        self._include_of(self._overrides, Path())

    def entries(self, section: str, /) -> Mapping[str, Entry]:
        """Return what is configured in `section`; an absent section is empty.

        A value whose reference leads nowhere is left out and reported.
        """
        self._used.add(section)
        found: dict[str, Entry] = {}
        for key, entry in self._raw(section).items():
            try:
                found[key] = Entry(self._resolve(entry, section, key), entry.place)
            except ConfigError as error:
                self.report(error)
        return found

    def report(self, problem: ConfigError, /) -> None:
        """Keep `problem`, so that all are shown together before anything starts.

        Raises:
            ConfigError: `problem` itself, once the application has started: it concerns a
                component that is being made at run-time, whose maker has to know.
        """
        if self._started:
            raise problem
        if str(problem) not in map(str, self.problems):
            self.problems.append(problem)

    def raise_if_wrong(self) -> None:
        """Check that every section belongs to something, then raise what was found so far.

        Raises:
            ConfigErrors: all problems together.
        """
        for section, place in self._unused().items():
            self._report_unused(section, place)
        if self.problems:
            raise ConfigErrors(self.problems)
        self._started = True

    def add_defaults(self, defaults: Mapping[str, Mapping[str, Any]]) -> None:
        """Give values, by section and key, that hold where nothing else is configured."""
        for section, values in defaults.items():
            entries = self._defaults.setdefault(section, {})
            entries.update({key: Entry(value, "defaults") for key, value in values.items()})

    def set(self, section: str, key: str, value: Any) -> None:
        """Set a value over all others; components made before do not see it."""
        self._overrides.put(section, key, Entry(value, "program"))
        self._used.add(section)

    def sections(self) -> list[str]:
        """Return the names of all sections."""
        return list(self)

    def has_section(self, section: str) -> bool:
        """Tell whether `section` is configured, be it empty."""
        return section in self

    def options(self, section: str) -> list[str]:
        """Return the keys that are configured in `section`; an absent section has none."""
        self._used.add(section)
        return list(self._raw(section))

    def has_option(self, section: str, key: str) -> bool:
        """Tell whether `section` is configured and has `key`."""
        self._used.add(section)
        return key in self._raw(section)

    def get(self, section: str, key: Any = None, fallback: Any = _NOTHING) -> Any:
        """Return a value as it was configured: text from INI, typed from TOML and YAML.

        Without a key it is `get` of a mapping: the section, or `None`.

        Raises:
            KeyError: it is not configured, and there is no `fallback`.
            OptionError: it refers to something that does not exist.
        """
        if key is None:
            return super().get(section)
        if not self.has_option(section, key):
            if fallback is _NOTHING:
                raise KeyError(f"[{section}] {key}")
            return fallback
        return self._resolve(self._raw(section)[key], section, key)

    def getint(self, section: str, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a whole number; see `get`. Raises OptionError where it is none."""
        return self._converted("getint", section, key, fallback)

    def getfloat(self, section: str, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a number; see `get`. Raises OptionError where it is none."""
        return self._converted("getfloat", section, key, fallback)

    def getboolean(self, section: str, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a truth value; see `get`. Raises OptionError where it is none."""
        return self._converted("getboolean", section, key, fallback)

    def getseconds(self, section: str, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a duration in seconds; see `get`. Raises OptionError where it is none."""
        return self._converted("getseconds", section, key, fallback)

    def geturl(self, section: str, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a URL without a trailing slash; see `get`."""
        return self._converted("geturl", section, key, fallback)

    def __getitem__(self, section: str) -> SectionView:
        if section not in self:
            raise KeyError(section)
        return SectionView(self, section)

    def __contains__(self, section: object) -> bool:
        self._used.add(str(section))
        return section in self._sections()

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections())

    def __len__(self) -> int:
        return len(self._sections())

    def _sections(self) -> list[str]:
        layers = (self._defaults, self._content.sections, self._overrides.sections)
        return list(dict.fromkeys(section for layer in layers for section in layer))

    def _raw(self, section: str) -> dict[str, Entry]:
        layers = (self._defaults, self._content.sections, self._overrides.sections)
        return {key: entry for layer in layers for key, entry in layer.get(section, {}).items()}

    def _converted(self, reader: str, section: str, key: str, fallback: Any) -> Any:
        if fallback is not _NOTHING and not self.has_option(section, key):
            return fallback
        value = self.get(section, key)
        places = {key: self._raw(section)[key].place}
        return getattr(Config({key: value}, section, places), reader)(key)

    def _read(self, path: Path) -> None:
        path = Path(os.path.expanduser(path))  # noqa: PTH111 - raises nothing for an unknown user
        real = Path(os.path.realpath(path))
        if real in self._files:
            return
        self._files.add(real)
        content = read_file(path)
        self._content.update(content)
        self.problems += content.problems
        self._include_of(content, path.parent)

    def _include_of(self, content: Content, directory: Path) -> None:
        """Read the files that `[general] include` of `content` names."""
        include = content.sections.get("general", {}).get("include")
        if include is None:
            return
        try:
            value = self._resolve(include, "general", "include")
        except ConfigError as error:
            self.report(error)
            return
        if not isinstance(value, list):
            value = re.split(rf"[\n;{re.escape(os.pathsep)}]", str(value))
        for pattern in value:
            if str(pattern).strip():
                self._include(str(pattern).strip(), directory, include.place)

    def _include(self, pattern: str, directory: Path, place: str) -> None:
        pattern = os.path.expanduser(pattern)  # noqa: PTH111 - raises nothing for an unknown user
        found = sorted(glob(pattern, root_dir=directory))  # noqa: PTH207 - takes absolute ones too
        if not found and not any(sign in pattern for sign in "*?["):
            got = repr(str(directory / pattern))
            self.report(
                OptionError(place, "general", "include", expected="files that exist", got=got)
            )
        for file in found:
            self._read(directory / file)

    def _override_by_variable(self, name: str, value: str) -> None:
        *parts, key = name.removeprefix(_PREFIX).split("__")
        place = f"environment {name}"
        if not parts or not all(parts) or not key:
            expected = f"{_PREFIX}<section>__<key>, such as {_PREFIX}pipeline__Sample__key"
            self.report(problem(place, "the name is not complete", expected=expected, got=name))
            return
        literal = Entry(value.replace("$", "$$"), place)
        self._overrides.put(*section_and_key([*parts, key]), literal)

    def _override_by_setting(self, setting: str) -> None:
        match = _SET.fullmatch(setting)
        if match is None:
            # The value is not shown: it may be a secret.
            got = repr(setting.partition("=")[0])
            self.report(
                problem("--set", "not a setting", expected="'[section] key=value'", got=got)
            )
            return
        self._overrides.put(match["section"].strip(), match["key"], Entry(match["value"], "--set"))

    def _resolve(self, entry: Entry, section: str, key: str) -> Any:
        return resolve(entry, section, key, self._option, self._environment)

    def _option(self, section: str, key: str) -> Entry | None:
        entry = self._raw(section).get(key)
        if entry is not None:
            self._used.add(section)
        return entry

    def _unused(self) -> dict[str, str]:
        """Return the place of every section that nobody asked for."""
        return {
            section: place
            for section, place in {**self._overrides.places, **self._content.places}.items()
            if section not in self._used and section.partition(":")[0] not in _WELL_KNOWN
        }

    def _report_unused(self, section: str, place: str) -> None:
        """Report a section that must be a mistake, and only log one that may have its reader."""
        near = get_close_matches(section, sorted({*self._used, *_WELL_KNOWN}), n=1, cutoff=0.75)
        if section.partition(":")[0] not in COMPONENT_DEPTH and not near:
            log.warning("no component has this section", section=section, place=place)
            return
        kind = section.partition(":")[0]
        known = sorted(s for s in self._used if s.partition(":")[0] == kind and ":" in s)
        expected = "the section of something in this program"
        if known:
            expected += f": {', '.join(f'[{name}]' for name in known)}"
        hint = f"did you mean [{near[0]}]?" if near else ""
        what = f"section [{section}] belongs to nothing"
        self.report(problem(place, what, expected=expected, got=f"[{section}]", hint=hint))


class SectionView(Mapping[str, Any]):
    """One section, read like a mapping; references are resolved when a value is read."""

    def __init__(self, configuration: Configuration, section: str) -> None:
        self._configuration = configuration
        self._section = section

    def __getitem__(self, key: str) -> Any:
        if not self._configuration.has_option(self._section, key):
            raise KeyError(f"[{self._section}] {key}")
        return self._configuration.get(self._section, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._configuration.options(self._section))

    def __len__(self) -> int:
        return len(self._configuration.options(self._section))

    def getint(self, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a whole number, as `Configuration.getint` does."""
        return self._configuration.getint(self._section, key, fallback)

    def getfloat(self, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a number, as `Configuration.getfloat` does."""
        return self._configuration.getfloat(self._section, key, fallback)

    def getboolean(self, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a truth value, as `Configuration.getboolean` does."""
        return self._configuration.getboolean(self._section, key, fallback)

    def getseconds(self, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a duration in seconds, as `Configuration.getseconds` does."""
        return self._configuration.getseconds(self._section, key, fallback)

    def geturl(self, key: str, fallback: Any = _NOTHING) -> Any:
        """Return a URL, as `Configuration.geturl` does."""
        return self._configuration.geturl(self._section, key, fallback)
