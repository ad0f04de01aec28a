"""Importing costs little, needs no extra, and works from any starting point."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import SourceFile

MAY_IMPORT_AIOHTTP = ("bspump.http", "bspump.web")

# Imports every module by itself: what of bspump was loaded before is forgotten first.
IMPORT_ALL = """
import importlib, json, pkgutil, sys, traceback

class Blocker:
    def __init__(self, names):
        self.names = names
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker(frozenset(json.load(sys.stdin))))
import bspump
names = ["bspump", *(found.name for found in pkgutil.walk_packages(bspump.__path__, "bspump."))]
failures, loaded_with = {}, {}
for name in names:
    package = name.rpartition(".")[0]
    if name in loaded_with.get(package, ()):
        # Python imports the package first, and so has loaded this one from the same start.
        loaded_with[name] = loaded_with[package]
        continue
    for loaded in [n for n in sys.modules if n == "bspump" or n.startswith("bspump.")]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException:
        failures[name] = traceback.format_exc(limit=-2)
    else:
        loaded_with[name] = set(sys.modules)
print(json.dumps([names, failures]))
"""


def _run(program: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _optional_modules(core_distributions: set[str]) -> list[str]:
    """Return the top-level names which only distributions outside of the core install."""
    return [
        name
        for name, distributions in importlib.metadata.packages_distributions().items()
        if name != "bspump"
        and not any(canonicalize_name(d) in core_distributions for d in distributions)
    ]


def _imported_at_top(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that are imported when the file is, not those imported by functions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
        waiting += ast.iter_child_nodes(node)


def test_every_module_imports_on_its_own_without_any_extra(
    core_distributions: set[str], shipped_files: dict[str, SourceFile]
) -> None:
    optional = _optional_modules(core_distributions)
    assert "pytest" in optional
    assert "aiohttp" not in optional
    names, failures = json.loads(_run(IMPORT_ALL, json.dumps(optional)))
    assert "".join(failures.values()) == ""
    assert set(names) == set(shipped_files)


def test_importing_bspump_loads_no_library() -> None:
    program = "import sys; import bspump; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in _run(program).split()}
    installed = set(importlib.metadata.packages_distributions()) - {"bspump"}
    started = {name.partition(".")[0] for name in _run("import sys; print(*sys.modules)").split()}
    assert "bspump" in loaded
    assert (loaded - started) & installed == set()


def test_only_http_and_web_import_aiohttp_at_the_top(shipped_files: dict[str, SourceFile]) -> None:
    wrong = [
        file.path
        for module, file in shipped_files.items()
        if not module.startswith(MAY_IMPORT_AIOHTTP)
        and any(name.partition(".")[0] == "aiohttp" for name in _imported_at_top(file.tree))
    ]
    assert wrong == []


def test_the_blocker_hides_what_is_not_of_the_core(tmp_path: Path) -> None:
    program = IMPORT_ALL.replace("import bspump\n", "import bspump; import numpy\n")
    done = subprocess.run(
        [sys.executable, "-c", program],
        input='["numpy"]',
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "No module named 'numpy'" in done.stderr
