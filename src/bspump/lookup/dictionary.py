"""A lookup that is a dictionary in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from bspump.abc.errors import RejectedError
from bspump.abc.lookup import MappingLookup

if TYPE_CHECKING:
    from bspump.abc.host import Application

log = logging.getLogger(__name__)

SHOWN = 1000
"""A dictionary with more entries than this is shown by its size alone."""


class DictionaryLookup(MappingLookup):
    """A table in memory; as a file or over HTTP it is one JSON object in UTF-8.

    A load replaces the whole dictionary at once: a reader sees all of the old or all of the new
    content, and keys that are gone are gone. Keys of JSON are text; others, which `set` accepts,
    become text on their way through `serialize`.
    """

    def __init__(
        self,
        app: Application,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        self.Dictionary: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        return self.Dictionary[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.Dictionary)

    def __len__(self) -> int:
        return len(self.Dictionary)

    def __contains__(self, key: object) -> bool:
        return key in self.Dictionary

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of `key`, or `default`."""
        return self.Dictionary.get(key, default)

    def set(self, dictionary: Mapping[Any, Any]) -> None:
        """Replace the whole content by a copy of `dictionary`.

        Where another application owns the content, the next load replaces it again.
        """
        if not self.is_master():
            fields = {"lookup": self.Id}
            log.warning("content is set, but owned by another", extra={"fields": fields})
        self.Dictionary = dict(dictionary)
        self.PubSub.publish("bspump.Lookup.changed!")

    def serialize(self) -> bytes:
        return orjson.dumps(self.Dictionary, option=orjson.OPT_NON_STR_KEYS)

    def deserialize(self, data: bytes) -> None:
        where = f"lookup {self.Id!r}: content"
        try:
            dictionary = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise RejectedError(f"{where} is not JSON: {error}") from error
        if not isinstance(dictionary, dict):
            kind = type(dictionary).__name__
            raise RejectedError(f"{where} is not a JSON object, got a {kind}")
        self.Dictionary = dictionary

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows: `size`, and if that is small, `Dictionary`."""
        answer = {**super().rest_get(), "size": len(self.Dictionary)}
        if len(self.Dictionary) <= SHOWN:
            answer["Dictionary"] = self.Dictionary
        return answer
