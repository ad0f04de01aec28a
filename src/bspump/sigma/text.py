"""Values of rules that are text with wildcards, and what compares with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

ANY: Final = 1
"""Any number of characters: `*`."""

ONE: Final = 2
"""One character: `?`."""

GRAM: Final = 3
"""So many neighbouring characters are looked up to find a part of a text."""

Pieces = tuple[str | int, ...]
"""Text and wildcards, one after the other; no two texts are neighbours."""

TextTest = Callable[[str], bool]

_WILDCARDS: Final = {"*": ANY, "?": ONE}
_REGEX: Final = {ANY: ".*", ONE: "."}


class Anchor(NamedTuple):
    """What a text must have, in lower case.

    Args:
        kind: it is equal to `text` (`exact`), begins so (`prefix`), ends so (`suffix`), or has it
            somewhere (`part`).
        text: of at least `GRAM` characters for a part.
    """

    kind: str
    text: str


def pieces_of(text: str) -> Pieces:
    r"""Return the pieces of a text as rules have it.

    A backslash before a wildcard or another backslash takes their meaning from them; any other
    one is a character like all.

    >>> pieces_of(r"a*b?"), pieces_of(r"C:\x\*"), pieces_of(r"\\*")
    (('a', 1, 'b', 2), ('C:\\x*',), ('\\', 1))
    """
    found: list[str | int] = []
    plain: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\\" and text[position : position + 1] in ("*", "?", "\\"):
            plain.append(text[position : position + 1] or "\\")
            position += 1
        elif character in _WILDCARDS:
            if plain:
                found.append("".join(plain))
                plain = []
            found.append(_WILDCARDS[character])
        else:
            plain.append(character)
    if plain:
        found.append("".join(plain))
    return tuple(found)


def plain_of(pieces: Pieces) -> str | None:
    """Return the text, `None` if there are wildcards in it."""
    if not pieces:
        return ""
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], str) else None


def joined(*parts: str | int) -> Pieces:
    """Return pieces put together, neighbouring texts and `ANY`s as one.

    >>> joined("a", "b", ANY, ANY)
    ('ab', 1)
    """
    found: list[str | int] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, str) and isinstance(last, str):
            found[-1] = last + part
        elif part != "" and not (part == ANY and last == ANY):
            found.append(part)
    return tuple(found)


def text_test(pieces: Pieces) -> TextTest:
    """Return what compares a text with pieces. In lower case if the pieces are."""
    match pieces:
        case ():
            return lambda value: value == ""
        case (str() as word,):
            return lambda value: value == word
        case (1,):
            return lambda value: True
        case (str() as word, 1):
            return lambda value: value.startswith(word)
        case (1, str() as word):
            return lambda value: value.endswith(word)
        case (1, str() as word, 1):
            return lambda value: word in value
    parts = [re.escape(p) if isinstance(p, str) else _REGEX[p] for p in pieces]
    match_all = re.compile("".join(parts), re.DOTALL).fullmatch
    return lambda value: match_all(value) is not None


def lowered(pieces: Pieces) -> Pieces:
    """Return pieces in lower case."""
    return tuple(piece.lower() if isinstance(piece, str) else piece for piece in pieces)


def anchor_of(pieces: Sequence[str | int]) -> Anchor | None:
    """Return what a text that matches must have, `None` if nothing that can be looked up."""
    if not pieces:
        return Anchor("exact", "")
    first, last = pieces[0], pieces[-1]
    if isinstance(first, str) and len(pieces) == 1:
        return Anchor("exact", first.lower())
    if isinstance(last, str):
        return Anchor("suffix", last.lower())
    if isinstance(first, str):
        return Anchor("prefix", first.lower())
    longest = max((piece for piece in pieces if isinstance(piece, str)), key=len, default="")
    return Anchor("part", longest.lower()) if len(longest) >= GRAM else None
