"""Queries in MongoDB's language, compiled to a function once and asked for every event.

>>> is_hit = compile_query({"status": {"$gte": 500}, "host.name": {"$in": ["a", "b"]}})
>>> is_hit({"status": 503, "host": {"name": "b"}}), is_hit({"status": 503})
(True, False)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from bspump.abc.errors import ConfigError

Predicate = Callable[[Any], bool]
"""Given a value, tells whether it is meant."""

Found = Sequence[Any]
"""What stands at a path: nothing, one value, or several where the path leads through lists."""

Test = Callable[[Found], bool]

_REGEX_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Final[dict[str, Predicate]] = {
    "double": lambda value: isinstance(value, float),
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list | tuple),
    "binData": lambda value: isinstance(value, bytes | bytearray),
    "bool": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, datetime),
    "null": lambda value: value is None,
    "int": lambda value: _is_number(value) and isinstance(value, int),
    "long": lambda value: _is_number(value) and isinstance(value, int),
    "number": _is_number,
}
_TYPE_NUMBERS: Final = {
    1: "double", 2: "string", 3: "object", 4: "array", 5: "binData", 8: "bool", 9: "date",
    10: "null", 16: "int", 18: "long",
}  # fmt: skip


def compile_query(query: Mapping[str, Any]) -> Predicate:
    """Return a function that tells whether an event matches `query`.

    Fields are named with dots through mappings, `msgspec.Struct`s and lists (by index, or any
    item). A list matches if one of its items does. Values of different kinds never compare, and
    a truth value is no number. Supported are `$eq $ne $gt $gte $lt $lte $in $nin $and $or $nor
    $not $exists $type $regex $options $mod $size $all $elemMatch $comment`; a compiled regular
    expression stands for `$regex`.

    Raises:
        ConfigError: it is no such query; the message says where.
    """
    return _compile_query(query, "query")


def _compile_query(query: Any, where: str) -> Predicate:
    if not isinstance(query, Mapping):
        raise _wrong(where, "a mapping of fields and conditions", query)
    tests = []
    for key, value in query.items():
        here = f"{where}.{key}"
        if not isinstance(key, str):
            raise _wrong(where, "names of fields and operators", key)
        if key == "$comment":
            continue
        if key.startswith("$"):
            tests.append(_compile_logical(key, value, here))
        else:
            tests.append(_at(key, _compile_condition(value, here)))
    return _all_of(tests)


def _all_of(tests: Sequence[Predicate]) -> Predicate:
    """Return the conjunction; written out, because `all(…)` over a generator costs thrice."""
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda value: first(value) and second(value)

    def test_all(value: Any) -> bool:
        for test in tests:  # noqa: SIM110
            if not test(value):
                return False
        return True

    return test_all


def _compile_logical(name: str, value: Any, where: str) -> Predicate:
    known = ("$and", "$or", "$nor")
    if name not in known:
        raise _unknown(name, where, known)
    if not isinstance(value, list | tuple) or not value:
        raise _wrong(where, "a list of queries", value)
    parts = [_compile_query(each, f"{where}[{i}]") for i, each in enumerate(value)]
    if name == "$and":
        return _all_of(parts)
    if name == "$or":
        return lambda event: any(part(event) for part in parts)
    return lambda event: not any(part(event) for part in parts)


def _at(path: str, test: Test) -> Predicate:
    """Return a predicate that applies `test` to what stands at `path`."""
    parts = path.split(".")

    def at_path(event: Any) -> bool:
        value = event
        # Nearly always nothing but dicts is on the way.
        for part in parts:
            if type(value) is not dict:
                return test(_find(event, parts))
            if part not in value:
                return test(())
            value = value[part]
        return test((value,))

    return at_path


def _find(value: Any, parts: Sequence[str]) -> list[Any]:
    found = [value]
    for part in parts:
        below: list[Any] = []
        for each in found:
            _descend(each, part, below)
        found = below
    return found


def _descend(value: Any, part: str, below: list[Any]) -> None:
    """Append what `part` leads to in `value`: of a list, its index or that of every item."""
    if isinstance(value, list | tuple):
        if part.isdecimal():
            below += value[int(part) : int(part) + 1]
        for item in value:
            if not isinstance(item, list | tuple):
                _descend(item, part, below)
    elif isinstance(value, Mapping):
        if part in value:
            below.append(value[part])
    elif isinstance(value, msgspec.Struct) and part in value.__struct_fields__:
        below.append(getattr(value, part))


def _compile_condition(value: Any, where: str) -> Test:
    """Return the test of one field: operators, or a value that it equals."""
    is_operators = isinstance(value, Mapping) and any(
        isinstance(key, str) and key.startswith("$") for key in value
    )
    if not is_operators:
        return _equals(value)
    tests = []
    for name, argument in value.items():
        if name == "$options" and "$regex" in value:
            continue
        make = _OPERATORS.get(name)
        if make is None:
            raise _unknown(name, where, _OPERATORS)
        if name == "$regex":
            argument = (argument, value.get("$options", ""))  # noqa: PLW2901 - they are one
        tests.append(make(argument, f"{where}.{name}"))
    return _all_of(tests)


def _any_of(predicate: Predicate) -> Test:
    """Return a test that one of the values passes, or one item of those that are lists."""

    def test(found: Found) -> bool:
        for value in found:
            if predicate(value):
                return True
            if isinstance(value, list | tuple) and any(predicate(item) for item in value):
                return True
        return False

    return test


def _not(test: Test) -> Test:
    return lambda found: not test(found)


def _same(wanted: Any) -> Predicate:
    if isinstance(wanted, re.Pattern):
        search = wanted.search
        return lambda value: isinstance(value, str) and search(value) is not None
    if isinstance(wanted, bool):
        return lambda value: value is wanted
    if _is_number(wanted):
        return lambda value: value == wanted and not isinstance(value, bool)
    return lambda value: bool(value == wanted)


def _equals(wanted: Any, _where: str = "") -> Test:
    test = _any_of(_same(wanted))
    if wanted is None:
        return lambda found: not found or test(found)
    return test


def _differs(wanted: Any, _where: str) -> Test:
    return _not(_equals(wanted))


def _compares(compare: Callable[[Any, Any], bool]) -> Callable[[Any, str], Test]:
    def make(bound: Any, _where: str) -> Test:
        is_boolean = isinstance(bound, bool)

        def predicate(value: Any) -> bool:
            if isinstance(value, bool) is not is_boolean:
                return False
            try:
                return compare(value, bound)
            except TypeError:  # Of another kind, so neither less nor more.
                return False

        return _any_of(predicate)

    return make


def _is_in(wanted: Any, where: str) -> Test:
    if not isinstance(wanted, list | tuple | set | frozenset):
        raise _wrong(where, "a list of values", wanted)
    if wanted and all(isinstance(each, str) for each in wanted):
        words = frozenset(wanted)
        return _any_of(lambda value: isinstance(value, str) and value in words)
    tests = [_equals(each) for each in wanted]
    return lambda found: any(test(found) for test in tests)


def _is_not_in(wanted: Any, where: str) -> Test:
    return _not(_is_in(wanted, where))


def _negates(condition: Any, where: str) -> Test:
    if not isinstance(condition, Mapping | re.Pattern):
        raise _wrong(where, "a condition such as {'$gt': 1}, or a regular expression", condition)
    return _not(_compile_condition(condition, where))


def _exists(wanted: Any, _where: str) -> Test:
    return lambda found: bool(found) is bool(wanted)


def _has_type(wanted: Any, where: str) -> Test:
    names = wanted if isinstance(wanted, list | tuple) else [wanted]
    if not names:
        raise _wrong(where, "one type or more", wanted)
    tests = []
    for name in names:
        known = _TYPE_NUMBERS.get(name) if isinstance(name, int) else name
        if not isinstance(known, str) or known not in _TYPES:
            raise _wrong(where, f"one of {', '.join(map(str, _TYPES))}", name)
        tests.append(_TYPES[known])
    return _any_of(lambda value: any(test(value) for test in tests))


def _matches(argument: Any, where: str) -> Test:
    pattern, options = argument
    if isinstance(pattern, re.Pattern):
        return _any_of(_same(pattern))
    if not isinstance(options, str) or any(letter not in _REGEX_FLAGS for letter in options):
        raise _wrong(where, f"$options out of {', '.join(_REGEX_FLAGS)}", options)
    flags = 0
    for letter in options:
        flags |= _REGEX_FLAGS[letter]
    try:
        return _any_of(_same(re.compile(pattern, flags)))
    except (re.error, TypeError) as error:
        raise _wrong(where, f"a regular expression ({error})", pattern) from error


def _has_remainder(argument: Any, where: str) -> Test:
    is_pair = isinstance(argument, list | tuple) and len(argument) == 2
    if not is_pair or not all(_is_number(each) for each in argument) or not argument[0]:
        raise _wrong(where, "[divisor, remainder]", argument)
    divisor, remainder = argument
    return _any_of(lambda value: _is_number(value) and value % divisor == remainder)


def _has_size(size: Any, where: str) -> Test:
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _wrong(where, "a number of items", size)
    return lambda found: any(isinstance(v, list | tuple) and len(v) == size for v in found)


def _has_all(wanted: Any, where: str) -> Test:
    if not isinstance(wanted, list | tuple):
        raise _wrong(where, "a list of values", wanted)
    tests = [_compile_condition(each, f"{where}[{i}]") for i, each in enumerate(wanted)]
    return lambda found: bool(tests) and all(test(found) for test in tests)


def _has_element(query: Any, where: str) -> Test:
    if not isinstance(query, Mapping):
        raise _wrong(where, "a query or a condition", query)
    matches: Predicate
    if any(isinstance(key, str) and key in _OPERATORS for key in query):
        condition = _compile_condition(query, where)
        matches = lambda item: condition((item,))  # noqa: E731 - one of two ways to say it
    else:
        matches = _compile_query(query, where)
    return lambda found: any(isinstance(v, list | tuple) and any(map(matches, v)) for v in found)


_OPERATORS: Final[dict[str, Callable[[Any, str], Test]]] = {
    "$eq": _equals,
    "$ne": _differs,
    "$gt": _compares(operator.gt),
    "$gte": _compares(operator.ge),
    "$lt": _compares(operator.lt),
    "$lte": _compares(operator.le),
    "$in": _is_in,
    "$nin": _is_not_in,
    "$not": _negates,
    "$exists": _exists,
    "$type": _has_type,
    "$regex": _matches,
    "$mod": _has_remainder,
    "$size": _has_size,
    "$all": _has_all,
    "$elemMatch": _has_element,
}


def _wrong(where: str, expected: str, got: Any) -> ConfigError:
    return ConfigError(f"{where}: expected {expected}, got {got!r}")


def _unknown(name: Any, where: str, known: Sequence[str] | Mapping[str, Any]) -> ConfigError:
    near = get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ConfigError(f"{where}: expected one of {' '.join(known)}, got {name!r}{hint}")
