"""The command line: `bspump`, or `python -m bspump`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from bspump.abc.errors import ConfigError
from bspump.cli import check, dead_letters, state

_EX_CONFIG = 78


def main(args: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="bspump", description="Real-time stream processing")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check.add_parser(commands)
    dead_letters.add_parser(commands)
    state.add_parser(commands)
    arguments = parser.parse_args(args)
    # Whatever is in an event can be shown, also where the terminal has no sign for it.
    with suppress(AttributeError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _EX_CONFIG
    except BrokenPipeError:
        # Whoever read it has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
