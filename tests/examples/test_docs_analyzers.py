"""The examples of the page on analyzers do what they say."""

from __future__ import annotations

import json
import random

import pytest

from bspump.testing import eventually


def write_lines(path, *events):
    with path.open("a") as file:
        file.writelines(f"{json.dumps(event)}\n" for event in events)


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def written(directory, name):
    """Return what is in the files of a sink that begins a new one after each crash."""
    files = sorted(directory.glob(f"{name}*.ndjson"), key=lambda path: path.stat().st_mtime_ns)
    return [event for path in files for event in read_lines(path)]


def size_bytes(directory):
    """Return the size of all files of events, also of those that are not complete yet."""
    return sum(path.stat().st_size for path in directory.glob("*out.ndjson*"))


async def ends_before(program, size):
    """Wait until the program has ended, or its files of events are larger than `size`."""

    def is_time():
        has_ended = program.process.returncode is not None
        return has_ended or size_bytes(program.directory) > size

    await eventually(is_time, within_s=30, every_s=0.001)
    return program.process.returncode is not None


def login(user, at, ok=False):
    return {"action": "login", "user": user, "@timestamp": 1_700_000_000 + at, "ok": ok}


async def test_five_failed_logins_in_ten_minutes_are_one_alarm(start, tmp_path):
    events = [login("ann", 200 * i) for i in range(20)]
    events += [login("bob", 4000 + 10 * i) for i in range(7)]
    events += [login("cyd", 4000 + i, ok=True) for i in range(9)]
    events += [{"action": "logout", "user": "bob", "@timestamp": 0}]
    write_lines(tmp_path / "in.ndjson", *events)
    program = await start("docs/examples/analyzers.py")
    assert await program.end() == 0, program.log
    assert read_lines(tmp_path / "out.ndjson") == events
    alarms = read_lines(tmp_path / "alarms.ndjson")
    assert alarms == [{"user": "bob", "at": 1_700_000_000 + 4040}]


@pytest.mark.slow
async def test_a_program_that_is_killed_raises_the_same_alarms(start, tmp_path):
    chance = random.Random(5)
    logins = [login(f"user {chance.randrange(40)}", i // 2) for i in range(30_000)]
    write_lines(tmp_path / "in.ndjson", *logins)
    program = await start("docs/examples/analyzers.py")
    assert await program.end() == 0, program.log
    expected = read_lines(tmp_path / "alarms.ndjson")
    assert len(expected) > 1000
    step_bytes = size_bytes(tmp_path) // 6
    for name in ("out.ndjson", "alarms.ndjson"):
        (tmp_path / name).unlink()
    options = ("--set", "[general] var_dir=state", "--set", "[checkpoint] interval=50ms")
    kills, size = 0, 0
    while True:
        program = await start("docs/examples/analyzers.py", *options)
        size += step_bytes
        if await ends_before(program, size):
            break
        program.process.kill()
        await program.process.wait()
        kills += 1
    assert program.process.returncode == 0, program.log
    assert kills >= 3
    assert written(tmp_path, "out") == logins
    assert written(tmp_path, "alarms") == expected


async def test_open_sessions_are_written_as_a_table(start, tmp_path):
    requests, table = tmp_path / "in.ndjson", tmp_path / "sessions.ndjson"
    write_lines(
        requests,
        {"session": "s1", "user": "ann", "page": "/"},
        {"session": "s2", "user": "bob", "page": "/"},
        {"session": "s1", "user": "ann", "page": "/cart"},
        {"session": "s2", "user": "bob", "page": "/logout"},
    )
    program = await start("docs/examples/analyzers_sessions.py")
    await eventually(lambda: len(read_lines(table)) >= 1, within_s=20)
    assert await program.interrupt() == 0
    expected = {"id": "s1", "user": "ann", "last_page": "/cart", "pages": 2}
    assert all(line == expected for line in read_lines(table))


async def test_the_cell_with_the_most_events_is_named(start, tmp_path):
    prague, brno, berlin = (50.09, 14.42), (49.2, 16.61), (52.52, 13.4)
    places = [prague] * 5 + [brno] * 3 + [berlin] * 9
    write_lines(tmp_path / "in.ndjson", *({"lat": lat, "lon": lon} for lat, lon in places))
    program = await start("docs/examples/analyzers_map.py")
    assert await program.end() == 0, program.log
    assert program.output.startswith("5 events around 50.")
    assert ", 14." in program.output
