"""`bspump dead-letters`: look at dead letters, ask for them to be replayed, remove them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from bspump.abc.config import parse_seconds
from bspump.abc.dead_letters import DeadLetterStore, LetterFilter
from bspump.abc.errors import ConfigError
from bspump.core.checkpoints import STORE_NAME
from bspump.core.clock import SystemClock
from bspump.state import SqliteDeadLetters

from .letter_view import as_json, page, table
from .var_dir import add_var_dir, var_dir

_STATES: dict[str, dict[str, bool]] = {
    "new": {"is_replayed": False, "is_requested": False},
    "requested": {"is_requested": True},
    "replayed": {"is_replayed": True, "is_requested": False},
}
_AT_A_TIME = 100

Command = Callable[[DeadLetterStore, argparse.Namespace], Awaitable[int]]


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "dead-letters",
        help="list, show, replay and purge events that were set aside",
        description="Events that pipelines set aside, also of an application that runs.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add(actions, "list", _list, "list them, the oldest first", _filters, _listing)
    _add(actions, "show", _show, "show all of some, with event and traceback", _ids)
    _add(
        actions,
        "replay",
        _replay,
        "let the application, or its next start, process some again",
        _ids_or_not,
        _filters,
        _everything,
    )
    _add(actions, "purge", _purge, "remove some for good", _ids_or_not, _filters, _everything)


def _add(
    actions: Any, name: str, command: Command, help_text: str, *options: Callable[[Any], None]
) -> None:
    parser = actions.add_parser(name, help=help_text, description=help_text)
    add_var_dir(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    for add in options:
        add(parser)
    parser.set_defaults(run=_run, command=command)


def _ids(parser: Any) -> None:
    parser.add_argument("ids", type=int, nargs="+", metavar="ID")


def _ids_or_not(parser: Any) -> None:
    parser.add_argument("ids", type=int, nargs="*", metavar="ID")


def _filters(parser: Any) -> None:
    group = parser.add_argument_group("which ones, where all of it applies")
    group.add_argument("--pipeline", metavar="ID")
    group.add_argument("--part", metavar="ID", help="the part that could not deal with it")
    group.add_argument("--type", metavar="NAME", help="of the exception")
    group.add_argument("--text", metavar="TEXT", help="contained in what the exception says")
    times = "a time such as 2026-11-25T08:00 (UTC), or how long ago: 90m, 2d"
    group.add_argument("--since", type=_time, metavar="TIME", help=times)
    group.add_argument("--before", type=_time, metavar="TIME", help="likewise")
    group.add_argument("--state", choices=list(_STATES))


def _listing(parser: Any) -> None:
    parser.add_argument("--limit", type=int, default=_AT_A_TIME, help="at the most")
    parser.add_argument("--after", type=int, metavar="ID", help="go on behind this one")
    parser.add_argument("--newest-first", action="store_true")


def _everything(parser: Any) -> None:
    parser.add_argument("--all", action="store_true", help="all of them")


def _time(text: str) -> float:
    try:
        return SystemClock().time() - parse_seconds(text)
    except ValueError:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_attached(arguments))


async def _attached(arguments: argparse.Namespace) -> int:
    async with SqliteDeadLetters.attach(var_dir(arguments, "dead letters") / STORE_NAME) as letters:
        code: int = await arguments.command(letters, arguments)
        return code


def _filter(arguments: argparse.Namespace) -> LetterFilter:
    return LetterFilter(
        ids=getattr(arguments, "ids", None) or None,
        pipeline=arguments.pipeline,
        part=arguments.part,
        error_type=arguments.type,
        text=arguments.text,
        since_s=arguments.since,
        before_s=arguments.before,
        **_STATES.get(arguments.state, {}),
    )


async def _list(letters: DeadLetterStore, arguments: argparse.Namespace) -> int:
    found = await letters.find(
        _filter(arguments),
        after=arguments.after,
        limit=arguments.limit,
        newest_first=arguments.newest_first,
    )
    for line in map(as_json, found) if arguments.json else table(found):
        print(line)
    stats = await letters.stats()
    if len(found) == arguments.limit:
        _say(f"there may be more: --after {found[-1].id}")
    if stats.dropped:
        _say(f"{stats.dropped} were dropped to make room, since there is the store")
    return 0


async def _show(letters: DeadLetterStore, arguments: argparse.Namespace) -> int:
    found = await letters.read(arguments.ids)
    for letter in found:
        for line in [as_json(letter)] if arguments.json else page(letter):
            print(line)
    missing = sorted(set(arguments.ids) - {letter.id for letter in found})
    for id_ in missing:
        _say(f"there is no dead letter {id_}")
    return 1 if missing else 0


async def _replay(letters: DeadLetterStore, arguments: argparse.Namespace) -> int:
    which = _chosen(arguments)
    if not arguments.ids and arguments.state is None:
        # What was replayed is done with, unless somebody says otherwise.
        which = LetterFilter(
            **{name: getattr(which, name) for name in which.__slots__ if name != "is_replayed"},
            is_replayed=False,
        )
    count = await letters.request_replay(which)
    _tell(arguments, "requested", count, "are to be replayed, as soon as the application runs")
    return 0


async def _purge(letters: DeadLetterStore, arguments: argparse.Namespace) -> int:
    _tell(arguments, "removed", await letters.remove(_chosen(arguments)), "were removed")
    return 0


def _chosen(arguments: argparse.Namespace) -> LetterFilter:
    """Return which ones are meant. Raises ConfigError where nothing was said: that is a slip."""
    which = _filter(arguments)
    if which == LetterFilter() and not arguments.all:
        raise ConfigError(
            f"it was not said which dead letters [{ConfigError.Code}]\n"
            "  what to do: give their ids, or options such as `--pipeline`, or `--all`"
        )
    return which


def _tell(arguments: argparse.Namespace, name: str, count: int, what: str) -> None:
    if arguments.json:
        print(f'{{"{name}": {count}}}')
    else:
        print(f"{count} dead letters {what}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
