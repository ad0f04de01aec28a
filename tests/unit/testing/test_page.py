"""The examples of `docs/testing.md` are tests that pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOOP_FACTORIES = "pytest_asyncio_loop_factories"


def blocks():
    return BLOCK.findall((ROOT / "docs/testing.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("is_virtual", [False, True])
def test_the_examples_pass(tmp_path, is_virtual):
    """Run the page as one file, with and without the loop that it recommends for fixtures."""
    examples = [block for block in blocks() if LOOP_FACTORIES not in block]
    (tmp_path / "test_examples.py").write_text("\n".join(examples))
    if is_virtual:
        (factories,) = (block for block in blocks() if LOOP_FACTORIES in block)
        (tmp_path / "conftest.py").write_text(factories)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-W", "error", "-o", "asyncio_mode=auto"),
            *("-o", "asyncio_default_fixture_loop_scope=function", "test_examples.py"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 15
    assert "failed" not in done.stdout
