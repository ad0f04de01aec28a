from __future__ import annotations

import io
from functools import partial

import pytest

from bspump.common import (
    PPrintContextProcessor,
    PPrintProcessor,
    PPrintSink,
    PrintContextProcessor,
    PrintProcessor,
    PrintSink,
)

EVENT = {"b": 1, "a": "x" * 90}
PRETTY = "{'a': '" + "x" * 90 + "',\n 'b': 1}\n"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (PrintSink, f"{EVENT}\n"),
        (PrintProcessor, f"{EVENT}\n"),
        (PPrintSink, PRETTY),
        (PPrintProcessor, PRETTY),
        (PrintContextProcessor, "{'n': 1}\n"),
        (PPrintContextProcessor, "{'n': 1}\n"),
    ],
)
def test_events_are_shown_on_the_stream_or_on_standard_output(through, capsys, part, expected):
    stream = io.StringIO()
    parts = [partial(part, stream=stream), part]
    for each in parts:
        if "Sink" in part.__name__:
            with pytest.raises(LookupError):  # The sink is not one in memory.
                through(each, events=[EVENT], contexts=[{"n": 1}])
        else:
            assert through(each, events=[EVENT], contexts=[{"n": 1}]) == ([EVENT], [])
    assert stream.getvalue() == expected
    assert capsys.readouterr().out == expected
