"""Types of Protobuf: from compiled modules, descriptor sets and `.proto` files."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require
from bspump.abc.schemas import RegisteredSchema

EXTRA: Final = "protobuf"
_WHERE: Final = "codec 'protobuf'"
_COMPILED_WITHIN_S: Final = 60.0
_MAIN: Final = "bspump_main.proto"


def load_file(schema: Any) -> Any:
    """Return the descriptor of a file of Protobuf.

    Args:
        schema: a module that `protoc` has made, or the name of one; a message class; the bytes of
            a descriptor set whose last file it is; the `Path` of a file with such bytes or, if
            its name ends in `.proto`, of the source; the source itself; or what a registry has.

    Raises:
        ConfigError: it cannot be read, or is no schema.
        MissingExtraError: a source is to be compiled, and the compiler is not installed.
    """
    if isinstance(schema, Path):
        schema = _read(schema)
    if isinstance(schema, RegisteredSchema):
        return _file_of_set(_compile(_sources(schema)))
    if isinstance(schema, bytes):
        return _file_of_set(schema)
    if isinstance(schema, str) and ("\n" in schema or "{" in schema):
        return _file_of_set(_compile({_MAIN: schema}))
    if isinstance(schema, str):
        schema = _module(schema)
    descriptor = getattr(schema, "DESCRIPTOR", schema)
    file = getattr(descriptor, "file", descriptor)
    if not hasattr(file, "message_types_by_name"):
        raise ConfigError(f"{_WHERE}: expected a module, a class or a descriptor, got {schema!r}")
    return file


def find_message(file: Any, name: str) -> Any:
    """Return the descriptor of a type of a file, or of what that file imports.

    Args:
        name: with its package; empty: the only type that is not inside of another.

    Raises:
        ConfigError: there is no such type, or no name and several types.
    """
    try:
        if name:
            return file.pool.FindMessageTypeByName(name)
        (found,) = file.message_types_by_name.values()
    except (KeyError, ValueError):
        known = ", ".join(repr(each.full_name) for each in file.message_types_by_name.values())
        got = repr(name) if name else "none"
        raise ConfigError(
            f"{_WHERE}: expected the name of a message type, got {got}\n"
            f"  defined: {known or 'none'}"
        ) from None
    return found


def indexes_of(message: Any) -> tuple[int, ...]:
    """Return where a type is in its file: the index of each type around it, and its own."""
    around = message.containing_type
    names = [each.name for each in _types(message.file if around is None else around)]
    above = () if around is None else indexes_of(around)
    return (*above, names.index(message.name))


def message_at(file: Any, indexes: tuple[int, ...]) -> Any:
    """Return the type that is at that place in a file; `None` if there is none."""
    found = file
    for index in indexes:
        inside = _types(found)
        if not 0 <= index < len(inside):
            return None
        found = inside[index]
    return found


def _types(around: Any) -> list[Any]:
    """Return the types of a file, or inside of a type, in the order of the source."""
    if hasattr(around, "message_types_by_name"):
        return list(around.message_types_by_name.values())
    # The types that stand for maps are not in the source.
    return [each for each in around.nested_types if not each.GetOptions().map_entry]


def _read(path: Path) -> str | bytes:
    try:
        content = path.read_bytes()
        return content.decode() if path.suffix == ".proto" else content
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_WHERE}: {path}: cannot be read: {error}") from error


def _module(name: str) -> Any:
    require("google.protobuf.descriptor_pool", extra=EXTRA)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{_WHERE}: the module {name!r} cannot be imported: {error}") from error


def _file_of_set(content: bytes) -> Any:
    """Return the last file of a descriptor set; the files before it are what it imports."""
    sets = require("google.protobuf.descriptor_pb2", extra=EXTRA)
    pool = require("google.protobuf.descriptor_pool", extra=EXTRA).DescriptorPool()
    message = require("google.protobuf.message", extra=EXTRA)
    try:
        files = list(sets.FileDescriptorSet.FromString(content).file)
        present = {file.name for file in files}
        for file in files:
            for name in set(file.dependency) - present:
                present.add(name)
                _add_well_known(pool, name)
            pool.AddSerializedFile(file.SerializeToString())
        return pool.FindFileByName(files[-1].name)
    except (message.DecodeError, IndexError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{_WHERE}: no descriptor set, or one that is not complete: {error}\n"
            f"  what to do: make it by protoc --include_imports --descriptor_set_out=FILE"
        ) from error


def _add_well_known(pool: Any, name: str) -> None:
    if not name.startswith("google/protobuf/"):
        raise ConfigError(
            f"{_WHERE}: the file {name!r} is imported and is not in the descriptor set\n"
            f"  what to do: make it by protoc --include_imports --descriptor_set_out=FILE"
        )
    module = require(name.removesuffix(".proto").replace("/", ".") + "_pb2", extra=EXTRA)
    for dependency in module.DESCRIPTOR.dependencies:
        _add_well_known(pool, dependency.name)
    pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)


def _sources(schema: RegisteredSchema) -> dict[str, str]:
    """Return the schema and all that it imports, by the names of the files."""
    found = {_MAIN: schema.text}
    waiting = list(schema.references)
    while waiting:
        reference = waiting.pop()
        if reference.name not in found:
            found[reference.name] = reference.schema.text
            waiting += reference.schema.references
    return found


def _compile(sources: Mapping[str, str]) -> bytes:
    """Return the descriptor set of the main source, which may import the other sources; blocks.

    Raises:
        ConfigError: it does not compile.
    """
    require("grpc_tools.protoc", extra="protoc")
    with tempfile.TemporaryDirectory(prefix="bspump-protoc-") as made:
        folder = Path(made)
        for name, text in sources.items():
            _write(folder, name, text)
        target = folder / "compiled"
        said = _run(f"-I{folder}", "--include_imports", f"--descriptor_set_out={target}", _MAIN)
        if not target.is_file():
            raise ConfigError(f"{_WHERE}: the schema does not compile: {said}")
        return target.read_bytes()


def _run(*arguments: str) -> str:
    """Run the compiler; return what it said."""
    try:
        done = subprocess.run(  # noqa: S603 - the compiler, and no names of files but ours
            [sys.executable, "-m", "grpc_tools.protoc", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMPILED_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it takes longer than {_COMPILED_WITHIN_S:g} s"
    return " ".join(done.stdout.decode("utf-8", "replace").split())[:500]


def _write(folder: Path, name: str, text: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or name == "compiled":
        raise ConfigError(f"{_WHERE}: a schema imports a file of the name {name!r}")
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
