"""Avro schemas: from text to what the library works with, and what is dangerous about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require
from bspump.abc.schemas import RegisteredSchema


class AvroSchema(NamedTuple):
    """A schema that was found to be valid.

    Args:
        parsed: what the library works with.
        is_recursive: a value may contain values of its own type, to any depth.
    """

    parsed: Any
    is_recursive: bool


def parse_avro(schema: Any, where: str = "codec 'avro'") -> AvroSchema:
    """Return a schema ready for use.

    Args:
        schema: as a dict or list, as JSON text, as the path of a file with such text (a `Path`),
            or as a registry has it. What a file refers to is looked for beside it, in
            `<full name>.avsc`.
        where: what messages begin with.

    Raises:
        ConfigError: it cannot be read, or is no schema.
    """
    known: dict[str, Any] = {}
    library = require("fastavro.schema", extra="avro")
    try:
        if isinstance(schema, Path):
            return _checked(library.load_schema(str(schema), named_schemas=known), known)
        if isinstance(schema, RegisteredSchema):
            parsed = _registered(schema, known, library.parse_schema)
        else:
            raw = _read(schema) if isinstance(schema, str) else schema
            parsed = library.parse_schema(raw, named_schemas=known)
        return _checked(parsed, known)
    except ConfigError:
        raise
    # Of a wrong schema the library raises whatever stumbles over it first.
    except Exception as error:
        raise ConfigError(f"{where}: the schema is no use: {error or type(error).__name__}") from (
            error
        )


def _read(text: str) -> Any:
    # The name of a type, such as `string`, is a schema, too, and need not be quoted.
    return json.loads(text) if text.strip()[:1] in ("{", "[", '"') else text.strip()


def _registered(schema: RegisteredSchema, known: dict[str, Any], parse: Any) -> Any:
    for reference in schema.references:
        if reference.name not in known:
            _registered(reference.schema, known, parse)
    return parse(_read(schema.text), named_schemas=known)


def _checked(parsed: Any, known: Mapping[str, Any]) -> AvroSchema:
    look = _Look(known)
    look.at(parsed, ())
    return AvroSchema(parsed, look.is_recursive)


class _Look:
    """Walks through a schema once."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self._seen: set[str] = set()
        self.is_recursive = False

    def at(self, schema: Any, above: tuple[str, ...]) -> None:
        """Look at `schema`, which is inside of the types `above`."""
        if isinstance(schema, list):
            for arm in schema:
                self.at(arm, above)
            return
        if isinstance(schema, str):
            self.is_recursive = self.is_recursive or schema in above
            if schema in self._known and schema not in self._seen:
                self.at(self._known[schema], above)
            return
        kind = schema["type"]
        if not isinstance(kind, str):
            self.at(kind, above)
        elif kind == "array":
            self._refuse_empty(schema["items"])
            self.at(schema["items"], above)
        elif kind == "map":
            self.at(schema["values"], above)
        elif kind in ("record", "error"):
            self._seen.add(schema["name"])
            for field in schema["fields"]:
                self.at(field["type"], (*above, schema["name"]))

    def _refuse_empty(self, items: Any) -> None:
        if self._is_empty(items, ()):
            raise ConfigError(
                "codec 'avro': an array of values that take no bytes: a few bytes could stand for"
                " more of them than the memory can hold"
            )

    def _is_empty(self, schema: Any, above: tuple[str, ...]) -> bool:
        """Tell whether values of `schema` take no bytes."""
        if isinstance(schema, list):
            return False
        if isinstance(schema, str):
            found = self._known.get(schema)
            known = found is not None and schema not in above
            return schema == "null" or (known and self._is_empty(found, above))
        if schema["type"] == "fixed":
            return bool(schema["size"] == 0)
        if schema["type"] in ("record", "error"):
            inside = (*above, schema["name"])
            return all(self._is_empty(field["type"], inside) for field in schema["fields"])
        return bool(schema["type"] == "null")
