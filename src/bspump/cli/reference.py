"""The reference of all parts, made of their classes: what they do, promise and can be told.

One page per package. A page is a function of the code, so a test can tell whether it is fresh.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import bspump
from bspump.abc.capabilities import Can
from bspump.abc.connection import Connection
from bspump.abc.lookup import Lookup
from bspump.abc.option_fields import Duration, OptionField, Size, describe, option_fields
from bspump.abc.options import Configurable, defaults_of
from bspump.abc.processor import Generator, ProcessorBase
from bspump.abc.sink import BatchSink, Sink
from bspump.abc.source import Source
from bspump.matrix.matrix import Matrix
from bspump.model.model import Model

_NO_PARTS = frozenset({"abc", "cli", "clients", "core", "formats", "state", "testing", "unittest"})
_NO_PARTS |= {"web", "windows"}
_SECTIONS: dict[type, tuple[str, str]] = {
    Source: ("source", "pipeline:<PipelineId>:{}"),
    Sink: ("sink", "pipeline:<PipelineId>:{}"),
    BatchSink: ("sink, in batches", "pipeline:<PipelineId>:{}"),
    Generator: ("generator", "pipeline:<PipelineId>:{}"),
    ProcessorBase: ("processor", "pipeline:<PipelineId>:{}"),
    Connection: ("connection", "connection:{}"),
    Lookup: ("lookup", "lookup:{}"),
    Matrix: ("matrix", "matrix:{}"),
    Model: ("model", "model:{}"),
}
_KINDS = {describe(Duration): "a duration", describe(Size): "a size", describe(bool): "yes or no"}
_WRITTEN = re.compile("|".join(map(re.escape, _KINDS)))
_HEAD = "<!-- Made from the code by `bspump.cli.reference`; do not edit. -->"


def write_reference(folder: Path) -> list[Path]:
    """Write all pages into `folder`, delete those of packages that are gone; return the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made and old.read_text(encoding="utf-8").startswith(_HEAD):
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in made]


def stale_pages(folder: Path) -> list[str]:
    """Return the names of pages in `folder` that are not what the code says now."""
    made = pages()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(name for name, text in made.items() if found.get(name) != text)


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file, such as `common.md`."""
    packages = (found.name for found in pkgutil.iter_modules(bspump.__path__))
    found = {}
    for name in sorted(set(packages) - _NO_PARTS - {"__main__"}):
        text = page(importlib.import_module(f"bspump.{name}"))
        if text is not None:
            found[f"{name}.md"] = text
    return found


def page(package: ModuleType) -> str | None:
    """Return the page of all parts that `package` exports, `None` where it exports none."""
    parts = [part for name in getattr(package, "__all__", ()) if (part := _part(package, name))]
    if not parts:
        return None
    about = inspect.getdoc(package) or ""
    chapters = ["\n".join(_chapter(package.__name__, part)) for part in parts]
    return "\n".join([_HEAD, "", f"# {package.__name__}", "", about, "", "\n\n".join(chapters), ""])


def _part(package: ModuleType, name: str) -> type[Configurable] | None:
    found = getattr(package, name)
    is_part = isinstance(found, type) and issubclass(found, tuple(_SECTIONS))
    return found if is_part else None


def _chapter(package: str, part: type[Configurable]) -> Iterator[str]:
    kind, section = next(_SECTIONS[base] for base in part.__mro__ if base in _SECTIONS)
    yield from [f"## {part.__name__}", "", _about(part), ""]
    yield f"`{package}.{part.__name__}`, a {kind}. Section `[{section.format(part.__name__)}]`."
    claims: Can = getattr(part, "Capabilities", Can.NOTHING)
    if claims:
        yield f"Promises: {', '.join(f'`{claim.name}`' for claim in claims)}."
    rows = list(_rows(part))
    if rows:
        yield from ["", "| option | is | default | |", "|---|---|---|---|", *rows]


def _about(part: type) -> str:
    """Return the docstring without the sections about arguments: these are for programmers."""
    text = inspect.getdoc(part) or ""
    for heading in ("\nArgs:", "\nRaises:", "\nAttributes:"):
        text = text.partition(heading)[0]
    return text.strip()


def _rows(part: type[Configurable]) -> Iterator[str]:
    fields: Mapping[str, OptionField] = option_fields(part.OptionsClass)
    defaults = {key: entry.value for key, entry in defaults_of(part, part.__name__).items()}
    for name, field in fields.items():
        default = defaults.pop(name, field.make_default() if field.make_default else None)
        shown = "**required**" if field.is_required and default is None else _shown(default)
        # What may be written for a duration or a boolean stands on the page about configuration.
        kind = _WRITTEN.sub(lambda match: _KINDS[match[0]], field.expected)
        yield _row(name, kind, shown, field.description)
    for name, default in defaults.items():
        yield _row(name, "", _shown(default), "")


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "`yes`" if default else "`no`"
    if isinstance(default, float):
        return f"`{default:g}`"
    if isinstance(default, str) and not default.isprintable():
        return f"`{default!r}`"
    return "" if default in (None, "", (), [], {}) else f"`{default}`"


def _row(*cells: str) -> str:
    return f"| `{cells[0]}` | {' | '.join(cell.replace('|', '&#124;') for cell in cells[1:])} |"
