"""How values become Python objects and back, where psycopg's own way is not enough."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import orjson

from bspump.abc.extras import require

from .errors import EXTRA

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.abc import Buffer

_TIMES = ("date", "timestamp", "timestamptz", "time", "timetz", "interval")


def adapt(connection: AsyncConnection[Any]) -> None:
    """Set up a connection: a dict is written as `jsonb`; no date stops a pipeline.

    A date that Python cannot hold (`infinity`, before year 1 or after 9999) is read as text.
    """
    connection.adapters.register_dumper(dict, _dict_dumper())
    for name, loader in _patient_loaders().items():
        connection.adapters.register_loader(name, loader)


def dump_json(value: Any) -> bytes:
    """Return `value` as JSON; whole numbers may have any size.

    Raises:
        psycopg.DataError: it holds something that JSON has not.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        pass
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        data_error = require("psycopg", extra=EXTRA).DataError
        raise data_error(f"cannot be written as JSON: {error}") from error


def _plain(value: Any) -> Any:
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError:
        raise TypeError(f"{type(value).__name__} is no type of JSON") from None


@functools.cache
def _dict_dumper() -> Any:
    """Return a dumper of plain dicts; psycopg has one only for what is wrapped in `Jsonb`."""
    from psycopg.types.json import Jsonb, JsonbDumper

    class DictDumper(JsonbDumper):
        def dump(self, obj: Any) -> Buffer | None:
            return super().dump(Jsonb(obj, dump_json))

    return DictDumper


@functools.cache
def _patient_loaders() -> dict[str, Any]:
    """Return loaders that give the text of what Python's `datetime` cannot hold."""
    from psycopg import DataError, NotSupportedError, adapters
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    def patient(base: Any) -> Any:
        class PatientLoader(Loader):
            def __init__(self, oid: int, context: Any = None) -> None:
                super().__init__(oid, context)
                self._load = base(oid, context).load

            def load(self, data: Buffer) -> Any:
                try:
                    return self._load(data)
                except (DataError, NotSupportedError):
                    return bytes(data).decode()

        return PatientLoader

    oids = {name: adapters.types[name].oid for name in _TIMES}
    return {name: patient(adapters.get_loader(oid, Format.TEXT)) for name, oid in oids.items()}
