"""Reading configuration files: INI, TOML and YAML become the same sections of entries."""

from __future__ import annotations

from pathlib import Path

from .config_content import Content, problem
from .config_ini import read_ini
from .config_toml import read_toml
from .config_yaml import read_yaml

_READERS = {".toml": read_toml, ".yaml": read_yaml, ".yml": read_yaml}


def read_file(path: Path) -> Content:
    """Read a file in the format that its name tells: `.toml`, `.yaml`, `.yml`, all others INI.

    Never raises for what is wrong with the file: that is in `problems` of the answer.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        expected, got = "a readable file", error.strerror or type(error).__name__
    except UnicodeDecodeError as error:
        expected, got = "text in UTF-8", f"a byte that is not UTF-8 at offset {error.start}"
    except ValueError as error:  # a path that no file can have
        expected, got = "a readable file", str(error)
    else:
        return _READERS.get(path.suffix.lower(), read_ini)(text, str(path))
    what = "the file cannot be read"
    return Content(problems=[problem(str(path), what, expected=expected, got=got)])
