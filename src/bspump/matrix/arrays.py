"""What is needed of numpy, which is imported when the first matrix is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require

PIECE_BYTES = 4096
"""About so many bytes of an array are compared, and stored, as one."""

# Names of numpy 1 that numpy 2 does not know any more.
_OLD_NAMES = {
    "float_": "float64",
    "complex_": "complex128",
    "string_": "S",
    "unicode_": "U",
    "longfloat": "longdouble",
    "bool8": "bool",
}
_OLD_NAME = re.compile(rf"(?<![A-Za-z_])({'|'.join(_OLD_NAMES)})(?![A-Za-z0-9_])")


def numpy() -> Any:
    """Return numpy. Raises MissingExtraError where it is not installed."""
    return require("numpy", extra="numpy")


def make_dtype(dtype: Any, owner: str) -> Any:
    """Return what numpy calls a dtype: of its name, of a list of fields, or of one.

    Args:
        owner: for errors.

    Raises:
        ConfigError: there is no such type, or it holds Python objects, which no store can keep.
    """
    try:
        made = numpy().dtype(_renamed(dtype))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{owner}: expected a dtype such as 'f8' or [('user', 'U30'), ('count', 'i8')], "
            f"got {dtype!r} ({error})"
        ) from error
    if made.hasobject:
        raise ConfigError(
            f"{owner}: expected fields of a fixed size, got objects in {dtype!r}\n"
            "  what to do: a text of at most 30 characters is 'U30'"
        )
    return made


def _renamed(dtype: Any) -> Any:
    """Return `dtype` with names that every numpy knows, and fields as tuples."""
    if isinstance(dtype, str):
        return _OLD_NAME.sub(lambda match: _OLD_NAMES[match[0]], dtype)
    if not isinstance(dtype, list | tuple):
        return dtype
    if _is_subarray(dtype):
        base, shape = dtype
        return _renamed(base), shape if isinstance(shape, int) else tuple(shape)
    # Fields that come out of a file are lists.
    return [
        (
            tuple(name) if isinstance(name, list) else name,
            _renamed(kind),
            *(tuple(shape) if isinstance(shape, list) else shape for shape in rest),
        )
        for name, kind, *rest in dtype
    ]


def _is_subarray(dtype: Any) -> bool:
    """Tell whether it is a type and a shape, and not two fields."""
    if len(dtype) != 2:
        return False
    shape = dtype[1]
    return isinstance(shape, int) or all(isinstance(size, int) for size in shape)


def describe_dtype(dtype: Any) -> Any:
    """Return plain data of which `make_dtype` makes `dtype` again."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return describe_dtype(base), shape
    return numpy().lib.format.dtype_to_descr(dtype)


def to_rows(array: Any) -> Any:
    """Return an array, or one cell, as nested lists; a structured cell is a list, too."""
    return _as_lists(array.tolist())


def _as_lists(value: Any) -> Any:
    if isinstance(value, numpy().ndarray):  # numpy leaves fields that are arrays as they are.
        return value.tolist()
    return [_as_lists(item) for item in value] if isinstance(value, list | tuple) else value


def put_rows(array: Any, rows: Any) -> None:
    """Fill an array by that of which `to_rows` made `rows`."""
    if array.size:
        array[...] = numpy().array(_as_cells(rows, array.ndim, array.dtype), array.dtype)


def _as_cells(rows: Any, depth: int, dtype: Any) -> Any:
    """Return `rows` with tuples where numpy wants them: for the cells of a structured dtype."""
    if depth > 0:
        return [_as_cells(row, depth - 1, dtype) for row in rows]
    if dtype.names is None:
        return rows
    return tuple(
        _as_cells(value, len(kind.shape), kind.base)
        for value, kind in zip(rows, (dtype[name] for name in dtype.names), strict=True)
    )


def blocks(array: Any) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of blocks of rows, in their order."""
    row_bytes = array.dtype.itemsize * array[:1].size
    step = max(1, PIECE_BYTES // max(1, row_bytes))
    for number, begin in enumerate(range(0, len(array), step)):
        yield number, array[begin : begin + step].tobytes()


def joined(pieces: dict[int, bytes], shape: tuple[int, ...], dtype: Any) -> Any:
    """Return the array that `blocks` took to pieces.

    Raises:
        ValueError: the pieces do not make up an array of this shape.
    """
    data = b"".join(pieces[number] for number in sorted(pieces))
    return numpy().frombuffer(data, dtype).reshape(shape).copy()
