"""One line of a detection, `Image|endswith: [a, b]`, as a test."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .modifiers import CHANGES, Value, change, expand
from .nodes import Node, Test, all_of, any_of, none_of
from .problems import Place
from .text import ANY, Pieces, anchor_of, joined, lowered, pieces_of, plain_of, text_test
from .view import KEYWORDS, View, text_of

Scalar = str | int | float | bool | None

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_KINDS: Final = (*_COMPARISONS, "re", "cidr", "exists", "fieldref")
_PLACES: Final = ("contains", "startswith", "endswith")
_KNOWN: Final = (*CHANGES, *_KINDS, *_FLAGS, "all", "cased", "expand", "neq")
_ALONE: Final = {"all", "neq", "cased", *_FLAGS}


class ItemCompiler:
    """Makes tests of lines. What is wrong is reported, and the test is `None` then.

    Args:
        placeholders: what `%name%` stands for, for values with `expand`.
    """

    def __init__(self, placeholders: Mapping[str, Sequence[str]]) -> None:
        self._placeholders = placeholders

    def compile(self, key: str, values: Sequence[Scalar], place: Place) -> Node | None:
        """Return the test of a line.

        Args:
            key: the field and its modifiers; without a field, the whole event is meant.
            values: of which one has to match, with `all` each of them.
            place: where it stands.
        """
        field, *modifiers = key.split("|")
        kind = self._kind(modifiers, place)
        if kind is None or not values:
            if not values:
                place.report("one value or more", [])
            return None
        try:
            groups = self._groups(field, kind, modifiers, values)
        except ValueError as error:
            expected, _, got = str(error).partition("|")
            place.report(expected, got or list(values))
            return None
        node = all_of(groups) if "all" in modifiers else any_of(groups)
        return none_of(node) if "neq" in modifiers else node

    def _kind(self, modifiers: Sequence[str], place: Place) -> str | None:
        """Return which kind of comparison is meant, `text` where none is named."""
        for name in modifiers:
            if name not in _KNOWN:
                place.report(f"modifiers out of {', '.join(sorted(_KNOWN))}", name, known=_KNOWN)
                return None
        kinds = [name for name in modifiers if name in _KINDS]
        kind = kinds[0] if kinds else "text"
        changes = [name for name in modifiers if name not in _ALONE and name != kind]
        may_change = {"text": set(_KNOWN), "fieldref": set(_PLACES), "re": {"expand"}}
        unfit = [name for name in changes if name not in may_change.get(kind, ())]
        unfit += [name for name in modifiers if name in _FLAGS and kind != "re"]
        if len(kinds) > 1 or unfit:
            place.report(f"modifiers that go together with {kind}", "|".join(modifiers))
            return None
        return kind

    def _groups(
        self, field: str, kind: str, modifiers: Sequence[str], values: Sequence[Scalar]
    ) -> list[Node]:
        """Return a test for each value; where one is enough, for many of them together."""
        if kind == "text":
            is_cased = "cased" in modifiers
            changed = [self._changed(field, modifiers, value) for value in values]
            if "all" in modifiers:
                return [_text_node(field, pieces, is_cased=is_cased) for pieces in changed]
            return [_text_node(field, [p for ps in changed for p in ps], is_cased=is_cased)]
        make = _MAKERS[kind]
        return [Node(make(field, modifiers, value)) for value in values]

    def _changed(self, field: str, modifiers: Sequence[str], value: Scalar) -> list[Pieces | None]:
        """Return what a value means after all of its modifiers; `None` is that there is none."""
        if value is None:
            return [None]
        found: list[Value] = [pieces_of(value) if isinstance(value, str) else (text_of(value),)]
        for name in modifiers:
            if name == "expand":
                found = [v for each in found for v in expand(each, self._placeholders)]
            elif name in CHANGES:
                found = [v for each in found for v in change(name, each)]
        pieces: list[Pieces | None] = []
        for each in found:
            if isinstance(each, bytes):
                raise ValueError("`base64` or `base64offset` after it|" + "|".join(modifiers))  # noqa: TRY004
            is_anywhere = field == KEYWORDS and not set(modifiers) & set(_PLACES)
            pieces.append(joined(ANY, *each, ANY) if is_anywhere else each)
        return pieces


def _text_node(field: str, alternatives: Sequence[Pieces | None], *, is_cased: bool) -> Node:
    """Return a test that a value of the field matches one of the alternatives."""
    nodes: list[Node] = []
    if None in alternatives:
        nodes.append(Node(_is_null(field)))
    pieces = [each for each in alternatives if each is not None]
    words = [word for each in pieces if (word := plain_of(each)) is not None]
    rest = [each for each in pieces if plain_of(each) is None]
    if words:
        nodes.append(_words_node(field, words, is_cased=is_cased))
    for each in rest:
        test = text_test(each if is_cased else lowered(each))
        nodes.append(_anchored(field, [each], _some(field, test, is_cased=is_cased)))
    return any_of(nodes)


def _words_node(field: str, words: Sequence[str], *, is_cased: bool) -> Node:
    test: Test
    if len(words) == 1 and not is_cased:
        word = words[0].lower()
        test = lambda view: word in view.low[field]  # noqa: E731 - one of two ways to say it
    else:
        known = frozenset(words if is_cased else [word.lower() for word in words])
        test = _some(field, known.__contains__, is_cased=is_cased)
    return _anchored(field, [(word,) if word else () for word in words], test)


def _anchored(field: str, alternatives: Sequence[Pieces], test: Test) -> Node:
    found = [anchor_of(each) for each in alternatives]
    if None in found:
        return Node(test)
    return Node(test, frozenset((field, anchor) for anchor in found if anchor is not None))


def _some(field: str, test: Callable[[str], bool], *, is_cased: bool) -> Test:
    """Return a test that one value of the field passes."""
    if is_cased:
        return lambda view: any(test(text_of(v)) for v in view.raw[field] if v is not None)

    def some(view: View) -> bool:
        for value in view.low[field]:  # noqa: SIM110 - a generator costs thrice
            if test(value):
                return True
        return False

    return some


def _is_null(field: str) -> Test:
    return lambda view: all(value is None for value in view.raw[field])


# Kinds other than text. Each raises ValueError: what it expects, `|`, what came.


def _regex(field: str, modifiers: Sequence[str], value: Scalar) -> Test:
    flags = 0
    for name in modifiers:
        flags |= _FLAGS.get(name, 0)
    try:
        search = re.compile(value if isinstance(value, str) else text_of(value), flags).search
    except re.error as error:
        raise ValueError(f"a regular expression ({error})|{value}") from None
    return _some(field, lambda text: search(text) is not None, is_cased=True)


def _cidr(field: str, modifiers: Sequence[str], value: Scalar) -> Test:
    try:
        network = ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError(f"a network such as 10.0.0.0/8|{value}") from None

    def is_inside(text: str) -> bool:
        try:
            return ipaddress.ip_address(text.strip()) in network
        except ValueError:
            return False

    return _some(field, is_inside, is_cased=True)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _compared(field: str, modifiers: Sequence[str], value: Scalar) -> Test:
    bound = _number(value)
    if bound is None:
        raise ValueError(f"a number|{value}")
    compare = next(_COMPARISONS[name] for name in modifiers if name in _COMPARISONS)

    def test(view: View) -> bool:
        numbers = (_number(each) for each in view.raw[field])
        return any(number is not None and compare(number, bound) for number in numbers)

    return test


def _exists(field: str, modifiers: Sequence[str], value: Scalar) -> Test:
    if not isinstance(value, bool):
        raise ValueError(f"true or false|{value}")  # noqa: TRY004 - it is told to who wrote it
    return lambda view: bool(view.raw[field]) is value


def _reference(field: str, modifiers: Sequence[str], value: Scalar) -> Test:
    if not isinstance(value, str) or not value:
        raise ValueError(f"the name of a field|{value}")
    other, is_cased = value, "cased" in modifiers
    compare: Callable[[str, str], bool] = operator.eq
    if "contains" in modifiers:
        compare = operator.contains
    elif "startswith" in modifiers:
        compare = str.startswith
    elif "endswith" in modifiers:
        compare = str.endswith

    def texts(view: View, name: str) -> Sequence[str]:
        return [text_of(v) for v in view.raw[name] if v is not None] if is_cased else view.low[name]

    return lambda view: any(
        compare(text, part) for text in texts(view, field) for part in texts(view, other)
    )


_MAKERS: Final[Mapping[str, Callable[[str, Sequence[str], Scalar], Test]]] = {
    **dict.fromkeys(_COMPARISONS, _compared),
    "re": _regex,
    "cidr": _cidr,
    "exists": _exists,
    "fieldref": _reference,
}
