"""What a package exports is what its `__all__` says. Ruff keeps `__all__` sorted."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from conftest import SourceFile


def _packages(
    modules: dict[str, ModuleType], shipped_files: dict[str, SourceFile]
) -> dict[str, ModuleType]:
    """Return the packages of more than a docstring: those that others import names from."""
    return {
        name: modules[name]
        for name, file in shipped_files.items()
        if file.path.endswith("/__init__.py") and len(file.tree.body) > 1
    }


def _public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the public names that the module defines, or imports from the package itself."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        names: list[str] = []
        if isinstance(node, ast.If):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.ImportFrom) and node.level > 0:
            names = [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        yield from (name for name in names if not name.startswith("_"))


def test_every_package_that_exports_says_so_in_all(
    modules: dict[str, ModuleType], shipped_files: dict[str, SourceFile]
) -> None:
    packages = _packages(modules, shipped_files)
    assert "bspump" in packages
    assert [name for name, package in packages.items() if not hasattr(package, "__all__")] == []


def test_every_name_in_all_exists_once(
    modules: dict[str, ModuleType], shipped_files: dict[str, SourceFile]
) -> None:
    wrong = []
    for name, package in _packages(modules, shipped_files).items():
        exported = list(package.__all__)
        wrong += [f"{name}.{each}" for each in exported if not hasattr(package, each)]
        wrong += [f"{name}.{each} twice" for each in set(exported) if exported.count(each) > 1]
    assert wrong == []


def test_every_public_name_of_a_package_is_in_all(
    modules: dict[str, ModuleType], shipped_files: dict[str, SourceFile]
) -> None:
    wrong = [
        f"{name}.{each}"
        for name, package in _packages(modules, shipped_files).items()
        for each in _public_names(shipped_files[name].tree)
        if each not in package.__all__
    ]
    assert sorted(wrong) == []


def test_public_names_are_what_is_defined_or_taken_from_the_package_itself() -> None:
    text = "import os\nfrom typing import Any\nfrom .a import B, _c\nD = _e = 1\ndef f(): x = 1\n"
    assert set(_public_names(ast.parse(text))) == {"B", "D", "f"}
