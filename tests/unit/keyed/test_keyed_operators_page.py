"""The page on keyed operators says what the code says."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import bspump.keyed
from bspump.abc.options import option_fields

ROOT = Path(__file__).parents[3]
EXAMPLE = "docs/examples/keyed_operators.py"
PAGE = (ROOT / "docs/keyed-operators.md").read_text(encoding="utf-8")
OPERATORS = [getattr(bspump.keyed, name) for name in bspump.keyed.__all__]


def test_the_page_shows_the_example():
    assert EXAMPLE.removeprefix("docs/") in PAGE
    source = (ROOT / EXAMPLE).read_text(encoding="utf-8")
    shown = PAGE.split("```python\n")[1].split("```")[0]
    assert all(line.strip() in source for line in shown.splitlines())


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_the_page_names_every_operator_and_option(operator):
    assert f"`{operator.__name__}" in PAGE
    names = option_fields(operator.OptionsClass)
    assert [n for n in names if f"`{n}" not in PAGE and f"`{n.partition('.')[0]}" not in PAGE] == []


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_the_page_names_all_that_is_counted(operator):
    counted = [*getattr(operator, "_counted", ()), "forced"]
    assert [name for name in counted if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_every_operator_says_what_it_remembers(operator):
    text = inspect.getdoc(operator)
    assert "State:" in text or "Nothing is remembered" in text
