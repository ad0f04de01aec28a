"""In CI no test of a connector is skipped because its server or package is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
[pytest]
markers = integration: needs a server
pythonpath = {support}
"""

TESTS = """
import pytest

@pytest.fixture
def server(): pytest.skip("no server")

@pytest.mark.integration
def test_server(): pytest.skip("no server")

@pytest.mark.integration
def test_fixture(server): pass

@pytest.mark.integration
def test_capability(): pytest.skip("does not apply: PARTIAL")

@pytest.mark.integration
@pytest.mark.xfail
def test_expected(): assert False

def test_unit(): pytest.skip("only on another system")
"""

WHOLE_MODULE = """
import pytest
pytest.importorskip("a_package_that_is_nowhere")
def test_package(): pass
"""


@pytest.fixture(scope="module")
def suite(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a small suite under the `conftest.py` of this one."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text((root / "tests/conftest.py").read_text())
    (folder / "pytest.ini").write_text(CONFIGURATION.format(support=root / "tests/support"))
    (folder / "test_functions.py").write_text(TESTS)
    (folder / "test_whole_module.py").write_text(WHOLE_MODULE)
    return folder


def _outcomes(suite: Path, **environment: str) -> set[tuple[str, str]]:
    """Run the suite; return outcome and name of each test that did not pass."""
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--continue-on-collection-errors"],
        capture_output=True,
        text=True,
        check=False,
        cwd=suite,
        env=inherited | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment,
    )
    assert "1 xfailed" in done.stdout
    found = re.findall(r"^(FAILED|ERROR) test_\w+\.py(?:::test_(\w+))?", done.stdout, re.MULTILINE)
    return set(found)


def test_in_ci_only_what_must_not_be_missing_fails(suite: Path) -> None:
    assert _outcomes(suite, CI="true") == {
        ("FAILED", "server"),
        ("ERROR", "fixture"),
        ("ERROR", ""),
    }


def test_at_home_nothing_fails(suite: Path) -> None:
    assert _outcomes(suite) == set()
