r"""Characters as they are written in a configuration, where white space around a value is lost.

>>> unescape(r"\t"), unescape(r"\r\n"), unescape(";"), unescape("\\")
('\t', '\r\n', ';', '\\')
"""

from __future__ import annotations

import csv
from typing import Annotated, Any, Final

from msgspec import Meta

_ESCAPES: Final = {r"\t": "\t", r"\n": "\n", r"\r": "\r", r"\0": "\0", r"\\": "\\"}
_NEWLINES: Final = ("", "\n", "\r", "\r\n")


def unescape(value: Any) -> Any:
    r"""Return the text with `\t`, `\n`, `\r`, `\0` and `\\` as the characters they stand for."""
    if not isinstance(value, str) or len(value) < 2:
        return value
    parts, i = [], 0
    while i < len(value):
        pair = value[i : i + 2]
        parts.append(_ESCAPES.get(pair, value[i]))
        i += 2 if pair in _ESCAPES else 1
    return "".join(parts)


def parse_newline(value: Any) -> str:
    r"""Return one of the ends of lines that `open` knows.

    Raises:
        ValueError: it is another.
    """
    newline = unescape(value)
    if newline not in _NEWLINES:
        raise ValueError(r"Expected one of `\n`, `\r`, `\r\n`, or nothing")
    return newline


def parse_character(value: Any) -> str:
    r"""Return a single character.

    Raises:
        ValueError: it is none, or there are more.
    """
    character = unescape(value)
    if not isinstance(character, str) or len(character) != 1:
        raise ValueError(r"Expected one character, such as `;` or `\t`")
    return character


def parse_optional_character(value: Any) -> str:
    """Return a single character, or nothing.

    Raises:
        ValueError: there are more.
    """
    return "" if value is None or value == "" else parse_character(value)


def parse_quoting(value: Any) -> int:
    """Return a `QUOTE_…` constant of the module `csv`, given as such, as a number or by name.

    >>> parse_quoting("all"), parse_quoting("QUOTE_NONE"), parse_quoting("2")
    (1, 3, 2)

    Raises:
        ValueError: there is no such constant.
    """
    names = {name: number for name, number in vars(csv).items() if name.startswith("QUOTE_")}
    text = value if isinstance(value, str) else ""
    name = f"QUOTE_{text.strip().upper().removeprefix('QUOTE_')}"
    if name in names:
        return int(names[name])
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number not in names.values():
        known = ", ".join(f"{number} ({name})" for name, number in names.items())
        raise ValueError(f"Expected one of {known}")
    return number


Newline = Annotated[str, Meta(extra={"parse": parse_newline})]
Character = Annotated[str, Meta(extra={"parse": parse_character})]
OptionalCharacter = Annotated[str, Meta(extra={"parse": parse_optional_character})]
Quoting = Annotated[int, Meta(extra={"parse": parse_quoting})]
