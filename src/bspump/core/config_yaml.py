"""Reading YAML files."""

from __future__ import annotations

import re
from typing import Any

import yaml

from bspump.abc.config import Entry
from bspump.abc.errors import ConfigError

from .config_content import MAX_DEPTH, Content, Table, plain, problem


class _Loader(yaml.SafeLoader):
    """Takes as numbers and booleans only what looks like one to everybody.

    In YAML 1.1, which PyYAML reads, `no` is a boolean, `12:30:00` the number 45000, and `010` is 8.
    Here they are text, as in the other formats.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as the base class has it


_TAG = "tag:yaml.org,2002:"
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,99})", list("-+0123456789")),
    ("float", r"[-+]?[0-9]+(?:\.[0-9]+(?:[eE][-+][0-9]+)?)", list("-+0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^(?:{_pattern})$"), _first)


def read_yaml(text: str, name: str) -> Content:
    """Read the text of the file `name`."""
    content = Content()
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return content
        if isinstance(root, yaml.MappingNode):
            content.add(_table(loader, root, f"{name}:1", name, content))
        else:
            content.problems.append(_no_mapping(f"{name}:1"))
    except yaml.YAMLError as error:
        content.problems.append(_invalid(name, error))
    except RecursionError:
        content.problems.append(_invalid(name, yaml.YAMLError()))
    return content


def _table(
    loader: yaml.SafeLoader,
    node: yaml.MappingNode,
    begin: str,
    name: str,
    content: Content,
    depth: int = 0,
) -> Table:
    if depth > MAX_DEPTH:
        raise yaml.composer.ComposerError(None, None, "too many levels", node.start_mark)
    seen: dict[str, str] = {}
    for key_node, _ in node.value:
        place = f"{name}:{key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            mark = key_node.start_mark
            raise yaml.composer.ComposerError(None, None, "a key that is not text", mark)
        key = key_node.value
        if key in seen and key != "<<":
            what = f"{key} is there twice"
            got = f"the first one at {seen[key]}"
            content.problems.append(problem(place, what, expected="each key once", got=got))
        seen.setdefault(key, place)
    loader.flatten_mapping(node)  # puts what `<<` merges in front of the node's own keys
    table = Table(begin)
    for key_node, value_node in node.value:
        # The key as it is written: a section or key called `on` or `1` is no boolean or number.
        key, place = str(key_node.value), f"{name}:{key_node.start_mark.line + 1}"
        if isinstance(value_node, yaml.MappingNode):
            table[key] = _table(loader, value_node, place, name, content, depth + 1)
        else:
            table[key] = Entry(plain(loader.construct_object(value_node, deep=True)), place)
    return table


def _invalid(name: str, error: yaml.YAMLError) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    place = name if mark is None else f"{name}:{mark.line + 1}"
    got = getattr(error, "problem", None) or getattr(error, "reason", None) or "too many levels"
    return problem(place, "the file is not valid", expected="YAML", got=str(got))


def _no_mapping(place: str) -> ConfigError:
    expected = "sections with keys, such as `general:`"
    return problem(place, "the file has no sections", expected=expected, got="something else")
