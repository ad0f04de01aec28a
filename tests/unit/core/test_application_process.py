"""A real program, and the signals that it gets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="does not apply: no POSIX")

PROGRAM = """
import asyncio
import bspump


class Feed(bspump.Source):
    async def main(self):
        await self.Pipeline.ready()
        print("ready", flush=True)
        try:
            await self.stopped()
        finally:
            print("cancelled", flush=True)


class Print(bspump.Sink):
    def process(self, context, event):
        print(event, flush=True)

    async def flush(self):
        print("flush", flush=True)

    async def close(self):
        print("close", flush=True)


class App(bspump.BSPumpApplication):
    def __init__(self, args=None):
        super().__init__(args)
        self.Tested = bspump.Pipeline(self, "Tested")
        self.Tested.build(Feed(self, self.Tested), Print(self, self.Tested))
        self.PumpService.add_pipeline(self.Tested)
        self.PubSub.subscribe("Application.hup!", self.on_hup)

    def on_hup(self, message):
        print(message, flush=True)


if __name__ == "__main__":
    {body}
    raise SystemExit(app.run())
"""


@contextmanager
def program(tmp_path, body="app = App()", *args, flags=()):
    """Start a program; its output is read line by line."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("{body}", textwrap.indent(body, "    ").strip()))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BSPUMP", "ASAB"))}
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", *flags, str(path), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process):
    """Wait for the end; return the exit code and what was written, but for what is promised."""
    out, err = process.communicate(timeout=30)
    lines = err.splitlines(keepends=True)
    err = "".join(line for line in lines if ": guarantee pipeline=" not in line)
    return process.returncode, out.split("\n")[:-1], err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path, number):
    with program(tmp_path) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert ended(process) == (0, ["cancelled", "flush", "close"], "")


SLOW = """
class SlowPrint(Print):
    async def flush(self):
        print("flush", flush=True)
        await asyncio.sleep(1 if HURRY else 60)

app = App()
app.Tested.remove_processor("Print")
app.Tested.append_processor(SlowPrint(app, app.Tested))
"""


def test_a_second_signal_changes_nothing_and_a_third_aborts(tmp_path):
    with program(tmp_path, f"HURRY = False\n{SLOW}") as process:
        assert process.stdout.readline() == "ready\n"
        for expected in ("cancelled\n", "flush\n"):
            if expected == "cancelled\n":
                process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == expected
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        code, out, err = ended(process)
        assert (code, out) == (70, [])
        assert "aborted, events that were in flight may come again" in err


def test_two_signals_let_it_end_as_one_does(tmp_path):
    with program(tmp_path, f"HURRY = True\n{SLOW}") as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "cancelled\n"
        assert process.stdout.readline() == "flush\n"
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, ["close"], "")


def test_an_end_that_the_program_asked_for_does_not_count_as_a_signal(tmp_path):
    with program(
        tmp_path,
        f"HURRY = True\n{SLOW}\napp.Loop.call_later(0.3, stop)".replace(
            "app = App()",
            "app = App()\ndef stop():\n    app.stop(3)\n    app.stop()\n    app.stop()\n",
        ),
    ) as process:
        for expected in ("ready\n", "cancelled\n", "flush\n"):
            assert process.stdout.readline() == expected
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (3, ["close"], "")


def test_a_signal_clears_errors_and_another_is_published(tmp_path):
    body = """
    class Once(Feed):
        Runs = 0

        async def main(self):
            self.Runs += 1
            if self.Runs == 1:
                print("failed", flush=True)
                raise OSError("odd")
            await super().main()

    app = App()
    app.Tested.Sources[:] = [Once(app, app.Tested)]
    """
    with program(tmp_path, textwrap.dedent(body)) as process:
        assert process.stdout.readline() == "failed\n"
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "Application.hup!\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        code, out, err = ended(process)
        assert (code, out) == (0, ["cancelled", "flush", "close"])
        assert "OSError: odd" in err
        assert "error cleared" in err


def test_a_signal_while_it_starts_ends_it(tmp_path):
    body = """
    class Table(bspump.Lookup):
        async def load(self):
            print("loading", flush=True)
            await asyncio.sleep(60)

    app = App()
    app.PumpService.add_lookup(Table(app))
    """
    with program(tmp_path, textwrap.dedent(body)) as process:
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, [], "")


def test_a_wrong_configuration_is_printed_whole_and_has_an_exit_code_of_its_own(tmp_path):
    args = ["--set", "[pipeline:Tested] slice=long", "--set", "[pipeline:Tested] nonsense=1"]
    with program(tmp_path, "app = App()", *args) as process:
        code, out, err = ended(process)
        assert (code, out) == (78, [])
        assert err.startswith("2 configuration errors [C000]\n")
        assert "[pipeline:Tested] slice" in err
        assert "[pipeline:Tested] nonsense" in err
        assert "Traceback" not in err


EVERYTHING = """
class Bounded(bspump.PullSource):
    async def read(self, position):
        start = position or 0
        return bspump.Chunk(list(range(start, start + 10)), start + 10, None, start >= 90)

class Later(bspump.Generator):
    async def generate(self, context, event, depth):
        if event % 3 == 0:
            await asyncio.sleep(0.001)
        self.Pipeline.inject(context, event, depth)

class Batches(bspump.BatchSink):
    async def write(self, batch):
        await asyncio.sleep(0)

async def soon(context, event):
    await asyncio.sleep(0)
    return event

app = App()
other = bspump.Pipeline(app, "Other")
other.build(Bounded(app, other), Later(app, other), soon, Batches(app, other))
app.PumpService.add_pipeline(other)
app.PumpService.del_pipeline(app.Tested)
"""


def test_the_debug_mode_of_asyncio_has_nothing_to_complain_about(tmp_path):
    with program(tmp_path, EVERYTHING, "-v", flags=["-X", "dev"]) as process:
        code, _, err = ended(process)
        assert code == 0
        for word in ("Warning", "never awaited", "destroyed", "Traceback", "not retrieved"):
            assert word not in err
