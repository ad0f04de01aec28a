"""Fields of dict events: set to values, brought to types, taken apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from bspump.abc.config import parse_boolean
from bspump.abc.errors import ConfigError, ProcessingError, UnknownNameError
from bspump.abc.processor import Generator, Processor
from bspump.formats.reject import rejected

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

_TYPES: Final[dict[str, Any]] = {
    "bool": bool,
    "date": date,
    "datetime": datetime,
    "decimal": Decimal,
    "float": float,
    "int": int,
    "str": str,
    "uuid": UUID,
}


class FieldSetter(Processor):
    """Set fields of a dict event; a new dict comes out.

    Args:
        fields: what each field becomes: a value, or a function `(context, event)` that returns
            it, which sees the event as it came in.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        fields: Mapping[str, Any],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._values = {name: value for name, value in fields.items() if not callable(value)}
        self._functions: dict[str, Callable[[Context, Event], Any]] = {
            name: value for name, value in fields.items() if callable(value)
        }
        self._names = tuple(fields)

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        if not self._functions:
            return {**event, **self._values}
        made = {name: function(context, event) for name, function in self._functions.items()}
        return {**event, **dict.fromkeys(self._names), **self._values, **made}


class FieldCaster(Processor):
    """Bring fields of a dict event to types; a new dict comes out.

    Text is read as the type is usually written (`"42"`, `"1.5"`, `"yes"`, ISO 8601); a `datetime`
    may also be Unix seconds. A field that is absent or `None` stays so. A value that does not
    fit is the error of that event: `RejectedError`.

    Args:
        types: by the name of the field, one of `bool date datetime decimal float int str uuid`,
            or any type that `msgspec` converts to.

    Raises:
        UnknownNameError: there is no such type.
        ConfigError: it is not a type that can be converted to.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        types: Mapping[str, Any],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._casts = {name: self._cast_to(type_) for name, type_ in types.items()}

    def _cast_to(self, wanted: Any) -> Callable[[Any], Any]:
        if isinstance(wanted, str):
            if wanted not in _TYPES:
                raise UnknownNameError("type", wanted, used_by=self.locate_address(), known=_TYPES)
            wanted = _TYPES[wanted]
        if wanted is bool:
            return parse_boolean
        if wanted is str:
            return str
        try:
            msgspec.json.Decoder(wanted)
        except TypeError as error:
            raise ConfigError(
                f"{self.locate_address()}: expected a type, got {wanted!r}: {error}"
            ) from error
        return lambda value: msgspec.convert(value, wanted, strict=False)

    def process(self, context: Context, event: Event) -> dict[Any, Any]:
        made = dict(event)
        for name, cast in self._casts.items():
            value = made.get(name)
            if value is None:
                continue
            try:
                made[name] = cast(value)
            except (ValueError, TypeError) as error:
                raise rejected(self.Id, f"another value of {name!r}", value, str(error)) from error
        return made


class FieldExploder(Generator):
    """Make one event of each item of a list in a dict event: the event with the item in its place.

    An empty list makes none; an event without the field goes on as it is. Anything but a list
    or tuple there is a `ProcessingError`.

    Args:
        field: the field with the list.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        field: str,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._field = field

    def generate(self, context: Context, event: Event, depth: int) -> list[Any]:
        field = self._field
        if field not in event:
            return [event]
        items = event[field]
        if not isinstance(items, list | tuple):
            raise ProcessingError(
                f"{self.Id}: expected a list in {field!r}, got {type(items).__name__}"
            )
        return [{**event, field: item} for item in items]
