"""References inside configured values.

* `${section:option}`, and `${option}` of the same section;
* `${env:NAME}` and `${env:NAME:default}`;
* `${file:/path}`: the content of a file without its line end, for secrets;
* `$NAME` and `${NAME}`: an environment variable; an unknown `$NAME` stays as it is;
* `$$` is a dollar.

A value that is one reference to an option, and nothing else, has that option's type. What comes
out of the environment or of a file is not searched for references again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bspump.abc.config import Entry
from bspump.abc.errors import OptionError

_REFERENCE = re.compile(r"\$(?:(\$)|\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def resolve(
    entry: Entry,
    section: str,
    key: str,
    option: Callable[[str, str], Entry | None],
    environment: Mapping[str, str],
    chain: tuple[tuple[str, str], ...] = (),
) -> Any:
    """Return the value of `entry` with its references replaced, in lists and mappings too.

    Args:
        entry: what is configured as `key` of `section`.
        section: where references without a section look.
        key: of the entry.
        option: returns what is configured, by section and key.
        environment: variables by name.
        chain: sections and keys on the way here, to notice a circle.

    Raises:
        OptionError: a reference leads nowhere, or in a circle.
    """
    if (section, key) in chain:
        circle = " -> ".join(f"[{s}] {k}" for s, k in (*chain, (section, key)))
        expected = "a value that does not refer to itself"
        raise OptionError(entry.place, section, key, expected=expected, got=circle)
    chain = (*chain, (section, key))

    def found(reference: str) -> Any:
        where, colon, wanted = reference.rpartition(":")
        where = where or section
        configured = option(where, wanted)
        if configured is not None:
            return resolve(configured, where, wanted, option, environment, chain)
        if not colon and reference in environment:
            return environment[reference]
        nor = "" if colon else ", nor is there such an environment variable"
        raise LookupError(f"[{where}] has no option {wanted!r}{nor}")

    try:
        return _replaced(entry.value, found, environment)
    except LookupError as error:
        expected, got = "references to what exists", str(error.args[0])
        raise OptionError(entry.place, section, key, expected=expected, got=got) from None


def _replaced(value: Any, found: Callable[[str], Any], environment: Mapping[str, str]) -> Any:
    """Replace the references in `value`; those to options are what `found` returns for them."""

    def referred(match: re.Match[str]) -> Any:
        dollar, reference, name = match.groups()
        if dollar:
            return "$"
        if name:
            return environment.get(name, match[0])
        if reference.startswith("env:"):
            return _variable(reference.removeprefix("env:"), environment)
        if reference.startswith("file:"):
            return _content(reference.removeprefix("file:"))
        return found(reference)

    if isinstance(value, str) and "$" in value:
        alone = _REFERENCE.fullmatch(value)
        return referred(alone) if alone else _REFERENCE.sub(lambda m: str(referred(m)), value)
    if isinstance(value, dict):
        return {name: _replaced(inner, found, environment) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, found, environment) for inner in value]
    return value


def _variable(reference: str, environment: Mapping[str, str]) -> str:
    name, has_default, default = reference.partition(":")
    if name in environment:
        return environment[name]
    if not has_default:
        raise LookupError(f"the environment variable {name!r} is not set")
    return default


def _content(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise LookupError(f"the file {path!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LookupError(f"the file {path!r} is not text in UTF-8") from None
    except (RuntimeError, ValueError) as error:  # no home of that user; a path no file can have
        raise LookupError(f"the file {path!r}: {error}") from None
