"""The Grok parser keeps what every processor promises."""

from __future__ import annotations

from functools import partial

import pytest

from bspump.common import GrokParser
from bspump.testing.contracts import ProcessorContract, ProcessorTarget


class TestGrokParser(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(GrokParser, pattern=["^%{INT:n:int}$", "^%{WORD:w}$"]),
            events=["1", b"two", "3"],
            expected=[{"n": 1}, {"w": "two"}, {"n": 3}],
            broken=["--", b"", 7],
        )


class TestGrokParserOfAField(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(GrokParser, pattern="^%{INT:n:int}$", field="line", keep=False),
            events=[{"line": "1", "a": 1}, {"line": b"2"}],
            expected=[{"a": 1, "n": 1}, {"n": 2}],
            broken=[{"line": "x"}, {}, "1"],
        )
