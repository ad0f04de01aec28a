"""Codecs as the options of a part describe them: by name, with a schema where one is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError
from bspump.abc.options import Options

from .registered import RegisteredCodec
from .registered_formats import AvroFormat, ProtobufFormat
from .registry import codec


class SchemaOptions(Options, frozen=True, kw_only=True):
    """The schema of events, for codecs that need one: `avro`, `protobuf`."""

    file: Annotated[
        str,
        Meta(
            description="File with the schema: `.avsc`; `.proto`, or a descriptor set of `protoc`."
        ),
    ] = ""
    text: Annotated[str, Meta(description="The schema itself, instead of a file.")] = ""
    module: Annotated[
        str, Meta(description="Protobuf: Python module that `protoc` has made, instead of a file.")
    ] = ""
    message: Annotated[
        str, Meta(description="Protobuf: full name of the type, if the schema has several.")
    ] = ""
    as_message: Annotated[
        bool, Meta(description="Protobuf: events are the messages themselves, not dicts.")
    ] = False
    registry: Annotated[
        str, Meta(description="Id of a `SchemaRegistryConnection`: messages name their schema.")
    ] = ""
    subject: Annotated[
        str, Meta(description="Subject of the registry for writing; default is `<topic>-value`.")
    ] = ""
    version: Annotated[
        str,
        Meta(description="Version to write with, if there is no schema here: number or `latest`."),
    ] = "latest"
    register: Annotated[
        bool, Meta(description="Register the schema for writing; else it must be registered.")
    ] = False


def configured_codec(
    name: str, schema: SchemaOptions, locate: Callable[[str], Any], *, subject: str = ""
) -> Codec:
    """Return the codec that options describe.

    Args:
        name: of the codec.
        schema: what is said of its schema.
        locate: returns a connection by its Id.
        subject: for writing with a registry, where the options name none.

    Raises:
        ConfigError: the options do not go together, or the schema cannot be used.
    """
    if name not in ("avro", "protobuf"):
        if schema != SchemaOptions():
            raise ConfigError(f"schema: the codec {name!r} has none; it is for avro and protobuf")
        return codec(name)
    own = _own(name, schema)
    if not schema.registry:
        return codec(name, own, **_of_protobuf(name, schema))
    if schema.register and own is None:
        raise ConfigError("schema.register: expected a schema to register, in schema.file")
    own_format = ProtobufFormat if name == "protobuf" else AvroFormat
    return RegisteredCodec(
        locate(schema.registry),
        own_format(own, **_of_protobuf(name, schema)),
        subject=schema.subject or subject,
        version=schema.version,
        register=schema.register,
    )


def _own(name: str, schema: SchemaOptions) -> Any:
    given = [
        *([Path(schema.file)] if schema.file else []),
        *([schema.text] if schema.text else []),
        *([schema.module] if schema.module else []),
    ]
    if len(given) > 1:
        raise ConfigError("schema: expected one of file, text and module, got several")
    if schema.module and name != "protobuf":
        raise ConfigError("schema.module: only protobuf has modules")
    return given[0] if given else None


def _of_protobuf(name: str, schema: SchemaOptions) -> dict[str, Any]:
    if name == "protobuf":
        return {"message": schema.message, "as_message": schema.as_message}
    if schema.message or schema.as_message:
        raise ConfigError("schema.message, schema.as_message: only for protobuf")
    return {}
