"""Matrices whose rows have names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .arrays import describe_dtype, make_dtype, put_rows, to_rows
from .matrix import Matrix
from .utils import Index

if TYPE_CHECKING:
    from bspump.abc.host import Application

_NAMES_IN_A_PIECE = 64


class NamedMatrix(Matrix):
    """A matrix whose rows are found by name; a name is anything that can be a key of a dict.

    Where checkpoints are kept, names are plain data: text, bytes, numbers, tuples of them.

    Closing rows may renumber all others: when a share of `max_closed_rows_capacity` is free,
    the array is made anew without them. So ask for the row of a name each time.
    """

    def __init__(
        self,
        app: Application,
        dtype: Any = "float_",
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.Index = Index()
        super().__init__(app, dtype, id=id, config=config)

    def zeros(self, rows: int = 1) -> None:
        self.Index.deserialize({})
        super().zeros(rows)

    def add_row(self, name: Any) -> int:  # type: ignore[override]  # BSPump's signature
        """Return the row of that name, a new one if there was none.

        Raises:
            ValueError: the name is `None`.
        """
        known = self.Index.get_row_index(name)
        if known is not None:
            return known
        if name is None:
            raise ValueError(f"{self.locate_address()}: expected the name of a row, got None")
        hash(name)  # What cannot be a key must not cost a row.
        row = self._take_row()
        self.Index.add_row(name, row)
        self.PubSub.publish("Matrix changed!")
        return row

    def close_row(self, name: Any, clear: bool = True) -> bool:
        """Forget a name and free its row; False if there is no such name.

        Args:
            clear: make its cells zero.
        """
        is_known = self._close(name, clear)
        if is_known:
            self.PubSub.publish("Matrix changed!")
        return is_known

    def close_rows(self, names: Iterable[Any], clear: bool = True) -> None:
        """Forget names and free their rows; unknown ones are ignored."""
        closed = [self._close(name, clear) for name in list(names)]
        if any(closed):
            self.PubSub.publish("Matrix changed!")

    def _close(self, name: Any, clear: bool) -> bool:
        row = self.Index.pop_row(name)
        if row is None:
            return False
        self._free_row(row, clear)
        if self.ClosedRows.is_full():
            self.flush()
        return True

    def _rows_saved(self, saved: Any) -> None:
        self.Index.flush(saved)
        super()._rows_saved(saved)

    def get_row_index(self, name: Any) -> int | None:
        """Return the row of that name, `None` if there is none."""
        return self.Index.get_row_index(name)

    def get_row_name(self, row: int) -> Any:
        """Return the name of a row, `None` if it is free."""
        return self.Index.get_row_name(row)

    def serialize(self) -> dict[str, Any]:
        """Return names, free rows, dtype and array as plain data; `deserialize` takes it."""
        return {
            "Index": self.Index.serialize(),
            "ClosedRows": self.ClosedRows.serialize(),
            "DType": describe_dtype(self.DType),
            "Array": to_rows(self.Array),
        }

    def deserialize(self, serialized: Mapping[str, Any]) -> None:
        """Replace everything by what `serialize` has returned, perhaps of another dtype."""
        self.DType = make_dtype(serialized["DType"], self.locate_address())
        self.Array = self._new_array(len(serialized["Array"]))
        put_rows(self.Array, serialized["Array"])
        self.ClosedRows.deserialize(serialized["ClosedRows"])
        self.Index.deserialize(serialized["Index"])
        self._rows_changed()

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "is_named": True}

    def _pieces(self) -> Iterator[tuple[Any, Any]]:
        yield from super()._pieces()
        name_of, place_of = self.Index.get_row_name, self.Index.get_place
        for number, begin in enumerate(range(0, len(self.Array), _NAMES_IN_A_PIECE)):
            rows = range(begin, min(begin + _NAMES_IN_A_PIECE, len(self.Array)))
            yield ("names", number), tuple((place_of(row), row, name_of(row)) for row in rows)

    def _put_pieces(self, shape: tuple[int, ...], pieces: Mapping[str, dict[Any, Any]]) -> None:
        super()._put_pieces(shape, pieces)
        named = [each for piece in pieces.get("names", {}).values() for each in piece]
        named.sort(key=lambda each: each[0])
        self.Index.deserialize({})
        for place, row, name in named:
            if name is not None:
                self.Index.add_row(name, row, place)
