"""`bspump state`: look at what is stored of the parts of a program, also while it runs."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from bspump.abc.errors import ConfigError
from bspump.core.checkpoints import STORE_NAME
from bspump.state.inspection import StateInspection, StoredPart

from .state_view import key_json, key_of, part_json, table, why, why_json
from .var_dir import add_var_dir, var_dir

_AT_A_TIME = 20

Command = Callable[[StateInspection, argparse.Namespace], Awaitable[int]]


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "state",
        help="look at what parts remember",
        description="What is in checkpoints, also of an application that runs. Nothing is changed.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add(actions, "list", _list, "list the parts: keys, bytes, how far time has come")
    show = _add(actions, "show", _show, "show what is stored of a part, or of one of its keys")
    show.add_argument("address", metavar="PIPELINE.PART")
    show.add_argument("--limit", type=int, default=_AT_A_TIME, help="keys at the most")
    _key(show)
    reason = _add(actions, "why", _why, "say what a part, or a key of it, waits for")
    reason.add_argument("address", metavar="PIPELINE.PART")
    _key(reason)


def _add(actions: Any, name: str, command: Command, help_text: str) -> Any:
    parser = actions.add_parser(name, help=help_text, description=help_text)
    add_var_dir(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_run, command=command)
    return parser


def _key(parser: Any) -> None:
    parser.add_argument(
        "--key", metavar="KEY", help='as JSON, where that is possible: 7, ["a", 1]; else as text'
    )


def _run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_looked_at(arguments))


async def _looked_at(arguments: argparse.Namespace) -> int:
    inspection = StateInspection(var_dir(arguments, "checkpoints"), STORE_NAME)
    await inspection.open()
    try:
        code: int = await arguments.command(inspection, arguments)
    finally:
        await inspection.close()
    return code


async def _list(inspection: StateInspection, arguments: argparse.Namespace) -> int:
    parts = await inspection.parts()
    for line in map(part_json, parts) if arguments.json else table(parts):
        print(line)
    return 0


async def _show(inspection: StateInspection, arguments: argparse.Namespace) -> int:
    part = await _part(inspection, arguments.address)
    if arguments.key is not None:
        return await _show_key(inspection, part, arguments.key)
    print(part_json(part))
    items = await inspection.items(part)
    for key, found in items[: arguments.limit]:
        print(key_json(part, key, found))
    if len(items) > arguments.limit:
        print(f"there are {len(items)} keys: --limit, or --key", file=sys.stderr)
    return 0


async def _show_key(inspection: StateInspection, part: StoredPart, text: str) -> int:
    key = key_of(text)
    found = await inspection.get(part, key)
    if found is None:
        print(f"{part.address} has no key {key!r}", file=sys.stderr)
        return 1
    print(key_json(part, key, found))
    return 0


async def _why(inspection: StateInspection, arguments: argparse.Namespace) -> int:
    part = await _part(inspection, arguments.address)
    if arguments.key is not None:
        key = key_of(arguments.key)
        found = await inspection.get(part, key)
        items = [] if found is None else [(key, found)]
    else:
        items = list(await inspection.items(part))
    if arguments.json:
        print(json.dumps(why_json(part, items)))
    else:
        for line in why(part, items):
            print(line)
    return 0


async def _part(inspection: StateInspection, address: str) -> StoredPart:
    parts = await inspection.parts(address)
    if not parts:
        known = ", ".join(part.address for part in await inspection.parts()) or "none"
        raise ConfigError(
            f"{address}: nothing is stored under this address [{ConfigError.Code}]\n"
            f"  stored: {known}\n"
            "  what to do: name one of these"
        )
    return parts[0]
