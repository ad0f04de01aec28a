"""What a program writes comes in, and nothing of the program is left behind."""

from __future__ import annotations

import functools
import os

import pytest

from bspump import Pipeline
from bspump.abc.errors import ConfigError, OptionError, ProcessingError
from bspump.subprocess import SubProcessSource
from bspump.testing import Harness, eventually


@pytest.fixture
async def harness():
    async with Harness() as harness:
        yield harness


@pytest.fixture
def run(harness):
    """Return a function that runs a command in a pipeline, which is returned."""

    def run(command, **config):
        config = {"command": command, **config}
        return harness.chain(functools.partial(SubProcessSource, config=config))

    return run


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - a zombie has been killed as well
        return file.read().rpartition(")")[2].split()[0] != "Z"


async def test_lines_are_bytes_and_the_end_is_no_event(harness, run):
    pipeline = run(r"printf 'one\n\ntwo\r\nthree'")
    await eventually(pipeline.is_finished)
    assert harness.out() == [b"one", b"", b"two\r", b"three"]


async def test_many_lines_come_in_their_order(harness, run):
    pipeline = run("seq 100000")
    await eventually(pipeline.is_finished, within_s=20)
    assert harness.out() == [b"%d" % i for i in range(1, 100_001)]


async def test_a_line_that_is_too_long_is_rejected_and_its_neighbours_are_not(harness, run):
    command = "echo one; head -c 5000 /dev/zero | tr '\\0' x; echo; echo two"
    pipeline = run(command, line_len_limit="1KiB")
    await eventually(pipeline.is_finished)
    assert harness.out() == [b"one", b"two"]
    (failure,) = harness.errors
    assert "at most 1024 bytes" in str(failure.error)


async def test_what_it_says_to_people_goes_to_the_log(harness, run):
    pipeline = run("echo oops >&2; echo one")
    await eventually(pipeline.is_finished)
    assert harness.out() == [b"one"]
    assert [r for r in harness.logs if r.msg == "the program writes"] != []
    assert any("oops" in str(vars(record)) for record in harness.logs)


async def test_a_bad_exit_code_is_an_error_that_says_what_to_do(harness, run):
    pipeline = run("echo one; exit 3")
    await eventually(pipeline.has_error)
    assert harness.out() == [b"one"]
    (failure,) = harness.errors
    assert isinstance(failure.error, ProcessingError)
    assert "exit code 3, expected exit code 0" in str(failure.error)
    assert not pipeline.is_finished()


async def test_a_signal_is_named(harness, run):
    pipeline = run("kill -USR1 $$")
    await eventually(pipeline.has_error)
    assert "SIGUSR1" in str(harness.errors[0].error)


@pytest.mark.parametrize("codes", ["0, 3", "3", 3, [0, 3]])
async def test_exit_codes_may_be_fine(run, codes):
    pipeline = run("exit 3", ok_return_codes=codes)
    await eventually(pipeline.is_finished)


async def test_it_is_run_again_when_the_error_is_cleared(harness, run, tmp_path):
    pipeline = run(f"echo one; test -e '{tmp_path}/ok'")
    await eventually(pipeline.has_error)
    (tmp_path / "ok").touch()
    pipeline.set_error(None, None, None)
    await eventually(pipeline.is_finished)
    assert (harness.out(), len(harness.errors)) == ([b"one", b"one"], 1)


async def test_it_is_run_again_after_a_failure_until_it_ends_well(harness, run, tmp_path):
    runs = f"'{tmp_path}/runs'"
    command = f"echo x >> {runs}; wc -l < {runs}; test 3 -le $(wc -l < {runs})"
    config = {"restart": "on-failure", "retry.first": "1ms", "retry.longest": "5ms"}
    pipeline = run(command, **config)
    await eventually(pipeline.is_finished)
    assert [event.strip() for event in harness.out()] == [b"1", b"2", b"3"]


async def test_attempts_to_run_it_again_may_be_limited(harness, run):
    config = {"restart": "on-failure", "retry.first": "1ms", "retry.attempts": "3"}
    pipeline = run("echo one; exit 1", **config)
    await eventually(pipeline.has_error)
    assert harness.out() == [b"one"] * 3
    assert isinstance(harness.errors[0].error, ProcessingError)


async def test_it_may_be_run_again_for_ever(harness, run):
    pipeline = run("echo one", restart="always", **{"retry.first": "1ms", "retry.factor": "1"})
    await eventually(lambda: len(harness.out()) > 3)
    assert not pipeline.is_finished()


@pytest.mark.parametrize(
    "command",
    [
        "echo $$; sleep 100",
        "sh -c 'echo $$; sleep 100'",
        "(echo $(exec sh -c 'echo $PPID'); sleep 100) & wait",
        "sh -c 'trap \"\" TERM; echo $$; sleep 100; sleep 100' & wait",
    ],
    ids=["shell", "child", "background", "deaf"],
)
async def test_a_stop_ends_everything_it_has_started(harness, run, command):
    pipeline = run(command, stop_timeout="200ms")
    await eventually(harness.out)
    pid = int(harness.out()[0])
    assert is_alive(pid)
    await pipeline.stop()
    await eventually(lambda: not is_alive(pid))


async def test_a_program_that_ends_leaves_nobody_behind(harness, run):
    pipeline = run("sleep 100 >/dev/null 2>&1 & echo $!")
    await eventually(pipeline.is_finished)
    await eventually(lambda: not is_alive(int(harness.out()[0])))


async def test_a_held_pipeline_holds_the_program(harness, run, tmp_path):
    pipeline = run(f"yes | head -c 10000000; touch '{tmp_path}/done'")
    pipeline.throttle("test")
    await eventually(lambda: pipeline.Sources[0].Task is not None)
    await harness.app.Clock.sleep(0.1)
    assert not (tmp_path / "done").exists()
    pipeline.throttle("test", False)
    await eventually((tmp_path / "done").exists, within_s=20)


async def test_an_empty_command_is_an_error(harness, run):
    pipeline = run(" ")
    await eventually(pipeline.has_error)
    assert isinstance(harness.errors[0].error, ConfigError)


async def test_a_wrong_option_is_said_before_anything_starts(harness):
    with pytest.raises(OptionError):
        SubProcessSource(
            harness.app, Pipeline(harness.app, "P"), config={"ok_return_codes": "none"}
        )


async def test_its_standard_input_is_empty(harness, run):
    pipeline = run("cat; echo end")
    await eventually(pipeline.is_finished)
    assert harness.out() == [b"end"]
