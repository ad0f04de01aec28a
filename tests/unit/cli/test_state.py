"""`bspump state`: what it says about what parts remember."""

from __future__ import annotations

import asyncio
import json

import pytest

import bspump.common
from bspump.__main__ import main
from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.keyed import KeyedProcessor
from bspump.testing import Harness

AT_MS = 1_760_000_000_000


class Visits(KeyedProcessor):
    def key(self, context, event):
        return event["user"]

    def new_state(self):
        return {"visits": 0, "password": "hush"}

    def process_keyed(self, state, context, event):
        state["visits"] += 1
        if event.get("wait"):
            self.set_timer("gap", AT_MS + event["wait"])
        if event.get("gone"):
            self.forget()

    def on_timer(self, state, key, timer):
        return None


@pytest.fixture(params=["memory", "rocksdb"])
async def harness(request, tmp_path):
    """Return an application that runs, and has a checkpoint."""
    if request.param == "rocksdb":
        pytest.importorskip("rocksdict")
    harness = Harness(["--set", f"[general] var_dir={tmp_path}"])

    def visits(app, pipeline, id=None):
        config = {"store": request.param, "ttl": 60}
        return Visits(app, pipeline, id="Visits", config=config)

    pipeline = bspump.Pipeline(harness.app, "Web")
    pipeline.build(
        bspump.common.InternalSource(harness.app, pipeline),
        visits(harness.app, pipeline),
        bspump.common.NullSink(harness.app, pipeline),
    )
    harness.pipeline(pipeline)
    async with harness:
        for user, more in (("joe", {"wait": 5_000}), (7, {}), ("ann", {}), (("a", 1), {})):
            context = {EVENT_TIME: AT_MS, WATERMARK: AT_MS}
            await pipeline.process({"user": user, **more}, context)
        await pipeline.checkpoint()
        await pipeline.process({"user": "ann", "gone": True}, context)
        await pipeline.process({"user": "joe"}, context)
        await pipeline.checkpoint()
        yield harness


@pytest.fixture
def state(tmp_path, harness, capsys):
    """Return a function that runs a command; it returns exit code, output and errors."""

    async def run(*args):
        code = await asyncio.to_thread(main, ["state", *args, "--data", str(tmp_path)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


async def test_a_list_has_keys_and_the_watermark_of_each_part(state):
    code, out, _ = await state("list")
    assert code == 0
    heading, line = out.splitlines()
    assert heading.split() == ["PART", "KEYS", "BYTES", "WATERMARK", "VERSION", "CHECKPOINT"]
    assert line.split()[:2] == ["Web.Visits", "3"]
    assert "2025-10-09T08:53:20Z" in line
    _, out, _ = await state("list", "--json")
    found = json.loads(out)
    assert (found["part"], found["keys"], found["watermark_ms"]) == ("Web.Visits", 3, AT_MS)
    assert found["size_bytes"] > 50


async def test_the_state_of_a_key_is_shown_without_secrets(state):
    code, out, _ = await state("show", "Web.Visits", "--key", "joe")
    assert code == 0
    found = json.loads(out)
    assert found["state"]["visits"] == 2
    assert "hush" not in out
    assert found["timers"] == [{"name": "gap", "at_ms": AT_MS + 5_000, "clock": "event"}]
    assert 0 <= found["expires_ms"] - AT_MS - 60_000 < 1_000
    for key in ("7", '["a", 1]'):
        _, out, _ = await state("show", "Web.Visits", "--key", key)
        assert json.loads(out)["state"]["visits"] == 1


async def test_a_key_that_is_gone_is_said_to_be(state):
    code, out, err = await state("show", "Web.Visits", "--key", "ann")
    assert (code, out, err) == (1, "", "Web.Visits has no key 'ann'\n")


async def test_keys_are_listed(state):
    _, out, err = await state("show", "Web.Visits", "--limit", "2")
    first, *rest = map(json.loads, out.splitlines())
    assert (first["part"], len(rest)) == ("Web.Visits", 2)
    assert "there are 3 keys" in err
    _, out, _ = await state("show", "Web.Visits")
    assert len(out.splitlines()) == 4


async def test_it_says_what_a_key_waits_for(state):
    _, out, _ = await state("why", "Web.Visits", "--key", "joe")
    assert "time has come to 2025-10-09T08:53:20Z" in out
    assert f"'joe': timer 'gap' at 2025-10-09T08:53:25Z ({AT_MS + 5000}), 5 s of event time" in out
    assert "'joe': time-to-live at 2025-10-09T08:54:20Z" in out
    _, out, _ = await state("why", "Web.Visits", "--json")
    assert [each["key"] for each in json.loads(out)["waiting"]] == ["joe", "joe", ["a", 1], 7]
    _, out, _ = await state("why", "Web.Visits", "--key", "nobody")
    assert "nothing is stored of it" in out


async def test_an_unknown_part_is_refused_with_those_there_are(state):
    code, _, err = await state("show", "Web.Other")
    assert code == 78
    assert "stored: Web.Visits" in err


async def test_where_nothing_is_stored_it_says_so(tmp_path, capsys):
    code = await asyncio.to_thread(main, ["state", "list", "--data", str(tmp_path)])
    assert code == 78
    assert "state store" in capsys.readouterr().err
