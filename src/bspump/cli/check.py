"""`bspump check`: everything that is wrong with a program, and what its pipelines promise."""

from __future__ import annotations

import argparse
import asyncio
import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bspump.abc.errors import ConfigError, ConfigErrors
from bspump.core.application import EX_CONFIG, BSPumpApplication
from bspump.core.checkpoints import STORE_NAME
from bspump.core.guarantees import guarantee_of
from bspump.core.recovery import Recovery
from bspump.core.start_checks import problems_of
from bspump.state import SqliteStateStore


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="say what is wrong with a program, and what its pipelines promise",
        description="Run a program up to where its application would start, and look at that:"
        " print everything that is wrong, and what each pipeline promises. Nothing is opened but"
        " the store of checkpoints, if there is one, to see whether it fits.",
    )
    parser.add_argument("program", help="a Python file, or the name of a module")
    parser.add_argument(
        "args", nargs=argparse.REMAINDER, help="of the program, such as `-c site.conf`"
    )
    parser.set_defaults(run=lambda arguments: check(arguments.program, arguments.args))


def check(program: str, args: Sequence[str] = ()) -> int:
    """Print what is wrong with a program and what it promises; return the exit code.

    Args:
        program: path of a Python file, or name of a module.
        args: its command line.

    Returns:
        0, 78 if something is wrong, 1 if the program failed or has no application.
    """
    inspector = _Inspector()
    BSPumpApplication.Inspector = inspector
    errors: list[ConfigError] = []
    try:
        _execute(program, args)
    except _Inspected:
        pass
    except ConfigError as error:
        errors.append(error)
    except SystemExit as end:
        if inspector.app is None and end.code not in (None, 0):
            print(f"{program} ended with {end.code!r}", file=sys.stderr)
            return 1
    except Exception:  # noqa: BLE001 - it is the code of others; it is shown
        traceback.print_exc()
        return 1
    finally:
        BSPumpApplication.Inspector = None
        inspector.close()
    if inspector.app is None and not errors:
        print(f"{program} made no application", file=sys.stderr)
        return 1
    return _report(inspector.app, errors)


class _Inspected(BaseException):
    """Ends a program where its application would start; nobody is to catch it."""


class _Inspector:
    """Takes note of applications that are made, and keeps them from running."""

    def __init__(self) -> None:
        self.app: BSPumpApplication | None = None
        self._made: list[BSPumpApplication] = []

    def made(self, app: BSPumpApplication) -> None:
        self.app = app
        self._made.append(app)

    def starts(self, app: BSPumpApplication) -> NoReturn:
        self.app = app
        raise _Inspected

    def close(self) -> None:
        for app in self._made:
            app.discard()


def _execute(program: str, args: Sequence[str]) -> None:
    """Run a program as `python program args` or `python -m program args` would."""
    before = sys.argv, list(sys.path)
    path = Path(program)
    try:
        sys.argv = [program, *args]
        if path.suffix == ".py" or path.exists():
            if not path.exists():
                raise ConfigError(f"{program}: there is no such file [{ConfigError.Code}]")
            sys.path.insert(0, str(path.resolve().parent))
            runpy.run_path(program, run_name="__main__")
        else:
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    finally:
        sys.argv, sys.path[:] = before


async def _misfits(app: BSPumpApplication) -> list[ConfigError]:
    """Return what is stored and has no place in the program; the store is only read."""
    directory = app.Config.entries("general").get("var_dir")
    path = Path(str(directory.value) if directory else "") / STORE_NAME
    if not directory or not path.exists():
        return []
    options = app.CheckpointService.Options
    settled = [*options.forget, *(change.partition("->")[0].strip() for change in options.renamed)]
    store = SqliteStateStore(path, is_read_only=True)
    try:
        await store.open()
        await Recovery(store, app.PumpService).open()
    except ConfigErrors as found:
        return [e for e in found.errors if not str(e).startswith(tuple(f"{a}: " for a in settled))]
    except ConfigError as error:
        return [error]
    finally:
        await store.close()
    return []


def _report(app: BSPumpApplication | None, errors: list[ConfigError]) -> int:
    pipelines = [] if app is None else list(app.PumpService.Pipelines.values())
    if app is not None:
        try:
            app.Config.raise_if_wrong()
        except ConfigErrors as wrong:
            errors += wrong.errors
    for pipeline in pipelines:
        print(guarantee_of(pipeline).text())
        errors += problems_of(pipeline)
    if app is not None:
        errors += asyncio.run(_misfits(app))
    sys.stdout.flush()
    if errors:
        print(ConfigErrors(errors), file=sys.stderr)
        return EX_CONFIG
    return 0
