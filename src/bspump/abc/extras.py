"""Optional libraries, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingExtraError


def require(module: str, *, extra: str) -> Any:
    """Import and return `module`.

    Args:
        module: dotted name of the module.
        extra: the extra of bspump that brings it.

    Raises:
        MissingExtraError: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # Only the library itself counts as missing; a broken import inside it stays visible.
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise MissingExtraError(module.partition(".")[0], extra) from error
        raise
