"""Matrices whose rows are sessions: named records with fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta

from .arrays import to_rows
from .matrix import MatrixOptions
from .named import NamedMatrix
from .persistent import Path, Persistent, SavePeriod


class SessionOptions(MatrixOptions, frozen=True, kw_only=True):
    """What a session matrix can be told."""

    primary_name: Annotated[
        str, Meta(description="The field in which `decode_row` returns the name of the row.")
    ] = "id"


class SessionMatrix(NamedMatrix):
    """A matrix of records: the dtype is a list of fields, the name of a row that of a session.

    Texts are cut to the size of their field, as numpy does it.
    """

    OptionsClass = SessionOptions
    Options: SessionOptions

    @property
    def PrimaryName(self) -> str:
        """The field in which `decode_row` returns the name of the row."""
        return self.Options.primary_name

    def store(self, name: Any, row: Any) -> int:
        """Put a whole record, a tuple of all fields, at the name; return its row."""
        index = self.add_row(name)
        self.Array[index] = tuple(row) if self.DType.names else row
        return index

    def store_event(
        self, index: int, event: Mapping[str, Any], keys: Iterable[str] | None = None
    ) -> None:
        """Copy fields of an event to the fields of a row that have the same name.

        Args:
            index: of the row.
            event: what it has no value of is left as it is.
            keys: the fields to be copied; default is all that the matrix has.
        """
        row = self.Array[index]
        for key in self._fields(keys):
            if key in event:
                row[key] = event[key]

    def decode_row(self, index: int, keys: Iterable[str] | None = None) -> dict[str, Any]:
        """Return a row as a dict of plain values, with its name at the key `primary_name`.

        Args:
            index: of the row.
            keys: the fields to be returned; default is all.
        """
        row = self.Array[index]
        decoded = {key: to_rows(row[key]) for key in self._fields(keys)}
        decoded[self.PrimaryName] = self.get_row_name(index)
        return decoded

    def _fields(self, keys: Iterable[str] | None) -> Iterable[str]:
        names: tuple[str, ...] = self.DType.names or ()
        return names if keys is None else [key for key in keys if key in names]


class PersistentSessionOptions(SessionOptions, frozen=True, kw_only=True):
    """What a session matrix in files can be told."""

    path: Path = ""
    save_period: SavePeriod = 1.0


class PersistentSessionMatrix(Persistent, SessionMatrix):
    """A `SessionMatrix` that keeps itself in files; see `PersistentMatrix`."""

    OptionsClass = PersistentSessionOptions
