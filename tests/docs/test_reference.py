"""The reference of parts is what the code says now."""

from __future__ import annotations

from pathlib import Path

import pytest

from bspump.cli.reference import stale_pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference has not been written yet")
def test_no_page_of_the_reference_is_stale():
    assert stale_pages(FOLDER) == [], "write_reference(Path('docs/reference')) makes it anew"
