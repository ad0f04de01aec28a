"""What the code asks for, what `pyproject.toml` offers and what is locked agree."""

from __future__ import annotations

import ast
import importlib.metadata
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bspump

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import SourceFile


@pytest.fixture(scope="module")
def extras(project: dict[str, Any]) -> dict[str, set[str]]:
    """Return the names of the distributions of each extra."""
    return {
        extra: {canonicalize_name(Requirement(line).name) for line in lines}
        for extra, lines in project["project"]["optional-dependencies"].items()
    }


def _required(shipped_files: dict[str, SourceFile]) -> Iterator[tuple[str, str, str]]:
    """Yield where, which module and of which extra for each `require("module", extra="…")`."""
    for file in shipped_files.values():
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("require"):
                values = [*node.args, *(k.value for k in node.keywords if k.arg == "extra")]
                texts = [v.value for v in values if isinstance(v, ast.Constant)]
                if len(texts) == 2:
                    yield f"{file.path}:{node.lineno}", texts[0], texts[1]


def test_every_extra_the_code_names_brings_the_package_it_needs(
    shipped_files: dict[str, SourceFile], extras: dict[str, set[str]]
) -> None:
    distributions = importlib.metadata.packages_distributions()
    wrong = []
    for where, module, extra in _required(shipped_files):
        bringing = set(map(canonicalize_name, distributions.get(module.partition(".")[0], ())))
        if not bringing & extras.get(extra, set()):
            wrong.append(f"{where}: extra {extra!r} does not bring {module!r}")
    assert wrong == []


def test_all_is_every_extra_but_the_demo(
    project: dict[str, Any], extras: dict[str, set[str]]
) -> None:
    (line,) = project["project"]["optional-dependencies"]["all"]
    assert Requirement(line).extras == set(extras) - {"all", "demo"}


def test_the_lock_satisfies_everything_that_is_asked_for(
    root: Path, project: dict[str, Any]
) -> None:
    text = (root / "requirements-dev.txt").read_text(encoding="utf-8")
    locked: dict[str, list[str]] = {}
    for line in text.splitlines():
        requirement = Requirement(line)
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        locked.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    asked = [
        *project["project"]["dependencies"],
        *(r for rs in project["project"]["optional-dependencies"].values() for r in rs),
        *project["dependency-groups"]["dev"],
    ]
    wrong = [
        line
        for line in asked
        if (wanted := Requirement(line)).name != "bspump"
        and not any(
            wanted.specifier.contains(v) for v in locked.get(canonicalize_name(wanted.name), ())
        )
    ]
    assert wrong == []


def test_the_package_and_its_description_name_one_version(project: dict[str, Any]) -> None:
    assert bspump.__version__ == project["project"]["version"]
