"""The source tree, parsed once for all tests of the architecture."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pkgutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bspump

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A Python file: its path relative to the project, how long it is, what it contains."""

    path: str
    line_count: int
    tree: ast.Module


def _parse(path: Path) -> SourceFile:
    text = path.read_text(encoding="utf-8")
    return SourceFile(
        path.relative_to(ROOT).as_posix(), len(text.splitlines()), ast.parse(text, str(path))
    )


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the directory of the project."""
    return ROOT


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """Return what `pyproject.toml` says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def python_files() -> list[SourceFile]:
    """Return every Python file of the project, sorted by path."""
    return [
        _parse(path)
        for folder in ("benchmarks", "docs", "examples", "src", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


@pytest.fixture(scope="session")
def shipped_files(python_files: list[SourceFile]) -> dict[str, SourceFile]:
    """Return every file of the package by the name of its module."""
    shipped = (file for file in python_files if file.path.startswith("src/"))
    return {
        file.path.removeprefix("src/")
        .removesuffix(".py")
        .removesuffix("/__init__")
        .replace("/", "."): file
        for file in shipped
    }


@pytest.fixture(scope="session")
def modules() -> dict[str, ModuleType]:
    """Import every module of the package; return them by name."""
    names = (found.name for found in pkgutil.walk_packages(bspump.__path__, "bspump."))
    return {"bspump": bspump} | {name: importlib.import_module(name) for name in names}


@pytest.fixture(scope="session")
def core_distributions(project: dict[str, Any]) -> set[str]:
    """Return the distributions that come with bspump when no extra is asked for."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in project["project"]["dependencies"]]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate()):
            continue
        found.add(name)
        waiting += map(Requirement, importlib.metadata.requires(name) or ())
    return found
