"""The trigger that fires on messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bspump.abc.trigger import Trigger

if TYPE_CHECKING:
    from bspump.abc.host import Application, PubSub


class PubSubTrigger(Trigger):
    """Fire on a message, or on one of several, whatever arguments it carries.

    Args:
        message_types: the name of the message, or an iterable of names.
        pubsub: where it is published; default is the application's.
    """

    def __init__(
        self,
        app: Application,
        message_types: str | Iterable[str],
        pubsub: PubSub | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(app, id=id)
        self.PubSub = app.PubSub if pubsub is None else pubsub
        self._messages = [message_types] if isinstance(message_types, str) else [*message_types]
        for message in self._messages:
            self.PubSub.subscribe(message, self._on_message)

    def close(self) -> None:
        for message in self._messages:
            self.PubSub.unsubscribe(message, self._on_message)
        self._messages = []

    def _on_message(self, _message: str, *_args: Any, **_kwargs: Any) -> None:
        self.fire()
