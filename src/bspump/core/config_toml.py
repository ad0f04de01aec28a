"""Reading TOML files."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from bspump.abc.config import Entry

from .config_content import Content, Table, lines_of, plain, problem

_KEY = re.compile(r"\s*(?P<key>(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_\-. ])+?)\s*=")
_ERROR_LINE = re.compile(r" ?\(at (?:line (?P<line>\d+), column \d+|end of document)\)")

_Path = tuple[str, ...]


def read_toml(text: str, name: str) -> Content:
    """Read the text of the file `name`."""
    content = Content()
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        at = _ERROR_LINE.search(str(error))
        line = int(at["line"]) if at and at["line"] else len(text.rstrip().split("\n"))
        place, got = f"{name}:{line}", _ERROR_LINE.sub("", str(error))
    except RecursionError:
        place, got = name, "too many levels"
    else:
        content.add(_table(data, (), 1, name, _lines(text)))
        return content
    content.problems.append(problem(place, "the file is not valid", expected="TOML", got=got))
    return content


def _table(
    data: dict[str, Any], path: _Path, line: int, name: str, lines: dict[_Path, int]
) -> Table:
    table = Table(f"{name}:{line}")
    for key, value in data.items():
        here = (*path, key)
        at = lines.get(here, line)
        if isinstance(value, dict):
            table[key] = _table(value, here, at, name, lines)
        else:
            table[key] = Entry(plain(value), f"{name}:{at}")
    return table


def _lines(text: str) -> dict[_Path, int]:
    """Find the line of each key; `tomllib` does not tell.

    The inside of a text of several lines may look like a key; then that text is the only one
    whose place is off.
    """
    found: dict[_Path, int] = {}
    table: _Path = ()
    for number, line in lines_of(text):
        if line.lstrip().startswith("["):
            path = _path(line)
            if path:
                table = path
                found.setdefault(path, number)
        elif match := _KEY.match(line):
            found.setdefault((*table, *_path(f"{match['key']} = 0")), number)
    return found


def _path(line: str) -> _Path:
    try:
        value: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            value = value[0]
            continue
        key, value = next(iter(value.items()))
        path.append(key)
    return tuple(path)
