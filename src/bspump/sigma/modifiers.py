"""Modifiers that change values: what `base64offset` or `windash` makes of them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Final

from .text import ANY, Pieces, joined, pieces_of, plain_of

Value = Pieces | bytes
"""A value of a rule on its way through its modifiers: text, or text that was encoded."""

_DASHES: Final = ("-", "/", "\u2013", "\u2014", "\u2015")
_DASH: Final = re.compile(r"\B[-/\u2013\u2014\u2015]\b")
_PLACEHOLDER: Final = re.compile(r"%(\w[\w.-]*)%")

# Of the three ways in which bytes can lie within base64, what does not depend on neighbours.
_FIRST: Final = (0, 2, 3)
_LAST: Final = (None, -3, -2)


def change(name: str, value: Value) -> list[Value]:
    """Return what a modifier makes of a value: one, or several of which one has to match.

    Raises:
        ValueError: it cannot be applied; the message says what it expects.
    """
    return CHANGES[name](value)


def expand(value: Value, placeholders: Mapping[str, Sequence[str]]) -> list[Value]:
    """Return a value for each combination of what its placeholders, `%name%`, stand for.

    Raises:
        ValueError: a placeholder is not defined.
    """
    text = _text(value, "expand")
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    for name in names:
        if name not in placeholders:
            raise ValueError(f"a placeholder out of {', '.join(placeholders) or 'none'}")
    found: list[Value] = []
    for chosen in product(*(placeholders[name] for name in names)):
        filled = text
        for name, word in zip(names, chosen, strict=True):
            filled = filled.replace(f"%{name}%", str(word))
        found.append(pieces_of(filled))
    return found


def _text(value: Value, name: str) -> str:
    text = None if isinstance(value, bytes) else plain_of(value)
    if text is None:
        raise ValueError(f"text without wildcards before `{name}`")
    return text


def _bytes(value: Value, name: str) -> bytes:
    return value if isinstance(value, bytes) else _text(value, name).encode()


def _encoded(name: str, encoding: str) -> Callable[[Value], list[Value]]:
    return lambda value: [_text(value, name).encode(encoding)]


def _base64(value: Value) -> list[Value]:
    return [(base64.b64encode(_bytes(value, "base64")).decode(),)]


def _base64offset(value: Value) -> list[Value]:
    plain, found = _bytes(value, "base64offset"), []
    for offset in range(3):
        text = base64.b64encode(b" " * offset + plain).decode()
        found.append((text[_FIRST[offset] : _LAST[(len(plain) + offset) % 3]],))
    return list(found)


def _windash(value: Value) -> list[Value]:
    if isinstance(value, bytes):
        raise ValueError("text before `windash`")  # noqa: TRY004 - it is told to who wrote the rule

    def replaced(dash: str) -> Pieces:
        return tuple(_DASH.sub(dash, p) if isinstance(p, str) else p for p in value)

    return list(dict.fromkeys([value, *map(replaced, _DASHES)]))


def _wrapped(before: Iterable[int], after: Iterable[int]) -> Callable[[Value], list[Value]]:
    def wrap(value: Value) -> list[Value]:
        if isinstance(value, bytes):
            raise ValueError("`base64` or `base64offset` before it")  # noqa: TRY004
        return [joined(*before, *value, *after)]

    return wrap


CHANGES: Final[Mapping[str, Callable[[Value], list[Value]]]] = {
    "base64": _base64,
    "base64offset": _base64offset,
    "contains": _wrapped([ANY], [ANY]),
    "endswith": _wrapped([ANY], []),
    "startswith": _wrapped([], [ANY]),
    "utf16": _encoded("utf16", "utf-16"),
    "utf16be": _encoded("utf16be", "utf-16-be"),
    "utf16le": _encoded("utf16le", "utf-16-le"),
    "wide": _encoded("wide", "utf-16-le"),
    "windash": _windash,
}
