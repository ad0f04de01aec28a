"""How the rows of CSV files are written, for the source and the sink.

Each of them declares the same options, of the types that are defined here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from .characters import Character, Newline, OptionalCharacter, Quoting

Dialect = Annotated[
    Literal["excel", "excel-tab", "unix"], Meta(description="The other options refine it.")
]
Delimiter = Annotated[Character, Meta(description=r"Between cells; `\t` is a tab.")]
DoubleQuote = Annotated[bool, Meta(description="A quote in a cell is written twice.")]
EscapeCharacter = Annotated[
    OptionalCharacter, Meta(description="Takes away the meaning of the next character.")
]
LineTerminator = Annotated[Newline, Meta(description="At the end of a written row.")]
QuoteCharacter = Annotated[Character, Meta(description="Around cells that need it.")]
CellQuoting = Annotated[
    Quoting, Meta(description="Which cells: minimal, all, nonnumeric, none, or a number.")
]
SkipInitialSpace = Annotated[bool, Meta(description="Passes over spaces before a cell.")]
Strict = Annotated[bool, Meta(description="Malformed rows are errors.")]

_FIELDS: Final = (
    "delimiter",
    "doublequote",
    "escapechar",
    "lineterminator",
    "quotechar",
    "quoting",
    "skipinitialspace",
    "strict",
)


def dialect_of(options: Any) -> dict[str, Any]:
    """Return the keyword arguments of `csv.reader` and `csv.writer`.

    Of a dialect other than `excel` everything holds but what was set to something else.

    Args:
        options: with the fields named here.
    """
    named = options.dialect != "excel"
    defaults = {field.name: field.default for field in msgspec.structs.fields(options)}
    found = {"dialect": options.dialect}
    for name in _FIELDS:
        value = getattr(options, name)
        if not (named and value == defaults[name]):
            found[name] = (value or None) if name == "escapechar" else value
    return found
