"""The examples of the pages on patterns and on Sigma do what they say."""

from __future__ import annotations

import json


def at(minute, second=0):
    return f"2026-11-25T10:{minute:02}:{second:02}Z"


def write_lines(path, events):
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def paid(card, minute, amount):
    return {"type": "payment", "card": card, "at": at(minute), "amount": amount}


def ordered(card, minute):
    return {"type": "order", "card": card, "at": at(minute)}


async def test_cards_that_are_tried_out_and_orders_that_are_not_paid_are_found(start, tmp_path):
    events = [
        paid("c1", 1, 2),
        ordered("c2", 3),
        ordered("c1", 4),
        paid("c2", 4, 2),
        paid("c1", 5, 900),  # Comes before one that is older.
        paid("c1", 4, 3),
        paid("c2", 5, 300),
        ordered("c2", 6),
    ]
    write_lines(tmp_path / "in.ndjson", events)
    program = await start("docs/examples/patterns.py")
    assert await program.end() == 0, program.log
    [found] = read_lines(tmp_path / "cards.ndjson")
    assert (found["pattern"], found["key"]) == ("TriedOut", "c1")
    assert [e["amount"] for e in found["matched"]["small"]] == [2, 3]
    assert [e["amount"] for e in found["matched"]["big"]] == [900]
    [unpaid] = read_lines(tmp_path / "unpaid.ndjson")
    assert unpaid["matched"] == {"order": [events[-1]]}
    assert unpaid["end_ms"] - unpaid["start_ms"] == 3_600_000


def ssh(minute, second, user, ip, message):
    text = f"{message} for {user} from {ip}"
    return {
        "at": at(minute, second),
        "service": "sshd",
        "user": user,
        "source": {"ip": ip},
        "message": text,
    }


async def test_alerts_and_correlations_come_out(start, tmp_path):
    failed, accepted = "Failed password", "Accepted password"
    events = [ssh(1, s, "ann", "198.51.100.7", failed) for s in range(3)]
    events += [ssh(1, 9, "ann", "198.51.100.7", accepted)]
    events += [ssh(2, s, f"user{s}", "203.0.113.5", failed) for s in range(6)]
    events += [ssh(3, s, f"user{s}", "192.0.2.3", failed) for s in range(6)]
    events += [
        {
            "at": at(4),
            "process": {"executable": "/bin/sh", "parent": {"executable": "/usr/sbin/nginx"}},
        }
    ]
    write_lines(tmp_path / "in.ndjson", events)
    program = await start("docs/examples/sigma.py")
    assert await program.end() == 0, program.log
    alerts = read_lines(tmp_path / "alerts.ndjson")
    assert sorted((a["title"], a.get("group")) for a in alerts) == [
        ("A password was guessed", {"user": "ann", "source.ip": "198.51.100.7"}),
        ("A web server starts a shell", None),
        ("Somebody tries many names", {"source.ip": "203.0.113.5"}),
    ]
