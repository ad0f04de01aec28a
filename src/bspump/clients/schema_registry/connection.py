"""The connection to a schema registry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from urllib.parse import quote

from msgspec import Meta

from bspump.abc.connection import Connection
from bspump.abc.errors import ConfigError, RejectedError, TransientError
from bspump.abc.options import Duration, Options
from bspump.abc.schemas import Reference, RegisteredSchema
from bspump.clients.http.errors import shown_url
from bspump.clients.http.options import HttpClientOptions
from bspump.clients.http.session import checked_url, open_session
from bspump.clients.lookups.cache import AgingCache

from .answers import Answer, ask

if TYPE_CHECKING:
    import aiohttp

    from bspump.abc.host import Application

_DEEPEST: Final = 50


class SchemaRegistryOptions(HttpClientOptions, frozen=True, kw_only=True):
    """Where the registry is, how to get in, and what is kept of its answers."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            description="Where its REST interface begins: `https://host:8081`, or the path of the"
            " interface `ccompat` of Apicurio.",
        ),
    ]
    cache_size: Annotated[
        int, Meta(ge=1, description="Schemas that are kept in memory, at the most.")
    ] = 1000
    latest_for: Annotated[
        Duration, Meta(description="Seconds for which an answer about `latest` is used again.")
    ] = 60.0


