"""The page on joins says what the code says, and its example does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

import bspump.join
from bspump.abc.options import option_fields

ROOT = Path(__file__).parents[2]
EXAMPLE = "docs/examples/joins.py"
PAGE = (ROOT / "docs/joins.md").read_text(encoding="utf-8")
JOINS = [getattr(bspump.join, name) for name in bspump.join.__all__]


def shown(language: str) -> str:
    return PAGE.split(f"```{language}\n")[1].split("```")[0]


async def test_orders_are_told_with_their_price_and_whether_they_were_paid(start, tmp_path):
    (tmp_path / "shop.ndjson").write_text(shown("json"))
    program = await start(EXAMPLE)
    assert await program.end() == 0, program.log
    assert program.output == shown("text")


def test_the_page_shows_the_example():
    assert EXAMPLE.removeprefix("docs/") in PAGE
    source = (ROOT / EXAMPLE).read_text(encoding="utf-8")
    assert all(line.strip() in source for line in shown("python").splitlines())


@pytest.mark.parametrize("join", JOINS, ids=lambda join: join.__name__)
def test_the_page_names_every_join_option_and_count(join):
    assert f"`{join.__name__}`" in PAGE
    names = [name for name in option_fields(join.OptionsClass) if name != "ttl"]
    assert [name for name in names if f"`{name}" not in PAGE] == []
    assert [name for name in bspump.join.base._COUNTS if f"`{name}`" not in PAGE] == []
