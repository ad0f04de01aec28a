"""The examples of `docs/servers.md` are tests that pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.integration
@pytest.mark.usefixtures("redis")  # skipped without it, as the examples would be
def test_the_examples_pass(tmp_path):
    blocks = BLOCK.findall((ROOT / "docs/servers.md").read_text(encoding="utf-8"))
    (tmp_path / "test_examples.py").write_text("\n".join(blocks))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
            *("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"),
            "test_examples.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
