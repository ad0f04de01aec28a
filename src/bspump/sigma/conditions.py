"""Conditions of rules: `selection and not 1 of filter_*`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from .nodes import Node, all_of, any_of, none_of
from .problems import Place

_TOKEN: Final = re.compile(r"\s*([()]|[^\s()]+)")
_DEEPEST: Final = 50


def compile_condition(text: str, parts: Mapping[str, Node], place: Place) -> Node | None:
    """Return the test of a condition; `None` if something is wrong with it, which is reported.

    Args:
        text: with `and`, `or`, `not`, brackets, names of parts, and `1 of`, `any of`, `all of`
            with a name that may contain `*`, or `them`: all but those that begin with `_`.
        parts: the tests of a rule, by name.
        place: where it stands.
    """
    try:
        return _Reader(text, parts).read()
    except ValueError as error:
        expected, _, got = str(error).partition("|")
        known = parts if "name" in expected else ()
        place.report(
            expected, got or text, what=f"the condition {text!r} is not valid", known=known
        )
        return None


class _Reader:
    """Reads a condition. Raises ValueError: what was expected, `|`, what came instead."""

    def __init__(self, text: str, parts: Mapping[str, Node]) -> None:
        self._tokens = _TOKEN.findall(text)
        self._parts = parts
        self._position = 0
        self._depth = 0

    def read(self) -> Node:
        node = self._any()
        if (left := self._peek()) is not None:
            expected = "one of and, or, and no aggregation: that is a rule of its own now, a"
            raise ValueError(
                f"{expected} correlation|{left}"
                if left == "|"
                else f"`and`, `or` or the end|{left}"
            )
        return node

    def _peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _next(self) -> str:
        found = self._peek()
        if found is None:
            raise ValueError("the name of a part|the end")
        self._position += 1
        return found

    def _is_next(self, word: str) -> bool:
        found = self._peek()
        if found is None or found.lower() != word:
            return False
        self._position += 1
        return True

    def _any(self) -> Node:
        nodes = [self._all()]
        while self._is_next("or"):
            nodes.append(self._all())
        return any_of(nodes)

    def _all(self) -> Node:
        nodes = [self._one()]
        while self._is_next("and"):
            nodes.append(self._one())
        return all_of(nodes)

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"at most {_DEEPEST} brackets in each other|more")
        try:
            if self._is_next("not"):
                return none_of(self._one())
            if self._is_next("("):
                node = self._any()
                if not self._is_next(")"):
                    raise ValueError(f"a closing bracket|{self._peek() or 'the end'}")
                return node
            return self._named()
        finally:
            self._depth -= 1

    def _named(self) -> Node:
        word = self._next()
        if word.lower() in ("1", "any", "all") and self._is_next("of"):
            nodes = self._matching(self._next())
            return all_of(nodes) if word.lower() == "all" else any_of(nodes)
        if word not in self._parts:
            raise ValueError(f"the name of a part: {', '.join(self._parts)}|{word}")
        return self._parts[word]

    def _matching(self, name: str) -> list[Node]:
        if name.lower() == "them":
            found = [node for key, node in self._parts.items() if not key.startswith("_")]
        else:
            found = [node for key, node in self._parts.items() if fnmatchcase(key, name)]
        if not found:
            raise ValueError(f"a name that fits one of {', '.join(self._parts)}|{name}")
        return found
