"""The page on delivery: its tables are what code claims and tests have shown, its links exist."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from outcomes import EXAMPLES, HOLDS, KITS, NO_CLAIM, recorded, sentence

import bspump
from bspump.abc.capabilities import Can
from bspump.abc.sink import BatchSink, Sink, TwoPhaseSink
from bspump.abc.source import Source
from bspump.testing import contracts

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/delivery.md"
NOT_PARTS = {"__main__", "abc", "cli", "clients", "core", "formats", "state", "testing", "unittest"}
# The class does not claim what only an option, or the destination, makes true.
BY_OPTION = {
    "AMQPSource": "exactly once with `message_id = require`",
    "FileSink": "at least once with `append`",
    "KafkaSink": "exactly once with `exactly_once`",
    "PostgreSQLSink": "exactly once with `exactly_once`, or as an upsert",
}
FIRST_OF_SOURCES = "everything written is read"
HEAD = ["| part | package | promises, with `var_dir` | by option |", "|---|---|---|---|"]


def parts():
    """Return package and class of what the packages of parts export: sources, then sinks."""
    found = {}
    names = {module.name for module in pkgutil.iter_modules(bspump.__path__)} - NOT_PARTS
    for name in sorted(names):
        package = importlib.import_module(f"bspump.{name}")
        for export in sorted(getattr(package, "__all__", ())):
            part = getattr(package, export)
            if isinstance(part, type) and issubclass(part, Source | Sink | BatchSink):
                found.setdefault(part, name)
    return sorted(found.items(), key=lambda each: not issubclass(each[0], Source))


def by_option(part):
    """Return what an option makes of a class, or of one that it is derived from."""
    return next((BY_OPTION[c.__name__] for c in part.__mro__ if c.__name__ in BY_OPTION), "")


def promise(part):
    """Return the promise of a class, as far as it does not depend on options."""
    can = getattr(part, "Capabilities", Can.NOTHING)
    if issubclass(part, Source):
        return promise_of_source(part, can)
    if issubclass(part, TwoPhaseSink):
        return "exactly once: in two phases"
    if Can.IDEMPOTENT in can:
        return "exactly once: idempotent"
    if hasattr(part, "may_feed"):
        return "what the pipelines behind it promise"
    return "at least once"


def promise_of_source(part, can):
    if Can.RESUME in can:
        return "exactly once: reads on from a position"
    if Can.REDELIVER in can:
        return "at least once: what was not acknowledged comes again"
    if part.possible_feeders is not Source.possible_feeders:
        return "what the pipelines before it promise"
    return "at most once"


def table():
    """Return the lines of the table."""
    rows = [
        f"| `{part.__name__}` | `bspump.{package}` | {promise(part)} | {by_option(part)} |"
        for part, package in parts()
    ]
    return [*HEAD, *rows]


def numbered():
    """Return the number of each scenario, by its sentence and whether it is one of sources."""
    found = {}
    for name in KITS:
        for each in vars(getattr(contracts, name)):
            if each.startswith("test_"):
                found[sentence(each), name == "SourceContract"] = len(found) + 1
    return found


def scenarios():
    """Return the lines of the table of scenarios."""
    rows = ["| | scenario | of |", "|---|---|---|"]
    for (each, is_of_source), number in numbered().items():
        rows.append(f"| {number} | {each} | {'sources' if is_of_source else 'sinks'} |")
    return rows


def contract_rows():
    """Return the lines of the table of what came of them, by class of tests."""
    rows = ["| tests | hold | makes no such claim |", "|---|---|---|"]
    numbers = numbered()
    for name, outcomes in sorted(recorded().items()):
        if "::" in name:
            is_source = FIRST_OF_SOURCES in outcomes
            held, unclaimed = (
                spans(sorted(numbers[s, is_source] for s, o in outcomes.items() if o == outcome))
                for outcome in (HOLDS, NO_CLAIM)
            )
            rows.append(f"| `{name}` | {held} | {unclaimed} |")
    return rows


def spans(numbers):
    """Return ascending numbers as text.

    >>> spans([1, 2, 3, 5, 8, 9])
    '1-3, 5, 8-9'
    """
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def fault_rows():
    """Return the lines of the table of faults that parts survive."""
    by_part = {
        name.removeprefix("fault "): outcomes
        for name, outcomes in sorted(recorded().items())
        if name.startswith("fault ")
    }
    faults = sorted({fault for outcomes in by_part.values() for fault in outcomes})
    rows = [f"| part | {' | '.join(faults)} |", "|---" * (len(faults) + 1) + "|"]
    for part, outcomes in by_part.items():
        cells = ["yes" if outcomes.get(fault) == HOLDS else "" for fault in faults]
        rows.append(f"| `{part}` | {' | '.join(cells)} |")
    return rows


def classes_of_tests():
    """Return the names of all classes of tests in the project that are derived from a kit."""
    names = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        if file.is_relative_to(ROOT / EXAMPLES):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
                if bases & set(KITS) and node.name.startswith("Test"):
                    names.add(f"{file.relative_to(ROOT).as_posix()}::{node.name}")
    return names


def between(text, mark):
    """Return what stands between the marks of a table."""
    return text.split(f"<!-- {mark} -->\n")[1].split(f"<!-- end of {mark} -->")[0].splitlines()


def test_of_every_class_of_tests_it_is_recorded_what_came_of_it():
    missing = sorted(classes_of_tests() - recorded().keys())
    assert missing == [], f"run these: RECORD_OUTCOMES=1 pytest {' '.join(missing)}"


@pytest.mark.parametrize("mark", ["table", "scenarios", "faults", "contracts"])
def test_tables_are_what_the_code_says(mark):
    shown = between(PAGE.read_text(encoding="utf-8"), mark)
    command = f"PYTHONPATH=tests/support python {Path(__file__).relative_to(ROOT)}"
    assert shown == TABLES[mark](), f"write it anew: {command}"


def test_every_link_leads_somewhere():
    links = re.findall(r"\[[^\]]*\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8"))
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_what_is_shown_of_a_program_is_in_it(blocks_of):
    shown = [block for block in blocks_of("delivery.md") if block.language == "python"]
    assert shown
    for block in shown:
        assert block.text.strip() in (ROOT / "docs" / block.title).read_text(encoding="utf-8")


TABLES = {
    "table": table,
    "scenarios": scenarios,
    "faults": fault_rows,
    "contracts": contract_rows,
}


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    for mark, lines in TABLES.items():
        before, _, rest = page.partition(f"<!-- {mark} -->\n")
        after = rest.partition(f"<!-- end of {mark} -->")[2]
        inner = "".join(f"{line}\n" for line in lines())
        page = f"{before}<!-- {mark} -->\n{inner}<!-- end of {mark} -->{after}"
    PAGE.write_text(page, encoding="utf-8")
