"""Fields of events that are mappings: flatten, rename, select, drop."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.options import Options
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class FlattenDictOptions(Options, frozen=True, kw_only=True):
    """How the names of the levels are joined."""

    separator: Annotated[str, Meta(description="Stands between the joined names.")] = "."


class FlattenDictProcessor(Processor):
    """Turn a nested dict into a dict of one level; the event itself is not changed.

    A value that is falsy, an empty dict too, is kept as it is. The empty event becomes
    `{None: {}}`, as it always has.
    """

    OptionsClass = FlattenDictOptions
    Options: FlattenDictOptions

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        return self.flatten(event)

    def flatten(self, event: Mapping[str, Any]) -> dict[Any, Any]:
        """Return `event` with the names of all levels joined; in the order of its fields."""
        if not event:
            return {None: event}
        flat: dict[Any, Any] = {}
        self._flatten_into(flat, "", event)
        return flat

    def _flatten_into(self, flat: dict[Any, Any], prefix: str, level: Mapping[Any, Any]) -> None:
        separator = self.Options.separator
        for key, value in level.items():
            if value and isinstance(value, Mapping):
                self._flatten_into(flat, f"{prefix}{key}{separator}", value)
            else:
                flat[f"{prefix}{key}"] = value


class FieldRenamer(Processor):
    """Rename fields of a dict; what comes out is a new dict in the order of the old one.

    Args:
        names: new name by old name. A field that is absent is none of its business; a renamed
            field replaces one that has that name already.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        names: Mapping[str, str],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._names = dict(names)

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        names = self._names
        replaced = {new for old, new in names.items() if old in event and new != old}
        return {
            names.get(key, key): value
            for key, value in event.items()
            if key in names or key not in replaced
        }


class FieldSelector(Processor):
    """Keep the named fields of a dict, in the order in which they are named; a new dict."""

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        fields: Collection[str],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._fields = tuple(fields)

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        return {field: event[field] for field in self._fields if field in event}


class FieldRemover(Processor):
    """Keep all fields of a dict except those named; a new dict."""

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        fields: Collection[str],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._fields = frozenset(fields)

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        fields = self._fields
        return {key: value for key, value in event.items() if key not in fields}
