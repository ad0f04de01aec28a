"""From file to file: parse, drop 30 %, enrich, compute three fields, write.

A pipeline with dicts and one with a declared schema, against a loop by hand with orjson. All of
them write the same events, which is checked; the files lie on the disk of this machine.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import msgspec
import orjson
from _measure import cpu_ns, heading, in_turns, row

import bspump
from bspump.file import FileSink, FileSource

EVENTS = 500_000
COUNTRIES = {f"host-{n:03}.example.org": ("cz", "at", "de", "pl")[n % 4] for n in range(200)}

Context = dict[str, Any]


class Visit(msgspec.Struct, gc=False):
    """An event as it comes, and what is added to it."""

    time: float
    host: str
    method: str
    path: str
    status: int
    sent: int
    received: int
    duration_ms: float
    agent: str
    session: str
    country: str = ""
    total: int = 0
    rate: float = 0.0
    is_slow: bool = False


def make_input(path: Path) -> None:
    """Write lines of about 300 bytes, the same ones each time."""
    chance = random.Random(7)
    hosts = list(COUNTRIES)
    with path.open("wb") as file:
        for i in range(EVENTS):
            event = {
                "time": 1_700_000_000 + i / 8,
                "host": chance.choice(hosts),
                "method": "GET",
                "path": f"/catalogue/{chance.randrange(10**6)}/items/{chance.randrange(10**6)}",
                "status": 404 if chance.random() < 0.3 else 200,
                "sent": chance.randrange(100_000),
                "received": chance.randrange(1_000),
                "duration_ms": chance.randrange(1, 40_000) / 16,
                "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "session": f"{chance.getrandbits(128):032x}",
            }
            file.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))


def bare(source: Path, target: Path) -> float:
    """A loop by hand, as it is usually written: line by line, with orjson and dicts."""

    def work() -> None:
        loads, dumps, option = orjson.loads, orjson.dumps, orjson.OPT_APPEND_NEWLINE
        with source.open("rb") as lines, target.open("wb") as out:
            for line in lines:
                event = loads(line)
                if event["status"] != 200:
                    continue
                event["country"] = COUNTRIES[event["host"]]
                event["total"] = event["sent"] + event["received"]
                event["rate"] = event["total"] / event["duration_ms"]
                event["is_slow"] = event["duration_ms"] > 1000
                out.write(dumps(event, option=option))

    target.unlink(missing_ok=True)
    return cpu_ns(EVENTS, work)


def successful(context: Context, event: Any) -> Any:
    """Drop what did not succeed."""
    return event if event["status"] == 200 else None


def enrich(context: Context, event: Any) -> Any:
    """Add the country of the host."""
    event["country"] = COUNTRIES[event["host"]]
    return event


def compute(context: Context, event: Any) -> Any:
    """Add three fields."""
    event["total"] = event["sent"] + event["received"]
    event["rate"] = event["total"] / event["duration_ms"]
    event["is_slow"] = event["duration_ms"] > 1000
    return event


def successful_visit(context: Context, event: Visit) -> Visit | None:
    """Drop what did not succeed."""
    return event if event.status == 200 else None


def enrich_visit(context: Context, event: Visit) -> Visit:
    """Add the country of the host."""
    event.country = COUNTRIES[event.host]
    return event


def compute_visit(context: Context, event: Visit) -> Visit:
    """Add three fields."""
    event.total = event.sent + event.received
    event.rate = event.total / event.duration_ms
    event.is_slow = event.duration_ms > 1000
    return event


def pipeline(
    source: Path, target: Path, functions: list[Callable[..., Any]], schema: Any = None
) -> float:
    """The engine, from `FileSource` to `FileSink`, start and end included."""

    def work() -> None:
        app = bspump.BSPumpApplication(args=[])
        visits = bspump.Pipeline(app, "Visits")
        visits.build(
            FileSource(app, visits, config={"path": str(source), "codec": "json"}, schema=schema),
            *functions,
            FileSink(app, visits, config={"path": str(target), "codec": "json"}),
        )
        app.PumpService.add_pipeline(visits)
        assert app.run() == 0

    target.unlink(missing_ok=True)
    return cpu_ns(EVENTS, work)


def read(path: Path) -> Iterator[Any]:
    """Yield the events of a file."""
    with path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def main() -> None:
    """Measure and print."""
    heading(f"{EVENTS:,} lines of NDJSON from file to file, CPU per event that is read")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "input.ndjson"
        make_input(source)
        targets = {name: Path(folder) / f"{name}.ndjson" for name in ("bare", "dicts", "typed")}
        found = in_turns(
            {
                "bare": partial(bare, source, targets["bare"]),
                "dicts": partial(pipeline, source, targets["dicts"], [successful, enrich, compute]),
                "typed": partial(
                    pipeline,
                    source,
                    targets["typed"],
                    [successful_visit, enrich_visit, compute_visit],
                    Visit,
                ),
            },
            repetitions=5,
        )
        written = sum(1 for _ in read(targets["bare"]))
        assert 0.69 < written / EVENTS < 0.71
        for name in ("dicts", "typed"):
            assert all(map(eq, read(targets["bare"]), read(targets[name]))), name
            assert sum(1 for _ in read(targets[name])) == written, name
        size = source.stat().st_size
    print(f"{size / EVENTS:.0f} bytes a line, {written:,} of them written\n")
    row("loop by hand, orjson, dicts", found["bare"], found["bare"])
    row("pipeline, dicts", found["dicts"], found["bare"], 1.25)
    row("pipeline, declared schema", found["typed"], found["bare"], 1.0)


if __name__ == "__main__":
    main()
