"""The fields of options: what may be written for each of them, and how that becomes its value."""

from __future__ import annotations

import enum
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union

import msgspec
from msgspec import NODEFAULT, Meta

from .config import parse_boolean, parse_bytes, parse_integer, parse_number, parse_seconds
from .errors import ConfigError
from .redaction import is_secret, redact

Duration = Annotated[float, Meta(ge=0, extra={"parse": parse_seconds})]
"""Seconds; written as a number or with a unit: `10`, `250ms`, `5m`."""

Size = Annotated[int, Meta(ge=0, extra={"parse": parse_bytes})]
"""Bytes; written as a number or with a unit: `65536`, `64KiB`, `10MB`."""

_Parser = Callable[[Any], Any]

_PARSERS: dict[Any, _Parser] = {bool: parse_boolean, int: parse_integer, float: parse_number}
_SEQUENCES = (list, tuple, set, frozenset)
_NAMES: dict[Any, str] = {
    bool: "one of yes, no, on, off, true, false, 1, 0",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a mapping",
    type(None): "nothing",
    parse_seconds: "a duration such as `10`, `250ms`, `5m` or `1h`",
    parse_bytes: "a size such as `65536`, `64KiB` or `10MB`",
}
_BOUNDS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "multiple_of": "a multiple of {}",
    "min_length": "of length {} or more",
    "max_length": "of length {} or less",
    "pattern": "matching `{}`",
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all declarations of options. Fields: type, bounds, default, description."""

    def __repr__(self) -> str:
        """Return the class and the values, without those that must stay secret."""
        values = ((name, redact(getattr(self, name), name)) for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values)})"


class OptionField(NamedTuple):
    """One option: its dotted name, its type and what it is when nothing is said."""

    name: str
    type: Any
    make_default: Callable[[], Any] | None
    description: str

    @property
    def is_secret(self) -> bool:
        """Tell whether its value must never be shown."""
        return is_secret(self.name)

    @property
    def is_required(self) -> bool:
        """Tell whether something has to be said."""
        return self.make_default is None

    @property
    def is_mapping(self) -> bool:
        """Tell whether it takes `name.<key>`, one entry for each of its keys."""
        return _bare(self.type)[1] is dict

    @property
    def expected(self) -> str:
        """What may be written, in words."""
        return describe(self.type)


@functools.cache
def option_fields(cls: type[Options]) -> Mapping[str, OptionField]:
    """Return every option of `cls` by its dotted name, those of nested structs included."""
    return {field.name: field for field in _flatten(cls, "", None)}


def nested_options(cls: type[Options]) -> Iterator[tuple[msgspec.structs.FieldInfo, Any]]:
    """Return the fields of `cls` with their types, as they were written."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"{cls.__module__}.{cls.__qualname__}: the types of its options cannot be read: {error}"
            f" [{ConfigError.Code}]\n"
            "  what to do: import what they name at the top of the module, and not only"
            " `if TYPE_CHECKING`"
        ) from error
    return ((field, hints[field.name]) for field in msgspec.structs.fields(cls))


def _flatten(cls: type[Options], prefix: str, given: Options | None) -> Iterator[OptionField]:
    """Flatten `cls`; where an outer struct says what this one is by default, that is `given`."""
    for field, hint in nested_options(cls):
        name = prefix + field.encode_name
        default = field.default if given is None else getattr(given, field.name)
        if inner := options_class(hint):
            yield from _flatten(inner, f"{name}.", None if default is NODEFAULT else default)
            continue
        make: Callable[[], Any] | None = None
        if default is not NODEFAULT:
            make = functools.partial(_same, default)
        elif field.default_factory is not NODEFAULT:
            make = field.default_factory
        description = next((meta.description for meta in _metas(hint) if meta.description), "")
        yield OptionField(name, hint, make, description)


def _same(value: Any) -> Any:
    # What can be changed is copied, so that no two components share it.
    return type(value)(value) if isinstance(value, list | dict | set) else value


def options_class(hint: Any) -> type[Options] | None:
    """Return the struct of a nested field, `None` for all other fields."""
    bare = _bare(hint)[0]
    return bare if isinstance(bare, type) and issubclass(bare, Options) else None


def build(cls: type[Options], values: Mapping[str, Any], prefix: str = "") -> Options:
    """Return the struct of `values` by dotted name; each has to be there."""
    return cls(
        **{
            field.name: build(inner, values, f"{prefix}{field.encode_name}.")
            if (inner := options_class(hint))
            else values[prefix + field.encode_name]
            for field, hint in nested_options(cls)
        }
    )


def convert(field: OptionField, value: Any) -> Any:
    """Return `value` as the option's type.

    Raises:
        ValueError: it does not fit; `field.expected` says what does.
    """
    parse = _parser(field.type)
    if parse is not None:
        value = parse(value)
    converted = msgspec.convert(value, field.type, strict=False)
    if isinstance(converted, float) and math.isnan(converted):
        raise ValueError("Expected a number")
    return converted


def convert_key(field: OptionField, key: str, value: Any) -> dict[str, Any]:
    """Return what `value` of one `key` adds to an option that is a mapping; raises as `convert`."""
    if _own_parser(field.type):
        return dict(convert(field, {key: value}))
    return {key: convert(_of_key(field), value)}


