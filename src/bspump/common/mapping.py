"""Mappings: their keys, values and items, all at once or one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.processor import Generator, Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

Transformation = Callable[[Any, Any], tuple[Any, Any]]
"""Given a key and its value, return the key and the value to put in their place."""


class MappingKeysProcessor(Processor):
    """Turn a mapping into the list of its keys."""

    def process(self, context: Context, event: Event) -> list[Any]:
        return list(event.keys())


class MappingValuesProcessor(Processor):
    """Turn a mapping into the list of its values."""

    def process(self, context: Context, event: Event) -> list[Any]:
        return list(event.values())


class MappingItemsProcessor(Processor):
    """Turn a mapping into the list of its (key, value) pairs."""

    def process(self, context: Context, event: Event) -> list[tuple[Any, Any]]:
        return list(event.items())


class MappingKeysGenerator(Generator):
    """Turn a mapping into one event for each of its keys."""

    def generate(self, context: Context, event: Event, depth: int) -> list[Any]:
        return list(event.keys())


class MappingValuesGenerator(Generator):
    """Turn a mapping into one event for each of its values."""

    def generate(self, context: Context, event: Event, depth: int) -> list[Any]:
        return list(event.values())


class MappingItemsGenerator(Generator):
    """Turn a mapping into one event, a (key, value) pair, for each of its items."""

    def generate(self, context: Context, event: Event, depth: int) -> list[tuple[Any, Any]]:
        return list(event.items())


class MappingTransformator(Processor):
    """Transform a mapping item by item into a new dict, each by the callable for its key.

    Override `build` to say which. Items of all other keys go through `Default`, which passes
    them on as they are until another callable is put there.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Default: Transformation = _unchanged
        self._transformations = dict(self.build(app) or {})

    def build(self, app: Application) -> Mapping[Any, Transformation]:
        """Return the callable for each key: `callable(key, value)` returns (key, value)."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        find, default = self._transformations.get, self.Default
        return dict(find(key, default)(key, value) for key, value in event.items())


def _unchanged(key: Any, value: Any) -> tuple[Any, Any]:
    return key, value
