"""What a user sees of the contracts in a run of pytest."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SUITE = """
import pytest
from bspump.testing import MemorySink
from bspump.testing.contracts import SinkContract, SinkTarget

{mark}
class TestBroken(SinkContract):
    @pytest.fixture
    def target(self):
        stored = []
        return SinkTarget(
            make=lambda app, pipeline: MemorySink(app, pipeline, stored),
            stored=lambda: [event["number"] for event in stored],
            event=lambda number, text: {{"number": number}},
        )
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_failures_show_values_and_skips_show_their_reasons(tmp_path, mode):
    mark = "@pytest.mark.asyncio" if mode == "strict" else ""
    (tmp_path / "test_broken.py").write_text(SUITE.format(mark=mark))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rs", "-W", "error"),
            *("-p", "no:cacheprovider", "-o", f"asyncio_mode={mode}"),
            *("-o", "asyncio_default_fixture_loop_scope=function"),
        ],
        cwd=tmp_path,
        # In CI pytest shows whole differences, which takes minutes for those of long lists.
        env={name: value for name, value in os.environ.items() if name != "CI"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "At index 0 diff: 0 != {'number': 0}" in done.stdout
    assert "does not apply: it does not write batches" in done.stdout
    assert "error" not in done.stdout.splitlines()[-1]
