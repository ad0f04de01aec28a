"""From events to the values of messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.codec import Codec
from bspump.abc.errors import NotConnectedError, TransientError
from bspump.formats.configured import SchemaOptions, configured_codec
from bspump.formats.json_codec import JsonCodec
from bspump.formats.reject import rejected

if TYPE_CHECKING:
    from .options import KafkaSinkOptions

_TOPICS_AT_MOST: Final = 1000


class Values:
    """Makes values of events: as a codec says, or without one of bytes, text, dicts and lists.

    Args:
        id: of the sink, for messages.
        options: of the sink.
        locate: returns a connection by its Id.

    Raises:
        ConfigError: the codec and its schema are of no use.
    """

    def __init__(self, id: str, options: KafkaSinkOptions, locate: Callable[[str], Any]) -> None:
        self._id, self._options, self._locate = id, options, locate
        self._json = JsonCodec()
        self._codecs: OrderedDict[str, Codec] = OrderedDict()
        if options.codec or options.schema != SchemaOptions():
            self._codec_of(options.topic)

    async def prepare(self, topics: Iterable[str]) -> None:
        """Fetch what encoding for these topics needs, unless it is here.

        Raises:
            TransientError: that is not possible now.
            ConfigError: it is not possible at all.
        """
        if not self._options.codec:
            return
        wanted = set(topics)
        for topic in wanted:
            await preparing(self._codec_of(topic).prepare_encoding())
        while len(self._codecs) > max(_TOPICS_AT_MOST, len(wanted)):
            self._codecs.popitem(last=False)

    def encode(self, topic: str, event: Any) -> bytes:
        """Return the value for an event. In any thread; after `prepare`.

        Raises:
            RejectedError: it cannot be made.
        """
        if self._options.codec:
            return self._codec_of(topic).encode(event)
        if isinstance(event, bytes):
            return event
        if isinstance(event, str):
            return event.encode("utf-8", "surrogatepass")
        if isinstance(event, dict | list):
            return self._json.encode(event)
        raise rejected(self._id, "bytes, text, a dict or a list", event)

    def _codec_of(self, topic: str) -> Codec:
        schema = self._options.schema
        # Only where the schema is looked up by the topic there is more than one.
        name = topic if schema.registry and not schema.subject else ""
        found = self._codecs.get(name)
        if found is not None:
            self._codecs.move_to_end(name)
        else:
            codec, subject = self._options.codec or "raw", f"{topic}-value"
            found = configured_codec(codec, schema, self._locate, subject=subject)
            self._codecs[name] = found
        return found


async def preparing(work: Awaitable[None]) -> None:
    """Await what a codec fetches.

    Raises:
        TransientError: it cannot be fetched now. It is not Kafka that is away, so nobody has to
            connect to it again.
        ConfigError: it can never be fetched.
    """
    try:
        await work
    except NotConnectedError as error:
        raise TransientError(str(error)) from error
