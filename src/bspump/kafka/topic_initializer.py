"""Topics that are created before the pipelines start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import yaml
from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require
from bspump.abc.options import Configurable, Options

from .connection import KafkaConnection
from .errors import translated, translated_connecting
from .settings import EXTRA

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_WITHIN_S: Final = 30.0


class KafkaTopicInitializerOptions(Options, frozen=True, kw_only=True):
    """Where topics are described, and what holds for those that say nothing."""

    client_id: Annotated[str, Meta(description="How the brokers name the client in their log.")] = (
        "bspump-topic-initializer"
    )
    topics_file: Annotated[
        str, Meta(description="YAML or JSON: a list of `topic`, `num_partitions`, `config`, …")
    ] = ""
    num_partitions_default: Annotated[int, Meta(ge=1)] = 1
    replication_factor_default: Annotated[int, Meta(ge=1)] = 1


class KafkaTopicInitializer(Configurable):
    """Creates the topics that do not exist yet; those that do are left as they are.

    Its section of the configuration is `<Id>`. Include topics first, then call
    `initialize_topics`, before the application runs: it blocks.

    Args:
        connection: Id of a `KafkaConnection`, or the connection.
    """

    OptionsClass: ClassVar[type[Options]] = KafkaTopicInitializerOptions
    Options: KafkaTopicInitializerOptions

    def __init__(
        self,
        app: Application,
        connection: str | KafkaConnection,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.App = app
        self._configure(app.Config, self.Id, config)
        located: Any = app.PumpService.locate_connection(connection)
        self.Connection: KafkaConnection = located
        self.RequiredTopics: dict[str, dict[str, Any]] = {}
        if self.Options.topics_file:
            self.include_topics_from_file(self.Options.topics_file)

    def include_topics(
        self,
        *,
        topic_config: Mapping[str, Any] | None = None,
        kafka_component: Any = None,
        pipeline: Pipeline | None = None,
        config_file: str | None = None,
    ) -> None:
        """Include what is named: by a mapping, a source or sink, all of a pipeline, or a file."""
        if topic_config is not None:
            self.include_topics_from_config(topic_config)
        if kafka_component is not None:
            self.include_topics_from_config(kafka_component.Config)
        if pipeline is not None:
            everything: Any = pipeline
            for part in [*everything.Sources, *everything.iter_processors()]:
                if isinstance(getattr(part, "Connection", None), KafkaConnection):
                    self.include_topics_from_config(part.Config)
        if config_file is not None:
            self.include_topics_from_file(config_file)

    def include_topics_from_file(self, topics_file: str) -> None:
        """Include the topics that a file of YAML or JSON lists.

        Raises:
            ConfigError: it cannot be read, or is no such list.
        """
        path = Path(topics_file)
        try:
            text = path.read_text(encoding="utf-8")
            found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ConfigError(f"{topics_file}: cannot be read: {error}") from error
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ConfigError(f"{topics_file}: expected a list of topics, each a mapping")
        for item in found:
            name = item.get("topic", item.get("name"))
            if not name:
                raise ConfigError(f"{topics_file}: expected `topic` in each, got {sorted(item)}")
            self._include(
                str(name), item, item.get("config", item.get("topic_configs")), topics_file
            )

    def include_topics_from_config(self, config_object: Mapping[str, Any]) -> None:
        """Include the topics of `topic`, separated by commas or spaces.

        Regular expressions name no topic to create. `config`, a mapping, has further settings.
        """
        names = str(config_object.get("topic", "")).replace(",", " ").split()
        for name in names:
            if not name.startswith("^"):
                self._include(name, config_object, config_object.get("config"), "topic")

    def _include(self, name: str, said: Mapping[str, Any], config: Any, place: str) -> None:
        options = self.Options
        try:
            self.RequiredTopics[name] = {
                "num_partitions": int(said.get("num_partitions") or options.num_partitions_default),
                "replication_factor": int(
                    said.get("replication_factor") or options.replication_factor_default
                ),
                "config": {str(key): str(value) for key, value in dict(config or {}).items()},
            }
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{place}: topic {name!r}: {error}") from error

    def fetch_existing_topics(self) -> set[str]:
        """Return the names of all topics that there are; blocks.

        Raises:
            NotConnectedError: the cluster does not answer.
        """
        return self._existing(self._admin())

    def initialize_topics(self) -> list[str]:
        """Create what is included and missing; return the names of what was created. Blocks.

        Raises:
            NotConnectedError: the cluster does not answer.
            ConfigError, RejectedError, TransientError: it refuses to create one.
        """
        admin = self._admin()
        missing = sorted(self.RequiredTopics.keys() - self._existing(admin))
        if not missing:
            return []
        new_topic = require("confluent_kafka.admin", extra=EXTRA).NewTopic
        wanted = [new_topic(name, **self.RequiredTopics[name]) for name in missing]
        return self._created(admin.create_topics(wanted, request_timeout=_WITHIN_S))

    check_and_initialize = initialize_topics

    def _created(self, answers: Mapping[str, Any]) -> list[str]:
        kafka = require("confluent_kafka", extra=EXTRA)
        created = []
        for name, answer in answers.items():
            try:
                answer.result()
            except kafka.KafkaException as error:
                # Somebody else may have been faster.
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    where = f"{self.Connection.Where}: topic {name!r}"
                    raise translated(error.args[0], where) from error
            else:
                created.append(name)
        return created

    def _admin(self) -> Any:
        own = {"client.id": self.Options.client_id}
        client = self.Connection.make_client("AdminClient", own)
        client.check()
        return client.Handle

    def _existing(self, admin: Any) -> set[str]:
        kafka = require("confluent_kafka", extra=EXTRA)
        try:
            return set(admin.list_topics(timeout=_WITHIN_S).topics)
        except kafka.KafkaException as error:
            raise translated_connecting(error.args[0], self.Connection.Where) from error
