"""The pages that name things of the code name things that exist, and all of them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from typing import TYPE_CHECKING

import pytest

from bspump.abc.errors import PumpError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from conftest import SourceFile

BACKTICKED = re.compile(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`")
CLASS_MEMBER = re.compile(r"[A-Z]\w*(\.\w+)+")


def _error_classes(modules: dict[str, ModuleType]) -> set[type[PumpError]]:
    """Return every error of the package, wherever it is defined."""
    assert modules
    found: set[type[PumpError]] = set()
    waiting: list[type[PumpError]] = [PumpError]
    while waiting:
        error = waiting.pop()
        if error.__module__.startswith("bspump."):
            found.add(error)
        waiting += error.__subclasses__()
    return found


def _resolves(dotted: str) -> bool:
    """Tell whether `dotted`, which begins with `bspump`, names a module or something in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def _members(shipped_files: dict[str, SourceFile]) -> dict[str, set[str]]:
    """Return by the name of each class all that it or its methods define, without its bases."""
    found: dict[str, set[str]] = {}
    for file in shipped_files.values():
        for definition in ast.walk(file.tree):
            if isinstance(definition, ast.ClassDef):
                names = found.setdefault(definition.name, set())
                for node in ast.walk(definition):
                    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                        names.add(node.name)
                    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                        names.add(node.attr)
                    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                        names.add(node.target.id)
                    elif isinstance(node, ast.Assign):
                        names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return found


def test_every_error_has_a_code_of_its_own(modules: dict[str, ModuleType]) -> None:
    errors = _error_classes(modules)
    assert [error for error in errors if "Code" not in vars(error)] == []
    codes = [error.Code for error in errors]
    assert sorted(codes) == sorted(set(codes))


def test_every_error_code_is_documented(root: Path, modules: dict[str, ModuleType]) -> None:
    page = (root / "docs/errors.md").read_text(encoding="utf-8")
    headings = "\n".join(line for line in page.splitlines() if line.startswith("#"))
    documented = set(re.findall(r"\b[A-Z]\d{3}\b", headings))
    assert documented == {error.Code for error in _error_classes(modules)}


def test_every_name_on_the_life_of_an_event_exists(
    root: Path, modules: dict[str, ModuleType], shipped_files: dict[str, SourceFile]
) -> None:
    page = (root / "docs/life-of-an-event.md").read_text(encoding="utf-8")
    names = set(BACKTICKED.findall(page))
    dotted = {name for name in names if name.startswith("bspump.")}
    members = {name for name in names if CLASS_MEMBER.fullmatch(name)}
    defined = _members(shipped_files)
    assert dotted or members, "the page names nothing of the code"
    assert sorted(name for name in dotted if not _resolves(name)) == []
    wrong = []
    for name in members:
        owner, member = name.split(".")[:2]
        classes = [vars(module)[owner] for module in modules.values() if owner in vars(module)]
        bases = {base.__name__ for found in classes for base in inspect.getmro(found)}
        if not any(member in defined.get(base, ()) for base in bases):
            wrong.append(name)
    assert sorted(wrong) == []


@pytest.mark.parametrize(
    ("name", "exists"),
    [
        ("bspump.abc.errors", True),
        ("bspump.abc.errors.PumpError.Code", True),
        ("bspump.abc.errors.PumpError.Missing", False),
        ("bspump.nowhere", False),
    ],
)
def test_a_dotted_name_is_followed_to_its_end(name: str, exists: bool) -> None:
    assert _resolves(name) is exists
