"""Optional libraries: missing ones are named with the command that installs them."""

from __future__ import annotations

import sys

import pytest

from bspump.abc.errors import MissingExtraError
from bspump.abc.extras import require


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return a function that makes a module `name` with the given source importable."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        made.append(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_a_library_that_is_there_is_returned(library):
    library("bspump_example_library", "ANSWER = 42")
    assert require("bspump_example_library", extra="x").ANSWER == 42


@pytest.mark.parametrize("module", ["bspump_nowhere", "bspump_nowhere.inner"])
def test_a_library_that_is_missing_is_answered_by_the_command(module):
    with pytest.raises(MissingExtraError, match=r"pip install 'bspump\[zstd\]'") as caught:
        require(module, extra="zstd")
    assert caught.value.package == "bspump_nowhere"


def test_a_library_that_misses_one_of_its_own_is_not_called_missing(library):
    # The name of the missing one begins like that of the library.
    library("bspump_example_broken", "import bspump_example")
    with pytest.raises(ModuleNotFoundError) as caught:
        require("bspump_example_broken", extra="x")
    assert not isinstance(caught.value, MissingExtraError)
