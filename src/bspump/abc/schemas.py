"""The contract of schema registries: what codecs ask of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reference:
    """A schema that another one imports.

    Args:
        name: by which it is imported: the full name of a type (Avro), or a file (Protobuf).
        schema: what is imported.
    """

    name: str
    schema: RegisteredSchema


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema, as a registry knows it.

    Args:
        id: by which messages refer to it; 0 if it is not known to a registry.
        type: `AVRO`, `PROTOBUF` or `JSON`.
        text: the schema itself.
        references: the schemas that it imports, with all that these import.
    """

    id: int
    type: str
    text: str
    references: tuple[Reference, ...] = ()


class SchemaRegistry(Protocol):
    """A registry of schemas. Who asks twice may be answered from memory.

    Raises:
        NotConnectedError, TransientError: no answer now; every method, ask again later.
        ConfigError: it does not let us in, or there is no registry at this place; every method.
    """

    async def schema(self, id: int, /) -> RegisteredSchema:
        """Return the schema of that id.

        Raises:
            RejectedError: there is none.
        """

    async def version(self, subject: str, version: str, /) -> RegisteredSchema:
        """Return a version of a subject: its number, or `latest`.

        Raises:
            ConfigError: there is none.
        """

    async def find(self, subject: str, schema: RegisteredSchema, /) -> RegisteredSchema:
        """Return `schema` with the id that it has under a subject.

        Raises:
            ConfigError: it is not registered there.
        """

    async def register(self, subject: str, schema: RegisteredSchema, /) -> RegisteredSchema:
        """Register `schema`, unless it is, and return it with its id.

        Raises:
            ConfigError: it is not compatible with what is there, or is no schema.
        """
