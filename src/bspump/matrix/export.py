"""Matrices as rows of a table, such as a CSV file has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bspump.abc.processor import Generator

from .arrays import to_rows

if TYPE_CHECKING:
    from bspump.abc.host import Context

    from .session import SessionMatrix
    from .timewindow import TimeWindowMatrix


class SessionMatrixExportCSVGenerator(Generator):
    """Make of a `SessionMatrix` one dict per session: its name, then its fields."""

    def generate(
        self, context: Context, event: SessionMatrix, depth: int
    ) -> Iterator[dict[str, Any]]:
        for name, row in list(event.Index.N2IMap.items()):
            record = event.decode_row(row)
            record.pop(event.PrimaryName)
            yield {event.PrimaryName: name, **record}


class TimeWindowMatrixExportCSVGenerator(Generator):
    """Make of a `TimeWindowMatrix` one dict per name and column, by name and from old to new.

    `id` is the name and `time` where the column begins, Unix seconds. The fields of the cell
    follow; where it has none, its value is `value`.
    """

    def generate(
        self, context: Context, event: TimeWindowMatrix, depth: int
    ) -> Iterator[dict[str, Any]]:
        fields = event.DType.names
        begin, resolution = event.End, event.Resolution
        for name, row in list(event.Index.N2IMap.items()):
            for column, cell in enumerate(event.Array[row]):
                record = {"id": name, "time": begin + column * resolution}
                if fields is None:
                    record["value"] = to_rows(cell)
                else:
                    record.update((field, to_rows(cell[field])) for field in fields)
                yield record
