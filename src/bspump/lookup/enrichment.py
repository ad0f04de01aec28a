"""What the two enrichers share: which key an event has, and how a value gets into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from bspump.abc.errors import ConfigError, RejectedError

Event = Mapping[str, Any]

Missing = Annotated[
    Literal["keep", "default", "drop", "reject"],
    Meta(
        description="What happens to an event whose key is absent or unknown: it goes on as it is,"
        " it gets the `default` of the enricher, it is dropped, or it is set aside as rejected."
    ),
]

Fields = Annotated[
    tuple[str, ...],
    Meta(description="Take only these fields of a value that is a dict; empty: all."),
]


class Enrichment:
    """Finds the key of an event and puts a value into a copy of it.

    Args:
        key: name of the field with the key; several make a tuple of their values. A name that
            is not a field of the event and has dots is a path into nested dicts.
        target: name of the field for the value; empty: the fields of the value, a dict, become
            fields of the event.
        fields: take only these of a value that is a dict.
        missing: what happens to an event for which there is no value.
        default: the value it gets with `missing="default"`.
        counts: where `hit` and `miss` are counted.

    Raises:
        ConfigError: `key` is empty, or the fields of `default` cannot be put into events.
    """

    def __init__(
        self,
        key: str | Sequence[str],
        target: str,
        fields: Sequence[str],
        missing: str,
        default: Any,
        counts: dict[str, int],
    ) -> None:
        names = (key,) if isinstance(key, str) else tuple(key)
        if not names or not all(names):
            raise ConfigError("key: expected the name of a field, or several, got none")
        if missing == "default" and not target and not isinstance(default, Mapping):
            raise ConfigError(
                f"default: expected a dict, as there is no `target` field, got {default!r}"
            )
        self.names = names
        self._target = target
        self._fields = tuple(fields)
        self._missing = missing
        self._default = default
        self._counts = counts
        self.key_of = _single(names[0]) if len(names) == 1 else _compound(names)
        """Return the key of an event, `None` where it has none."""

    def finish(self, event: Event, value: Any) -> Event | None:
        """Return what becomes of `event`, given what is known of its key: `None` is nothing.

        Raises:
            RejectedError: it is to be set aside.
        """
        if value is None:
            self._counts["miss"] += 1
            return self._without(event)
        self._counts["hit"] += 1
        return self._with(event, value)

    def _with(self, event: Event, value: Any) -> dict[str, Any]:
        # The exact type first: to ask whether something is a Mapping takes three times as long.
        if type(value) is dict or isinstance(value, Mapping):
            if self._fields:
                value = {name: value[name] for name in self._fields if name in value}
            # A dict is copied, for events must not share what they may change.
            return {**event, self._target: {**value}} if self._target else {**event, **value}
        if self._target:
            return {**event, self._target: value}
        raise RejectedError(
            f"a value of {', '.join(self.names)} is of the type {type(value).__name__}, expected"
            " a dict, as there is no `target` field to put it into"
        )

    def _without(self, event: Event) -> Event | None:
        if self._missing == "keep":
            return event
        if self._missing == "drop":
            return None
        if self._missing == "default":
            return self._with(event, self._default)
        key = self.key_of(event)
        raise RejectedError(f"{', '.join(self.names)}: nothing is known of the key {key!r}")


def _single(name: str) -> Callable[[Event], Any]:
    if "." not in name:
        return lambda event: event.get(name)
    path = name.split(".")

    def follow(event: Event) -> Any:
        if name in event:
            return event[name]
        found: Any = event
        for step in path:
            if not isinstance(found, Mapping):
                return None
            found = found.get(step)
        return found

    return follow


def _compound(names: Sequence[str]) -> Callable[[Event], Any]:
    getters = [_single(name) for name in names]

    def collect(event: Event) -> Any:
        key = tuple([get(event) for get in getters])
        return None if None in key else key

    return collect
