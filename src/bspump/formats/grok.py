r"""Grok: regular expressions put together from named patterns.

>>> grok = Grok("%{IP:client} %{WORD:verb} (?<path>/\\S*) %{NUMBER:took_s:float}")
>>> grok.match("10.0.0.7 GET /index.html 0.25")
{'client': '10.0.0.7', 'verb': 'GET', 'path': '/index.html', 'took_s': 0.25}
>>> grok.match("something else") is None
True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from bspump.abc.config import parse_boolean
from bspump.abc.errors import ConfigError, UnknownNameError

from .grok_patterns import PATTERNS, START_GUARDS
from .reject import rejected

_TOKEN = re.compile(
    r"""%\{(?P<reference>[^{}]*)\}
      | \\(?P<escaped>.)
      | (?P<set>\[\^?\]?(?:\\.|[^\\\]])*+\])
      | \(\?P?<(?P<inline>[^=!>][^>]*)>""",
    re.VERBOSE | re.DOTALL,
)
_POSIX = re.compile(r".\[:\^?[a-z]+:\]", re.DOTALL)
_REFERENCE = re.compile(r"(\w+)(?::([\w.@-]+)(?::(\w+))?)?", re.ASCII)
_FIELD = re.compile(r"[\w.@-]+", re.ASCII)
_GUARDED = re.compile(rf"%\{{({'|'.join(START_GUARDS)})(?::[^{{}}]*)?\}}(?![*+?{{])")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        if "0x" not in text[:3].lower():
            raise
        return int(text, 16)


_CONVERTERS: Final[dict[str, Callable[[str], Any]]] = {
    "bool": parse_boolean,
    "float": float,
    "int": _integer,
}


def pattern_names() -> list[str]:
    """Return the names of the patterns that ship with bspump, sorted."""
    return sorted(PATTERNS)


class Grok:
    r"""A Grok expression, compiled once, to be matched against many lines.

    An expression is a regular expression of Python in which `%{NAME}` stands for a pattern and
    `%{NAME:field}` and `(?<field>…)` for a field of what comes out; `%{NAME:field:int}` (or
    `float`, `bool`) converts it. Patterns may be made of patterns and bring fields of their own.
    The names of fields are letters, digits, `_`, `.`, `@` and `-`.

    An expression is looked for anywhere in the line: begin it with `^` and end it with `$` where
    it is the whole line, which is faster where it does not match, too. The shipped patterns take
    time in proportion to the line, whatever it is; an expression with several `%{DATA}` or `.*`
    tries all ways to divide a line that does not match.

    Attributes:
        expression: what was compiled.
        fields: the names of the fields, in their order.
        regex: the regular expression it became.

    Args:
        expression: what to look for.
        patterns: more patterns by name; one that has the name of a shipped one replaces it.

    Raises:
        UnknownNameError: a pattern is not defined.
        ConfigError: the expression is malformed, names no field or one twice, or a pattern is
            made of itself.
    """

    def __init__(self, expression: str, patterns: Mapping[str, str] | None = None) -> None:
        own = dict(patterns or {})
        compiler = _Compiler(expression, PATTERNS | own)
        regex = compiler.expand(expression, ())
        if not compiler.fields:
            raise ConfigError(
                f"grok: {expression!r} names no field\n"
                "  what to do: name what is wanted, as in %{NUMBER:took_s:float}"
            )
        guarded = _GUARDED.match(expression)
        if guarded is not None and guarded[1] not in own:
            regex = START_GUARDS[guarded[1]] + regex
        self.expression = expression
        self.fields = tuple(compiler.fields)
        self.regex = compiler.compile(regex)
        groups = self.regex.groupindex
        self._groups = tuple(groups[group] for group in compiler.fields.values())
        self._converters = tuple(compiler.converters)
        is_anchored = expression.startswith("^") and "|" not in expression
        self._find = self.regex.match if is_anchored else self.regex.search

    def match(self, text: str, /) -> dict[str, Any] | None:
        """Return the fields of the first place that matches, None where there is none.

        A field that took no part in the match is left out.

        Raises:
            RejectedError: a field cannot be converted.
        """
        found = self._find(text)
        if found is None:
            return None
        # Group 0 comes first, as there must be two for a tuple to come out.
        values = found.group(0, *self._groups)[1:]
        event: dict[str, Any] = {
            field: value
            for field, value in zip(self.fields, values, strict=False)
            if value is not None
        }
        for field, kind, convert in self._converters:
            if field in event:
                try:
                    event[field] = convert(event[field])
                except ValueError as error:
                    raise rejected("grok", f"{field} to be {kind}", event[field]) from error
        return event

    def __repr__(self) -> str:
        return f"Grok({self.expression!r})"


class _Compiler:
    """Turns an expression into a regular expression, and notes the fields on the way."""

    def __init__(self, expression: str, patterns: Mapping[str, str]) -> None:
        self.fields: dict[str, str] = {}  # group by field
        self.converters: list[tuple[str, str, Callable[[str], Any]]] = []
        self._expression = expression
        self._patterns = patterns

    def expand(self, text: str, inside: tuple[str, ...]) -> str:
        """Return `text` without references; `inside` are the patterns it is a part of."""

        def replace(found: re.Match[str]) -> str:
            if found["reference"] is not None:
                return self._reference(found["reference"], inside)
            if found["inline"] is not None:
                return f"(?P<{self._add_field(found['inline'], inside)}>"
            if found["set"] is not None and _POSIX.search(found["set"]):
                raise self._problem(
                    inside, f"{found['set']}: there are no classes such as [:alpha:]; use [a-zA-Z]"
                )
            if found["escaped"] is not None and found["escaped"] in "123456789":
                # The groups of patterns count too, so the number would mean another one.
                raise self._problem(
                    inside, f"\\{found['escaped']}: name the group, (?<name>…), and use (?P=name)"
                )
            return found[0]

        return _TOKEN.sub(replace, text)

    def _reference(self, reference: str, inside: tuple[str, ...]) -> str:
        parts = _REFERENCE.fullmatch(reference)
        if parts is None:
            raise self._problem(
                inside,
                f"%{{{reference}}}: expected %{{NAME}}, %{{NAME:field}} or %{{NAME:field:int}}",
            )
        name, field, kind = parts.groups()
        if name in inside:
            circle = " → ".join([*inside[inside.index(name) :], name])
            raise self._problem(inside, f"patterns are made of themselves: {circle}")
        pattern = self._patterns.get(name)
        if pattern is None:
            place = f"grok pattern {inside[-1]!r}" if inside else f"{self._expression!r}"
            raise UnknownNameError("grok pattern", name, used_by=place, known=self._patterns)
        if field is None:
            return f"(?:{self.expand(pattern, (*inside, name))})"
        group = self._add_field(field, inside)
        if kind is not None:
            if kind not in _CONVERTERS:
                near = get_close_matches(kind, _CONVERTERS, n=1)
                hint = f"\n  did you mean {near[0]!r}?" if near else ""
                known = ", ".join(sorted(_CONVERTERS))
                raise self._problem(
                    inside, f"%{{{reference}}}: expected one of {known}, got {kind!r}{hint}"
                )
            self.converters.append((field, kind, _CONVERTERS[kind]))
        return f"(?P<{group}>{self.expand(pattern, (*inside, name))})"

    def _add_field(self, field: str, inside: tuple[str, ...]) -> str:
        """Note `field` and return the name of its group, which must be an identifier."""
        if _FIELD.fullmatch(field) is None:
            raise self._problem(
                inside, f"field {field!r}: expected letters, digits, '_', '.', '@' and '-'"
            )
        if field in self.fields:
            raise self._problem(
                inside,
                f"field {field!r} is there twice\n"
                f"  what to do: give each its name, or write (?<{field}>this|that) for one of two",
            )
        group = field if field.isidentifier() else f"_field_{len(self.fields)}"
        self.fields[field] = group
        return group

    def compile(self, regex: str) -> re.Pattern[str]:
        """Return `regex` compiled."""
        try:
            return re.compile(regex)
        except re.error as error:
            near = regex[error.pos : error.pos + 40] if error.pos is not None else regex[:40]
            raise self._problem((), f"{error.msg}, near {near!r}") from error

    def _problem(self, inside: tuple[str, ...], what: str) -> ConfigError:
        where = f"pattern {inside[-1]!r} of " if inside else ""
        return ConfigError(f"grok: {where}{self._expression!r}: {what}")