class SchemaRegistryConnection(Connection):
    """Knows schemas by id, and by subject and version, and registers new ones.

    It speaks the REST interface of Confluent's schema registry, which others have as well. What
    never changes is asked for once and kept, `cache_size` schemas at the most. It repeats
    nothing: whoever asks is told what to do, as an error.

    Credentials are in `auth.user` and `auth.password`, or `auth.token`; take them from the
    environment or a file: `auth.password = ${file:/run/secrets/registry}`.
    """

    OptionsClass: ClassVar[type[Options]] = SchemaRegistryOptions
    Options: SchemaRegistryOptions

    def __init__(
        self, app: Application, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(app, id, config)
        self._cache = AgingCache(self.Options.cache_size)
        self._session: aiohttp.ClientSession | None = None

    async def schema(self, id: int, /) -> RegisteredSchema:
        """Return the schema of that id, with all that it imports.

        Raises:
            RejectedError: there is none.
            NotConnectedError, TransientError: there is no answer now.
            ConfigError: the registry does not let us in, or is none.
        """
        kept = self._kept(id)
        if kept is not None:
            return kept
        answer = await self._ask("GET", f"/schemas/ids/{id:d}")
        if answer.status != 200:
            raise RejectedError(f"{answer.where}: there is no schema of id {id}")
        return self._keep(id, await self._complete(answer, {"id": id, **answer.content}))

    async def version(self, subject: str, version: str, /) -> RegisteredSchema:
        """Return a version of a subject: its number, or `latest`.

        Raises:
            ConfigError: there is none; the registry does not let us in, or is none.
            NotConnectedError, TransientError: there is no answer now.
        """
        return await self._version(subject, version, ())

    async def find(self, subject: str, schema: RegisteredSchema, /) -> RegisteredSchema:
        """Return `schema` with the id that it has under a subject.

        Raises:
            ConfigError: it is not registered there; the registry does not let us in, or is none.
            NotConnectedError, TransientError: there is no answer now.
        """
        kept = self._kept((subject, schema))
        if kept is not None:
            return kept
        answer = await self._ask("POST", f"/subjects/{_quoted(subject)}", _body(schema))
        if answer.status != 200:
            raise ConfigError(
                f"{answer.where}: the schema is not registered under the subject {subject!r}"
                f" ({answer.said})\n"
                f"  what to do: register it, or set schema.register = yes"
            )
        return self._keep((subject, schema), _with_id(schema, answer))

    async def register(self, subject: str, schema: RegisteredSchema, /) -> RegisteredSchema:
        """Register `schema`, unless it is, and return it with its id.

        Raises:
            ConfigError: it is not compatible with what is there, or is no schema; the registry
                does not let us in, or is none.
            NotConnectedError, TransientError: there is no answer now.
        """
        kept = self._kept((subject, schema))
        if kept is not None:
            return kept
        answer = await self._ask("POST", f"/subjects/{_quoted(subject)}/versions", _body(schema))
        if answer.status == 409:
            raise ConfigError(
                f"{answer.where}: the schema is not compatible with what is registered under the"
                f" subject {subject!r}: {answer.said}\n"
                f"  what to do: change the schema, or the compatibility of the subject"
            )
        if answer.status != 200:
            raise ConfigError(f"{answer.where}: the schema is refused: {answer.said}")
        return self._keep((subject, schema), _with_id(schema, answer))

    async def incompatibilities(
        self, subject: str, schema: RegisteredSchema, version: str = "latest", /
    ) -> list[str]:
        """Return why `schema` could not follow a version of a subject; empty: it could.

        Where there is no such subject there is nothing to be compatible with.

        Raises:
            ConfigError: it is no schema; the registry does not let us in, or is none.
            NotConnectedError, TransientError: there is no answer now.
        """
        path = f"/compatibility/subjects/{_quoted(subject)}/versions/{_quoted(version)}"
        answer = await self._ask("POST", f"{path}?verbose=true", _body(schema))
        if answer.status == 404:
            return []
        if answer.status != 200:
            raise ConfigError(f"{answer.where}: the schema is refused: {answer.said}")
        if answer.content.get("is_compatible"):
            return []
        said = answer.content.get("messages") or [answer.content.get("reason") or answer.said]
        return [str(reason) for reason in said]

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def rest_get(self) -> dict[str, Any]:
        return {
            **super().rest_get(),
            "url": shown_url(self.Options.url),
            "schemas": len(self._cache),
        }

    async def _version(
        self, subject: str, version: str, above: tuple[tuple[str, str], ...]
    ) -> RegisteredSchema:
        kept = self._kept((subject, version))
        if kept is not None:
            return kept
        path = f"/subjects/{_quoted(subject)}/versions/{_quoted(version)}"
        answer = await self._ask("GET", path)
        if answer.status != 200:
            raise ConfigError(
                f"{answer.where}: there is no version {version!r} of the subject {subject!r}"
                f" ({answer.said})\n"
                f"  what to do: register a schema there, or correct schema.subject"
            )
        found = await self._complete(answer, answer.content, (*above, (subject, version)))
        return self._keep((subject, version), found)

    async def _complete(
        self, answer: Answer, content: Mapping[str, Any], above: tuple[tuple[str, str], ...] = ()
    ) -> RegisteredSchema:
        """Return the schema of an answer, with all that it imports.

        Args:
            above: subjects and versions that lead here.
        """
        try:
            id, type_ = int(content["id"]), str(content.get("schemaType") or "AVRO")
            text = str(content["schema"])
            imports = [
                (str(each["name"]), str(each["subject"]), str(each["version"]))
                for each in content.get("references") or ()
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TransientError(f"{answer.where}: expected a schema: {error!r}") from error
        references = []
        for name, subject, version in imports:
            if (subject, version) in above or len(above) > _DEEPEST:
                raise ConfigError(f"{answer.where}: the schema imports itself, or too deeply")
            references.append(Reference(name, await self._version(subject, version, above)))
        return RegisteredSchema(id, type_.upper(), text, tuple(references))

    def _kept(self, key: Any) -> RegisteredSchema | None:
        kept = self._cache.get(key, at=self.App.Clock.monotonic())
        return None if kept is None else kept.value

    def _keep(self, key: Any, schema: RegisteredSchema) -> RegisteredSchema:
        until = math.inf
        if isinstance(key, tuple) and key[1] == "latest":
            until = self.App.Clock.monotonic() + self.Options.latest_for
        self._cache.put(key, schema, fresh_until=until, stale_until=until)
        return schema

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        url = checked_url(self.Options.url).rstrip("/")
        if self._session is None:
            self._session = open_session(self.Options, url)
        return await ask(
            self._session,
            method,
            f"{url}{path}",
            body,
            max_bytes=self.Options.max_body_bytes,
            now_s=self.App.time(),
        )


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _body(schema: RegisteredSchema) -> dict[str, Any]:
    # Registries of before version 5.5 know Avro only, and no types.
    typed = {} if schema.type == "AVRO" else {"schemaType": schema.type}
    return {**typed, "schema": schema.text}


def _with_id(schema: RegisteredSchema, answer: Answer) -> RegisteredSchema:
    id = answer.content.get("id")
    if not isinstance(id, int):
        raise TransientError(f"{answer.where}: expected an id, got {answer.said!r}")
    return RegisteredSchema(id, schema.type, schema.text, schema.references)
