"""Reading INI files: sections, `key = value`, and values that go on in indented lines."""

from __future__ import annotations

import re

from bspump.abc.config import Entry
from bspump.abc.errors import ConfigError

from .config_content import Content, lines_of, problem

_HEADER = re.compile(r"\[(?P<section>[^\]]+)\]\s*(?:[#;].*)?")
_OPTION = re.compile(r"(?P<key>[^=:\s][^=:]*?)\s*[=:]\s*(?P<value>.*)")


def read_ini(text: str, name: str) -> Content:
    """Read the text of the file `name`.

    Keys keep their case. A comment is a line that begins with `#` or `;`, so a value may contain
    both. A value goes on in lines that are indented more than its key.
    """
    content = Content()
    section: str | None = None
    values: dict[tuple[str, str], tuple[list[str], str]] = {}
    open_lines: list[str] | None = None
    open_indent = 0
    for number, line in lines_of(text):
        place, stripped = f"{name}:{number}", line.strip()
        indent = len(line) - len(line.lstrip())
        if stripped.startswith(("#", ";")):
            continue
        if open_lines is not None and (not stripped or indent > open_indent):
            open_lines.append(stripped)
            continue
        if not stripped:
            continue
        open_lines, open_indent = None, indent
        if header := _HEADER.fullmatch(stripped):
            section = header["section"].strip()
            content.section(section, place)
            continue
        option = _OPTION.fullmatch(stripped)
        if option is None or section is None:
            content.problems.append(_wrong_line(place, stripped, in_section=section is not None))
            continue
        open_lines, key = [option["value"]], option["key"]
        if (section, key) in values:
            first = values[section, key][1]
            content.problems.append(_duplicate(place, section, key, first))
        else:
            values[section, key] = (open_lines, place)
    for (where, key), (lines, place) in values.items():
        content.put(where, key, Entry("\n".join(lines).strip(), place))
    return content


def _wrong_line(place: str, line: str, *, in_section: bool) -> ConfigError:
    # Only the first word is shown: what follows might be a password without its `=`.
    first, _, rest = line.partition(" ")
    first = first.partition("=")[0].partition(":")[0]
    got = repr(first + (" …" if rest or first != line else ""))
    if not in_section:
        return problem(place, "an option outside of any section", expected="[section]", got=got)
    return problem(
        place, "a line that is no option", expected="`key = value` or [section]", got=got
    )


def _duplicate(place: str, section: str, key: str, first: str) -> ConfigError:
    what = f"[{section}] {key} is there twice"
    return problem(place, what, expected="each key once", got=f"the first one at {first}")
