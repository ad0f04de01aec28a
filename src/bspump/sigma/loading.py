"""Reading documents with rules: from files, from directories, or as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bspump.abc.errors import ConfigError

from .correlations import Correlation, read_correlation
from .problems import Place, Problems
from .rules import Manner, Rule, read_rule

Given = str | Path | Mapping[str, Any]
"""A file, a directory with files in it, `*.yml` or `*.yaml`, or the content of a document."""


class Loaded:
    """All rules and correlations of some documents.

    Args:
        given: where they are.
        manner: how they are read.

    Raises:
        ConfigErrors: everything that is wrong with them.
    """

    def __init__(self, given: Iterable[Given], manner: Manner | None = None) -> None:
        self.rules: list[Rule] = []
        self.correlations: list[Correlation] = []
        self.left_out = 0
        self._problems = Problems()
        self._places: dict[str, str] = {}
        self._names: dict[str, str] = {}
        manner = manner or Manner()
        documents = list(self._documents(given))
        for document, place in documents:
            if "correlation" not in document:
                self._take_rule(document, manner, place)
        for document, place in documents:
            if "correlation" in document:
                self._note(document, place)
                found = read_correlation(document, self._names, place)
                if found is not None:
                    self.correlations.append(found)
        self._problems.raise_all()

    def _take_rule(self, document: Mapping[str, Any], manner: Manner, place: Place) -> None:
        rule = read_rule(document, manner, place) if manner.is_compiled else None
        if rule is not None:
            self.rules.append(rule)
        else:
            self.left_out += manner.is_compiled
        self._note(document, place)
        # Correlations may refer to rules that are left out, too: these are never found.
        names = [str(document[key]) for key in ("id", "name") if document.get(key)]
        names = names or [str(document.get("title"))]
        self._names |= dict.fromkeys(names, names[0])

    def _note(self, document: Mapping[str, Any], place: Place) -> None:
        """Take note of the names of a rule, which nothing else may have."""
        for key in ("id", "name"):
            name = document.get(key)
            if isinstance(name, str) and name:
                if name in self._places:
                    place.at(key).report(f"one that {self._places[name]} does not have", name)
                self._places[name] = f"{place.file} ({place.rule})"

    def _documents(self, given: Iterable[Given]) -> Iterator[tuple[Mapping[str, Any], Place]]:
        for each in given:
            if isinstance(each, Mapping):
                yield from self._checked(each, "program")
                continue
            for file in self._files(Path(each)):
                yield from self._read(file)

    def _files(self, path: Path) -> Sequence[Path]:
        if path.is_file():
            return [path]
        found = sorted(p for p in path.rglob("*") if p.suffix in (".yml", ".yaml"))
        if not found:
            Place(self._problems, str(path), "sigma", "rules").report(
                "a file with rules, or a directory with such files", str(path)
            )
        return found

    def _read(self, file: Path) -> Iterator[tuple[Mapping[str, Any], Place]]:
        try:
            documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
            self._problems.found.append(
                ConfigError(f"{file}: it cannot be read: {error} [{ConfigError.Code}]")
            )
            return
        documents = [document for document in documents if document is not None]
        for number, document in enumerate(documents, 1):
            name = f"{file} (document {number})" if len(documents) > 1 else str(file)
            yield from self._checked(document, name)

    def _checked(self, document: Any, name: str) -> Iterator[tuple[Mapping[str, Any], Place]]:
        if not isinstance(document, Mapping):
            Place(self._problems, name).report("a mapping: a rule or a correlation", document)
            return
        title = str(document.get("title") or document.get("id") or "?")
        place = Place(self._problems, name, title)
        if "filter" in document or "action" in document:
            key = "filter" if "filter" in document else "action"
            place.at(key).report("a rule or a correlation; this is not supported", document[key])
            return
        yield document, place