def _of_key(field: OptionField) -> OptionField:
    """Return the option that each key of a mapping is by itself."""
    arguments = typing.get_args(_bare(field.type)[0])
    return field._replace(type=arguments[1] if len(arguments) == 2 else Any)


def expectation(field: OptionField, value: Any, error: Exception, *, of_key: bool = False) -> str:
    """Return what was expected instead of `value`, given what `convert` raised.

    Args:
        of_key: it was `convert_key`.
    """
    if _own_parser(field.type) and not isinstance(error, msgspec.ValidationError):
        return str(error).removeprefix("Expected ")
    if of_key:
        field = _of_key(field)
    if _bare(field.type)[0] is str and isinstance(value, int | float):
        return f"{field.expected}, in quotes"
    return field.expected


def blank(field: OptionField) -> Any:
    """Return something of the option's type, for a required option that is missing.

    With it the component can be made and the other problems be found; nothing starts with it.
    """
    bare, origin = _bare(field.type)
    if origin is Literal:
        return typing.get_args(bare)[0]
    is_simple = origin in (bool, int, float, str, bytes, dict, *_SEQUENCES)
    return origin() if is_simple else None


def _bare(hint: Any) -> tuple[Any, Any]:
    """Return a type without its annotations, and what it is generically: `list` of `list[str]`."""
    while typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    return hint, typing.get_origin(hint) or hint


def _metas(hint: Any) -> list[Meta]:
    if typing.get_origin(hint) is not Annotated:
        return []
    inner, *metas = typing.get_args(hint)
    # The outermost comes first: it was written last.
    return [*(meta for meta in reversed(metas) if isinstance(meta, Meta)), *_metas(inner)]


def _own_parser(hint: Any) -> _Parser | None:
    """Return the parser that the declaration names, if it does."""
    for meta in _metas(hint):
        if meta.extra and "parse" in meta.extra:
            return typing.cast("_Parser", meta.extra["parse"])
    return None


@functools.cache
def _parser(hint: Any) -> _Parser | None:
    """Return what turns a written value into one that msgspec can check, if anything must."""
    if own := _own_parser(hint):
        return own
    bare, origin = _bare(hint)
    if origin in _SEQUENCES:
        arguments = [arm for arm in typing.get_args(bare) if arm is not Ellipsis]
        return functools.partial(_split, _parser(arguments[0]) if len(arguments) == 1 else None)
    arms = _arms(bare, origin)
    if type(None) in arms:
        inner = [arm for arm in arms if arm is not type(None)]
        parse = _parser(inner[0]) if len(inner) == 1 else None
        return None if str in inner else functools.partial(_optional, parse)
    return _PARSERS.get(bare)


def _arms(bare: Any, origin: Any) -> tuple[Any, ...]:
    return typing.get_args(bare) if origin in (Union, types.UnionType) else ()


def _optional(parse: _Parser | None, value: Any) -> Any:
    if value is None or value == "":
        return None
    return value if parse is None else parse(value)


def _split(parse: _Parser | None, value: Any) -> Any:
    """Split a text at commas and line ends, or where there are none of these, at spaces."""
    if isinstance(value, str):
        has_separators = any(sign in value for sign in ",\n")
        parts = re.split(r"[,\n]", value) if has_separators else value.split()
        value = [part.strip() for part in parts if part.strip()]
    elif isinstance(value, tuple | set | frozenset):
        value = list(value)
    if parse is None or not isinstance(value, list):
        return value
    return [parse(item) for item in value]


def describe(hint: Any) -> str:
    """Return in words what may be written for an option of this type.

    >>> describe(Annotated[int, Meta(ge=1)])
    'a whole number, at least 1'
    >>> describe(Literal["latest", "earliest"])
    "one of 'latest', 'earliest'"
    """
    bare, origin = _bare(hint)
    own = _own_parser(hint)
    if own in _NAMES:
        text = _NAMES[own]
    elif origin is Literal:
        text = f"one of {', '.join(map(repr, typing.get_args(bare)))}"
    elif isinstance(bare, type) and issubclass(bare, enum.Enum):
        text = f"one of {', '.join(repr(member.value) for member in bare)}"
    elif arms := _arms(bare, origin):
        text = " or ".join(describe(arm) for arm in arms)
    elif origin in _SEQUENCES:
        items = [arm for arm in typing.get_args(bare) if arm is not Ellipsis]
        text = f"a list, each {describe(items[0])}" if len(items) == 1 else "a list"
    else:
        text = _NAMES.get(origin, getattr(origin, "__name__", str(origin)))
    return ", ".join([text, *_bounds(hint, is_parsed=own in _NAMES)])


def _bounds(hint: Any, *, is_parsed: bool) -> Iterator[str]:
    for meta in _metas(hint):
        for name, words in _BOUNDS.items():
            bound = getattr(meta, name)
            # That durations and sizes are not negative goes without saying.
            if bound is not None and not (is_parsed and (name, bound) == ("ge", 0)):
                yield words.format(bound)
