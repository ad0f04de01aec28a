"""What the pages refer to exists: names of the code, files, options."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from pathlib import Path

import pytest

from bspump.core.assembly import PipelineOptions

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs/anomalies.md",
    ROOT / "docs/delivery.md",
    ROOT / "docs/errors-of-events.md",
    ROOT / "docs/guarantees.md",
    ROOT / "docs/joins.md",
    ROOT / "docs/keyed-operators.md",
    ROOT / "docs/keyed-state.md",
    ROOT / "docs/life-of-an-event.md",
    ROOT / "docs/migrating.md",
    ROOT / "docs/patterns.md",
    ROOT / "docs/sigma.md",
    *sorted((ROOT / "docs/decisions").glob("*.md")),
]
METRICS = ("bspump.pipeline.", "bspump.event_time.")
BACKTICKED = re.compile(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`")
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)\)")
CLASS = re.compile(r"(?:[A-Z]+[a-z0-9]+){2,}")

# Names of the original and of Python.
ELSEWHERE = {"PumpBuilder", "QueueFull"} | set(dir(builtins))


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Return every name that the package defines; read, not imported, as extras may be missing."""
    found: set[str] = set()
    for file in (ROOT / "src/bspump").rglob("*.py"):
        for node in ast.walk(ast.parse(_text(file))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_class_that_a_page_names_exists(page, known):
    names = {name.split(".")[0] for name in BACKTICKED.findall(_text(page))}
    named = {name for name in names if CLASS.fullmatch(name)}
    assert sorted(named - known - ELSEWHERE) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_a_page_names_exists(page):
    for name in BACKTICKED.findall(_text(page)):
        # Messages and metrics begin with it as well; those are no names of the code.
        if name.startswith("bspump.") and not name.startswith(METRICS):
            parts = name.split(".")
            owner = importlib.import_module(".".join(parts[:2]))
            for part in parts[2:]:
                owner = (
                    getattr(owner, part)
                    if hasattr(owner, part)
                    else importlib.import_module(f"{owner.__name__}.{part}")
                )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = [link for link in LINK.findall(_text(page)) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_option_of_a_pipeline_is_on_a_page():
    text = "".join(map(_text, PAGES))
    assert [name for name in PipelineOptions.__struct_fields__ if f"`{name}" not in text] == []


def test_decisions_are_numbered_without_a_gap():
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    for number, page in enumerate(pages, 1):
        assert page.name.startswith(f"{number:04}-")
        assert _text(page).startswith(f"# {number}. ")
        assert _text(page).count("**Question.**") == 1
