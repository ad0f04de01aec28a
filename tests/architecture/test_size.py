"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import SourceFile

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# By path, why the file is better long. The table may only shrink.
LONG_FILES: dict[str, str] = {}

# By `path:Class.function`, why the function is better long. The table may only shrink.
LONG_FUNCTIONS: dict[str, str] = {}


def _functions(node: ast.AST, outer: str = "") -> list[tuple[str, int]]:
    """Return the dotted name and the number of lines of every function below `node`."""
    found: list[tuple[str, int]] = []
    for child in ast.iter_child_nodes(node):
        name = outer
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{outer}.{child.name}" if outer else child.name
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            assert child.end_lineno is not None
            found.append((name, child.end_lineno - child.lineno + 1))
        found += _functions(child, name)
    return found


def test_no_file_is_longer_than_the_limit(python_files: list[SourceFile]) -> None:
    too_long = {f.path: f.line_count for f in python_files if f.line_count > LONGEST_FILE}
    assert {path: n for path, n in too_long.items() if path not in LONG_FILES} == {}
    assert set(LONG_FILES) <= set(too_long), "exceptions that are not needed any more"


def test_no_function_is_longer_than_the_limit(python_files: list[SourceFile]) -> None:
    too_long = {
        f"{file.path}:{name}": lines
        for file in python_files
        for name, lines in _functions(file.tree)
        if lines > LONGEST_FUNCTION
    }
    assert {name: n for name, n in too_long.items() if name not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) <= set(too_long), "exceptions that are not needed any more"


def test_a_function_is_measured_wherever_it_stands() -> None:
    text = (
        "class A:\n    def f(self):\n        if self:\n            def g():\n                pass\n"
    )
    assert _functions(ast.parse(text)) == [("A.f", 4), ("A.f.g", 2)]
