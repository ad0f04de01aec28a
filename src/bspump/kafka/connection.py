"""The connection to a Kafka cluster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bspump.abc.connection import Connection
from bspump.abc.errors import ConfigError
from bspump.abc.extras import require
from bspump.abc.options import Options

from .errors import kind_of, translated, translated_connecting
from .options import KafkaConnectionOptions
from .settings import EXTRA, LibrdkafkaConfigurable

if TYPE_CHECKING:
    from bspump.abc.host import Application

_CLIENT_LOG: Final = logging.getLogger("bspump.kafka.client")
# Brokers close what is idle; that is no news.
_DEFAULTS: Final = {"client.id": "bspump", "log.connection.close": False}


class KafkaConnection(LibrdkafkaConfigurable, Connection):
    """Knows where a Kafka cluster is and how to get in. Each source and sink has its own client.

    The section `[kafka]` is read before the connection's own. Properties of librdkafka
    (`security.protocol`, `sasl.username`, …) hold for all clients; those of a source or sink
    come on top.
    """

    OptionsClass: ClassVar[type[Options]] = KafkaConnectionOptions
    Options: KafkaConnectionOptions
    Fallback: ClassVar[str | None] = "kafka"

    def __init__(
        self, app: Application, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(app, id, config)
        self.Where = f"kafka {self.Options.bootstrap_servers}"

    def settings(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a client. It contains secrets: never show it.

        Args:
            own: the properties of the source or sink.
        """
        servers = {"bootstrap.servers": self.Options.bootstrap_servers}
        return {**_DEFAULTS, **servers, **self.Settings, **own}

    def make_client(self, kind: str, own: Mapping[str, Any]) -> Client:
        """Make a client; it connects on its own.

        Args:
            kind: class in the client library: `Consumer`, `Producer`, `AdminClient`.
            own: the properties of the source or sink.

        Raises:
            ConfigError: the properties do not go together.
        """
        kafka = require("confluent_kafka", extra=EXTRA)
        place = require("confluent_kafka.admin", extra=EXTRA) if kind == "AdminClient" else kafka
        client = Client(self.Where, self.Options.connect_timeout)
        settings = {**self.settings(own), "error_cb": client.note, "logger": _CLIENT_LOG}
        try:
            client.Handle = getattr(place, kind)(settings)
        except kafka.KafkaException as error:
            raise translated(error.args[0], self.Where) from error
        return client

    def create_producer(self, **settings: Any) -> Any:
        """Return a producer of the client library, with properties as keyword arguments."""
        return self.make_client("Producer", _dotted(settings)).Handle

    def create_consumer(self, *topics: str, **settings: Any) -> Any:
        """Return a consumer of the client library that is subscribed to `topics`."""
        consumer = self.make_client("Consumer", _dotted(settings)).Handle
        if topics:
            consumer.subscribe(list(topics))
        return consumer

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "bootstrap_servers": self.Options.bootstrap_servers}


class Client:
    """A client of librdkafka, and the last error that it had.

    Args:
        where: the cluster, as messages name it.
        timeout_s: how long `check` waits for an answer.

    Attributes:
        Handle: the object of the client library.
        Fatal: the error after which it is of no use any more.
    """

    def __init__(self, where: str, timeout_s: float) -> None:
        self.Handle: Any = None
        self.Fatal: Any = None
        self._where, self._timeout_s = where, timeout_s
        self._last: Any = None
        self._refusal: Any = None

    def note(self, error: Any) -> None:
        """Keep an error that belongs to no request; librdkafka logs it, too."""
        # That all brokers are down is told after each reason why.
        if self._last is None or error.name() != "_ALL_BROKERS_DOWN":
            self._last = error
        if error.fatal():
            self.Fatal = error
        if kind_of(error) is ConfigError:
            self._refusal = error

    @contextlib.contextmanager
    def fatal_noted(self) -> Iterator[None]:
        """End the block where the client has become useless, and keep why in `Fatal`.

        The client library raises such an error in whatever call comes first.
        """
        kafka = require("confluent_kafka", extra=EXTRA)
        try:
            yield
        except kafka.KafkaException as error:
            if not error.args[0].fatal():
                raise
            self.note(error.args[0])

    def check(self) -> None:
        """See that the cluster answers; blocks.

        Raises:
            NotConnectedError: nobody answers.
            ConfigError: it does not let us in.
        """
        kafka = require("confluent_kafka", extra=EXTRA)
        try:
            self.Handle.list_topics(timeout=self._timeout_s)
        except kafka.KafkaException as error:
            # A timeout says nothing. What is behind it is told to `note`, but only in a poll.
            with self.fatal_noted():
                self.Handle.poll(0)
            known = [each for each in (self._refusal, self._last) if each is not None]
            raise translated_connecting((*known, error.args[0])[0], self._where) from error


async def in_thread(executor: Executor, work: Callable[[], Any]) -> Any:
    """Run `work` in a thread of `executor` and return what it returns.

    When it is cancelled, `work` runs on; its error is then nobody's.
    """
    future = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(_forget)
        raise


def _forget(future: asyncio.Future[Any]) -> None:
    with contextlib.suppress(Exception, asyncio.CancelledError):
        future.result()


def _dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in settings.items()}
