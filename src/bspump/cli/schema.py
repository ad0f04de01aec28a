"""The JSON Schema of options, for editors and for whoever generates configuration."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from bspump.abc.option_fields import OptionField, option_fields
from bspump.abc.options import Options


def json_schema(options_class: type[Options]) -> dict[str, Any]:
    """Return the schema of a section whose options are those of `options_class`.

    Nested options may be written with dots or as objects. Whatever is no text may also be given
    as one, because there may be a unit in it, or a reference.
    """
    schema = _object()
    schema["title"] = options_class.__name__
    for field in option_fields(options_class).values():
        shape = _shape(field)
        schema["properties"][field.name] = shape
        *groups, last = field.name.split(".")
        if field.is_required and not groups:
            schema.setdefault("required", []).append(field.name)
        node = schema
        for group in groups:
            node = node["properties"].setdefault(group, _object())
        node["properties"][last] = shape
        if field.is_mapping:
            pattern = f"^{re.escape(field.name)}[.]"
            schema.setdefault("patternProperties", {})[pattern] = {}
    return schema


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _shape(field: OptionField) -> dict[str, Any]:
    """Return the schema of one option."""
    written = msgspec.json.schema(field.type)
    if reference := written.pop("$ref", None):
        written = written["$defs"][reference.rpartition("/")[2]]
    written.pop("description", None)
    shape: dict[str, Any] = {"description": field.description or field.expected}
    if field.make_default is not None and not field.is_secret:
        shape["default"] = msgspec.to_builtins(field.make_default())
    if written.get("type") == "string":
        return {**written, **shape}
    return {**shape, "anyOf": [written, {"type": "string"}]}
