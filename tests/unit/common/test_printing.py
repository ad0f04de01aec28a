from __future__ import annotations

import io
import subprocess
import sys
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


ENDLESS = """
import bspump
from bspump.common import PrintSink

class Count(bspump.Source):
    async def main(self):
        n = 0
        while True:
            await self.process(n := n + 1)

app = bspump.BSPumpApplication(args=[])
pipeline = bspump.Pipeline(app, "P")
pipeline.build(Count(app, pipeline), PrintSink(app, pipeline))
app.PumpService.add_pipeline(pipeline)
raise SystemExit(app.run())
"""


def test_an_endless_program_ends_when_the_reader_of_its_output_does():
    command = f"{sys.executable} -c '{ENDLESS}' | head -2"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if ": guarantee pipeline=" not in line]
    assert (done.stdout, lines, done.returncode) == ("1\n2\n", [], 0)


def test_what_is_printed_is_seen_at_once_also_through_a_pipe():
    program = ENDLESS.replace(
        "await self.process(n := n + 1)",
        "await self.process(n := n + 1); await self.App.Clock.sleep(60)",
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"1\n"
        process.terminate()
        assert process.wait(10) == 0
