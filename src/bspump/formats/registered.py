"""Codecs of messages that name their schema, by its id in a registry."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final

from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError, MissingExtraError, RejectedError
from bspump.abc.schemas import RegisteredSchema, SchemaRegistry

from .reject import rejected
from .wire_format import HEADER_BYTES, header, id_of

Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]

_SCHEMAS_AT_MOST: Final = 1000


class SchemaFormat(ABC):
    """What a format does with the schemas of a registry. Its methods may block.

    Attributes:
        Own: our own schema, with which events are written; `None` takes one of the registry.
    """

    Own: RegisteredSchema | None = None

    @abstractmethod
    def decoder(self, schema: RegisteredSchema) -> Decode:
        """Return what decodes messages, without their header, that were written with `schema`.

        Raises:
            ConfigError: that schema is of no use.
        """

    @abstractmethod
    def encoder(self, schema: RegisteredSchema) -> Encode:
        """Return what encodes events by `schema`, without the header.

        Raises:
            ConfigError: that schema is of no use.
        """

    def any_decoder(self) -> Decode | None:
        """Return what decodes messages of any schema; `None`: it depends on the schema."""
        return None


class RegisteredCodec(Codec):
    """Each message begins with the id of its schema, in the wire format of Confluent.

    A message in another format, of an id that is not registered, or of a schema that cannot be
    used, is rejected. Events are written with our own schema, or with a version of the subject;
    which one is found out once, and stays.

    Args:
        registry: what knows the schemas.
        format: what is done with them.
        subject: under which the schema of events is registered.
        version: of the subject, a number or `latest`, where there is no schema of our own.
        register: register our own schema if it is not; otherwise that is an error.
    """

    def __init__(
        self,
        registry: SchemaRegistry,
        format: SchemaFormat,  # noqa: A002 - that is what it is
        *,
        subject: str = "",
        version: str = "latest",
        register: bool = False,
    ) -> None:
        self._registry, self._format = registry, format
        self._subject, self._version, self._may_register = subject, version, register
        self._any = format.any_decoder()
        self._decoders: dict[bytes, Decode] = {}
        self._unknown: dict[bytes, RejectedError] = {}
        self._encoder: tuple[bytes, Encode] | None = None

    def lacks(self, messages: Sequence[bytes], /) -> bool:
        return self._any is None and bool(self._headers(messages) - self._unknown.keys())

    async def prepare(self, messages: Sequence[bytes], /) -> None:
        # What was unknown is asked for again: it may be registered by now.
        self._unknown.clear()
        for name in self._headers(messages):
            try:
                self._decoders[name] = await self._fetched(int.from_bytes(name[1:], "big"))
            except RejectedError as error:
                self._unknown[name] = error
        self._forget_all_but({message[:HEADER_BYTES] for message in messages})

    async def _fetched(self, id: int) -> Decode:
        """Return what decodes messages of that schema."""
        schema = await self._registry.schema(id)
        try:
            return await asyncio.to_thread(self._format.decoder, schema)
        except MissingExtraError:
            raise
        except ConfigError as error:
            # A schema that is of no use concerns its own messages only.
            raise RejectedError(f"schema registry: schema {id}: {error}") from error

    def _headers(self, messages: Sequence[bytes]) -> set[bytes]:
        """Return the headers of messages whose decoders are not here."""
        found = {message[:HEADER_BYTES] for message in messages} - self._decoders.keys()
        return {each for each in found if id_of(each) is not None}

    def _forget_all_but(self, needed: set[bytes]) -> None:
        too_many = len(self._decoders) - _SCHEMAS_AT_MOST
        if too_many > 0:
            old = [name for name in self._decoders if name not in needed][:too_many]
            for name in old:
                del self._decoders[name]

    def decode(self, message: bytes, /) -> Any:
        name = message[:HEADER_BYTES]
        decoder = self._decoders.get(name) or self._any
        if decoder is not None and id_of(message) is not None:
            return decoder(message[HEADER_BYTES:])
        if name in self._unknown:
            raise RejectedError(str(self._unknown[name]))
        if id_of(message) is None:
            raise rejected("schema registry", "a message with the id of its schema", message)
        raise ConfigError(
            "schema registry: this source does not fetch schemas\n"
            "  what to do: use one that has the option schema.registry"
        )

    async def prepare_encoding(self) -> None:
        if self._encoder is not None:
            return
        own = self._format.Own
        if own is None:
            schema = await self._registry.version(self._subject, self._version)
        elif self._may_register:
            schema = await self._registry.register(self._subject, own)
        else:
            schema = await self._registry.find(self._subject, own)
        encoder = await asyncio.to_thread(self._format.encoder, schema)
        self._encoder = header(schema.id), encoder

    def encode(self, event: Any, /) -> bytes:
        if self._encoder is None:
            raise ConfigError(
                "schema registry: this sink does not fetch schemas\n"
                "  what to do: use one that has the option schema.registry"
            )
        first, encode = self._encoder
        return first + encode(event)
