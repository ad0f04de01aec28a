"""One poisoned event among ten thousand: set aside, shown, replayed by the corrected program."""

from __future__ import annotations

import json
import subprocess
import sys

import bspump
import bspump.common
import bspump.file

N, POISONED = 10_000, 4321


class Parse(bspump.Processor):
    """Takes amounts as numbers; that some are written with a comma was not known."""

    def process(self, context, event):
        event["amount"] = float(event["amount"])
        return event


class CorrectedParse(Parse):
    def process(self, context, event):
        event["amount"] = event["amount"].replace(",", ".")
        return super().process(context, event)


def run(folder, parse_class):
    """Run a program over all input; the source goes on where the last one has ended."""
    app = bspump.BSPumpApplication(
        args=[
            "--set",
            f"[general] var_dir={folder / 'var'}",
            "--set",
            "[checkpoint] interval=100ms",
        ]
    )
    pipeline = bspump.Pipeline(
        app, "Orders", {"on_error": "dead_letter", "require": "exactly-once"}
    )
    source = {"path": str(folder / "in.ndjson"), "codec": "json"}
    sink = {"path": str(folder / "out-{index}.ndjson"), "codec": "json"}
    pipeline.build(
        bspump.file.FileSource(app, pipeline, config=source),
        parse_class(app, pipeline, id="Parse"),
        bspump.file.FileSink(app, pipeline, config=sink),
    )
    app.PumpService.add_pipeline(pipeline)
    assert app.run() == 0


def arrived(folder):
    files = sorted(folder.glob("out-*.ndjson"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def dead_letters(folder, *args):
    command = [sys.executable, "-m", "bspump", "dead-letters", *args, "--data", str(folder / "var")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def test_a_poisoned_event_among_ten_thousand_arrives_after_the_program_is_corrected(tmp_path):
    with (tmp_path / "in.ndjson").open("w") as file:
        for n in range(N):
            amount = f"{n},5" if n == POISONED else f"{n}.5"
            file.write(json.dumps({"n": n, "amount": amount, "password": "hush"}) + "\n")

    run(tmp_path, Parse)
    others = [n for n in range(N) if n != POISONED]
    assert [event["n"] for event in arrived(tmp_path)] == others
    (letter,) = map(json.loads, dead_letters(tmp_path, "list", "--json").splitlines())
    assert letter["part"] == "Parse"
    assert letter["error_text"] == "could not convert string to float: '4321,5'"
    shown = dead_letters(tmp_path, "show", str(letter["id"]))
    assert 'event["amount"] = float(event["amount"])' in shown  # the traceback
    assert '"amount": "4321,5"' in shown
    assert "hush" not in shown

    assert dead_letters(tmp_path, "replay", "--all") == (
        "1 dead letters are to be replayed, as soon as the application runs\n"
    )
    run(tmp_path, CorrectedParse)
    events = arrived(tmp_path)
    assert sorted(event["n"] for event in events) == list(range(N))
    assert events[-1] == {"n": POISONED, "amount": 4321.5, "password": "hush"}
    (letter,) = map(json.loads, dead_letters(tmp_path, "list", "--json").splitlines())
    assert letter["state"] == "replayed"

    run(tmp_path, CorrectedParse)
    assert len(arrived(tmp_path)) == N
    assert dead_letters(tmp_path, "purge", "--state", "replayed") == "1 dead letters were removed\n"
    assert dead_letters(tmp_path, "list", "--json") == ""
