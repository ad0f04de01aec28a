"""Names of output files, made from a template.

>>> template = NameTemplate("out/{pipeline}-{index:04}.json", pipeline="Log", sink="File")
>>> template.path(7, 0.0).as_posix(), template.temporary_glob()
('out/Log-0007.json', 'out/.*.part')
>>> template.is_temporary(Path("out/.Log-0007.json.part"))
True
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import Final

from bspump.abc.errors import ConfigError
from bspump.clients.files.output import final_path

FIELDS: Final = ("index", "pipeline", "sink", "time")

_Parts = list[tuple[str, str | None, str | None, str | None]]


class NameTemplate:
    """A path with fields in braces: `{index}`, `{time:%Y%m%d-%H}` (UTC), `{pipeline}`, `{sink}`.

    Args:
        text: the template.
        pipeline: Id of the pipeline.
        sink: Id of the sink.

    Raises:
        ConfigError: a field is not known, or its format is not.
    """

    def __init__(self, text: str, *, pipeline: str, sink: str) -> None:
        self._text = str(Path(text))
        self._known = {"pipeline": _plain(pipeline), "sink": _plain(sink)}
        try:
            parts = list(Formatter().parse(self._text))
            self._used = {name for _, name, _, _ in parts if name is not None}
            name = self.path(0, 0.0).name
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise _wrong(sink, text, str(error)) from error
        if not name.strip() or text.endswith("/") or not self._used.issubset(FIELDS):
            raise _wrong(sink, text, "names no file, or has other fields")
        self._regex = re.compile("".join(self._regexes(parts)))
        self._directory = "".join(self._globs(parts)).rpartition("/")[0]

    def path(self, index: int, time_s: float) -> Path:
        """Return the name of a file; without `{index}` a number is added to all but the first.

        Args:
            index: the number of the file.
            time_s: when it was begun, Unix seconds.
        """
        time = datetime.fromtimestamp(time_s, UTC)
        path = Path(self._text.format(index=index, time=time, **self._known))
        if index == 0 or "index" in self._used:
            return path
        stem, dot, extensions = path.name.partition(".")
        return path.with_name(f"{stem}-{index}{dot}{extensions}")

    def is_fixed(self) -> bool:
        """Tell whether the name is always the same."""
        return not self._used & {"index", "time"}

    def temporary_glob(self) -> str:
        """Return a glob that matches all names under which files of this template are written."""
        return str(Path(self._directory, ".*.part"))

    def is_temporary(self, path: Path) -> bool:
        """Tell whether a file of this template may be written under the name `path`."""
        final = final_path(path)
        names = {str(final)}
        if "index" not in self._used:
            names.add(str(final.with_name(re.sub(r"\A([^.]*)-\d+", r"\1", final.name))))
        return any(self._regex.fullmatch(name) for name in names)

    def _globs(self, parts: _Parts) -> Iterator[str]:
        for literal, name, spec, _ in parts:
            yield glob.escape(literal)
            if name in self._known:
                yield glob.escape(self._known[name])
            elif name is not None:
                # A time may make directories: `{time:%Y/%m/%d}`.
                yield re.sub(r"[^/]+", "*", spec) if spec and name == "time" else "*"

    def _regexes(self, parts: _Parts) -> Iterator[str]:
        for literal, name, spec, _ in parts:
            yield re.escape(literal)
            if name in self._known:
                yield re.escape(self._known[name])
            elif name == "index":
                yield "[^/]*[0-9][^/]*" if spec else "[0-9]+"
            elif name is not None:
                yield re.sub(r"[^/]+", "[^/]+", spec) if spec else "[^/]+"


def _wrong(sink: str, text: str, reason: str) -> ConfigError:
    fields = ", ".join(f"{{{name}}}" for name in FIELDS)
    return ConfigError(
        f"path of {sink!r}: expected the path of a file, with fields out of {fields}\n"
        f"  got: {text!r} ({reason})"
    )


def _plain(id: str) -> str:
    return id.replace("/", "_")
