"""`bspump check`: everything that is wrong at once, and what is promised, and nothing is opened."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

import bspump
from bspump.__main__ import main

PROGRAM = """
import sys
import bspump
import bspump.common
import bspump.file

def build():
    app = bspump.BSPumpApplication()
    pipeline = bspump.Pipeline(app, "Orders")
    pipeline.build(
        bspump.file.FileSource(app, pipeline, config={"path": "in.ndjson"}),
        bspump.file.FileSink(app, pipeline, config={"path": "out.ndjson"}),
    )
    app.PumpService.add_pipeline(pipeline)
    return app

if __name__ == "__main__":
    app = build()
    print("it runs up to here")
    code = app.run()
    print("and not any further")
    sys.exit(code)
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Return a function that checks a program; it returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    level, before = logging.getLogger().level, list(sys.path)

    def run(text, *args, name="program.py", what=None):
        (tmp_path / name).write_text(text)
        code = main(["check", what or str(tmp_path / name), *args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    assert bspump.BSPumpApplication.Inspector is None
    assert logging.getLogger().level == level
    assert sys.path == before


def test_the_promise_of_each_pipeline_is_printed_and_nothing_starts(check, tmp_path):
    code, out, err = check(PROGRAM, "--set", f"[general] var_dir={tmp_path / 'var'}")
    assert (code, err) == (0, "")
    assert out == (
        "it runs up to here\n"
        "Orders: exactly once\n"
        "  Orders.*FileSource: reads on where the checkpoint was\n"
        "  Orders.FileSink: commits together with the checkpoint\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.py"]


def test_everything_that_is_wrong_is_printed_at_once(check, tmp_path):
    config = tmp_path / "site.conf"
    config.write_text(
        "[pipeline:Orders]\non_error = dead_letter\nrequire = at-least-once\nslice = long\n"
        "[pipeline:Odrers:FileSink]\npath = x\n"
    )
    code, out, err = check(PROGRAM, "-c", str(config))
    assert code == 78
    assert "4 configuration errors" in err
    for wrong in (
        "site.conf:4: [pipeline:Orders] slice",
        "site.conf:5: section [pipeline:Odrers:FileSink] belongs to nothing",
        "site.conf:2: [pipeline:Orders] on_error = dead_letter: there is no place",
        "site.conf:3: [pipeline:Orders] require = at-least-once",
    ):
        assert wrong in err
    assert "Orders: at most once" in out


def test_a_module_is_checked_by_its_name(check):
    code, out, _ = check(PROGRAM, name="some_program.py", what="some_program")
    assert code == 0
    assert "Orders: at most once" in out


def test_an_application_that_runs_in_a_loop_is_checked(check):
    text = PROGRAM.partition("if __name__")[0] + (
        "import asyncio\nasync def main():\n    app = build()\n    await app.run_async()\n"
        "asyncio.run(main())\n"
    )
    code, out, err = check(text)
    assert (code, err) == (0, "")
    assert "Orders: at most once" in out


def test_an_application_that_is_made_and_not_run_is_checked(check):
    code, out, _ = check(PROGRAM.partition("if __name__")[0] + "app = build()\n")
    assert code == 0
    assert "Orders: at most once" in out


def test_an_error_while_it_is_built_is_printed_with_the_others(check, tmp_path):
    (tmp_path / "a.conf").write_text("[nothing\n")
    text = PROGRAM.replace("    return app", "    app.PumpService.locate_connection('Kafka')")
    code, _, err = check(text, "-c", str(tmp_path / "a.conf"))
    assert code == 78
    assert "connection 'Kafka' is not defined" in err
    assert "a.conf:1:" in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "made no application"),
        ("raise SystemExit(3)\n", "ended with 3"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_program_without_an_application_is_said_to_be_none(check, text, expected):
    code, _, err = check(text)
    assert code == 1
    assert expected in err


STATEFUL = """
import bspump
import bspump.common
from bspump.abc.state import Snapshot
from bspump.testing import MemorySource

class Sum(bspump.Processor):
    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, id)
        self.Sum = 0

    def process(self, context, event):
        self.Sum += event
        return event

    def snapshot(self):
        return Snapshot(value=self.Sum)

    def restore(self, state):
        self.Sum = state.value

app = bspump.BSPumpApplication()
pipeline = bspump.Pipeline(app, "Orders")
pipeline.build(
    MemorySource(app, pipeline, [1, 2]),
    Sum(app, pipeline, "Sum"),
    bspump.common.NullSink(app, pipeline),
)
app.PumpService.add_pipeline(pipeline)
raise SystemExit(app.run())
"""


def test_what_is_stored_and_has_no_place_any_more_is_wrong(check, tmp_path):
    (tmp_path / "old.py").write_text(STATEFUL)
    setting = f"[general] var_dir={tmp_path}"
    done = subprocess.run([sys.executable, str(tmp_path / "old.py"), "--set", setting], check=False)
    assert done.returncode == 0
    assert check(STATEFUL, "--set", setting)[0] == 0
    renamed = STATEFUL.replace('"Sum"', '"Total"')
    code, _, err = check(renamed, "--set", setting)
    assert code == 78
    assert "Orders.Sum: the state of a part is stored, and the program has no place for it" in err
    answer = "[checkpoint] renamed=Orders.Sum -> Orders.Total"
    assert check(renamed, "--set", setting, "--set", answer)[0] == 0
    assert check(renamed, "--set", setting, "--set", "[checkpoint] forget=Orders.Sum")[0] == 0
    assert check(STATEFUL, "--set", setting)[0] == 0  # Nothing has been changed.


def test_a_file_that_is_missing_is_said(check):
    code, _, err = check("", what="missing.py")
    assert code == 78
    assert "there is no such file" in err
