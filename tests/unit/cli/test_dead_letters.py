"""`bspump dead-letters`: what it lists, shows, asks for and removes."""

from __future__ import annotations

import json

import pytest

from bspump.__main__ import main
from bspump.abc.dead_letters import DeadLetter
from bspump.core.checkpoints import STORE_NAME
from bspump.state import SqliteStateStore


def letter(**changes):
    given = {
        "pipeline": "Orders",
        "part": "Parser",
        "event": {"n": 1, "password": "hush", "raw": b"\xffa"},
        "context": {"topic": "orders"},
        "error_type": "ValueError",
        "error_text": "no number",
        "traceback": "Traceback (most recent call last):\n  http://joe:hush@host/\n",
        "at_s": 1_760_000_000.0,
    }
    return DeadLetter(**{**given, **changes})


@pytest.fixture
async def store(tmp_path):
    """Return a store that an application has opened, with four dead letters."""
    store = SqliteStateStore(tmp_path / STORE_NAME)
    await store.open()
    await store.dead_letters.put(
        [
            letter(),
            letter(part="Sink", error_type="bspump.abc.errors.RejectedError", attempts=3),
            letter(pipeline="Other", error_text="evil \x1b[2J", replayed_at_s=1_760_000_100.0),
            letter(event=object(), at_s=1_770_000_000.0),
        ]
    )
    yield store
    await store.close()


@pytest.fixture
def bspump(tmp_path, store, capsys):
    """Return a function that runs a command; it returns exit code, output and errors."""

    async def run(*args, where=("--data", str(tmp_path))):
        import asyncio

        code = await asyncio.to_thread(main, ["dead-letters", *args, *where])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


async def test_a_list_has_a_line_for_each_while_the_application_runs(bspump):
    code, out, err = await bspump("list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["ID", "TIME", "PIPELINE", "PART", "TRIES", "STATE", "ERROR"]
    assert lines[1].split(maxsplit=6) == [
        "1",
        "2025-10-09T08:53:20Z",
        "Orders",
        "Parser",
        "1",
        "new",
        "ValueError: no number",
    ]
    assert lines[3].split()[5] == "replayed"
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("args", "ids"),
    [
        (["--pipeline", "Orders"], [1, 2, 4]),
        (["--part", "Sink"], [2]),
        (["--type", "bspump.abc.errors.RejectedError"], [2]),
        (["--text", "evil"], [3]),
        (["--since", "2026-01-01"], [4]),
        (["--before", "2026-01-01T00:00+01:00"], [1, 2, 3]),
        (["--before", "10d"], [1, 2, 3, 4]),
        (["--state", "new"], [1, 2, 4]),
        (["--state", "replayed"], [3]),
        (["--state", "requested"], []),
        (["--limit", "2"], [1, 2]),
        (["--limit", "2", "--after", "2"], [3, 4]),
        (["--limit", "2", "--newest-first"], [4, 3]),
    ],
)
async def test_a_list_may_be_narrowed(bspump, args, ids):
    code, out, _ = await bspump("list", "--json", *args)
    assert code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == ids


async def test_what_follows_a_full_page_is_said(bspump):
    assert (await bspump("list", "--limit", "2"))[2] == "there may be more: --after 2\n"


async def test_one_is_shown_with_all_that_is_known_but_secrets(bspump):
    code, out, _ = await bspump("show", "1", "4")
    assert code == 0
    assert "dead letter 1, new" in out
    assert '"n": 1' in out
    assert '"raw": "\\\\xffa"' in out
    assert '"topic": "orders"' in out
    assert "Traceback (most recent call last):" in out
    assert "hush" not in out
    assert "it cannot be replayed" in out


async def test_one_is_shown_as_json(bspump):
    _, out, _ = await bspump("show", "1", "--json")
    shown = json.loads(out)
    assert shown["event"] == {"n": 1, "password": "***", "raw": "\\xffa"}
    assert shown["pipeline"] == "Orders"
    assert "hush" not in out


async def test_one_that_is_not_there_is_said(bspump):
    code, out, err = await bspump("show", "99")
    assert (code, out, err) == (1, "", "there is no dead letter 99\n")


async def test_what_was_replayed_is_replayed_again_only_by_its_id(bspump, store):
    code, out, _ = await bspump("replay", "--all", "--json")
    assert (code, json.loads(out)) == (0, {"requested": 2})
    assert [each.id for each in await store.dead_letters.requested()] == [1, 2]
    await bspump("replay", "3")
    assert [each.id for each in await store.dead_letters.requested()] == [1, 2, 3]


async def test_some_are_removed(bspump, store):
    code, out, _ = await bspump("purge", "--part", "Parser", "--pipeline", "Orders")
    assert (code, out) == (0, "2 dead letters were removed\n")
    await bspump("purge", "2", "99")
    assert [each.id for each in await store.dead_letters.find()] == [3]
    await bspump("purge", "--all")
    assert await store.dead_letters.count() == 0


@pytest.mark.parametrize("action", ["replay", "purge"])
async def test_everything_is_meant_only_if_that_is_said(bspump, store, action):
    code, _, err = await bspump(action)
    assert code == 78
    assert "`--all`" in err
    assert await store.dead_letters.count() == 4


async def test_the_configuration_says_where_they_are(bspump, tmp_path, monkeypatch):
    config = tmp_path / "site.conf"
    config.write_text(f"[general]\nvar_dir = {tmp_path}\n[pipeline:Orders]\non_error = skip\n")
    code, out, _ = await bspump("list", where=("-c", str(config)))
    assert (code, len(out.splitlines())) == (0, 5)
    monkeypatch.setenv("BSPUMP_CONFIG", str(config))
    code, out, _ = await bspump("list", where=())
    assert (code, len(out.splitlines())) == (0, 5)


async def test_where_nothing_is_said_what_to_do(bspump, tmp_path, monkeypatch):
    monkeypatch.delenv("BSPUMP_CONFIG", raising=False)
    monkeypatch.delenv("ASAB_CONFIG", raising=False)
    code, _, err = await bspump("list", where=())
    assert code == 78
    assert "name the directory with `--data`" in err
    code, _, err = await bspump("list", where=("--data", str(tmp_path / "missing")))
    assert code == 78
    assert "what to do" in err
    assert not (tmp_path / "missing").exists()
