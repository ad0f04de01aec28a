"""Messages between components that need not know each other."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from .log import get_logger

log = get_logger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "_bspump_subscribed_messages"


class Owner(Protocol):
    """What a `PubSub` needs of the application: a loop, and someone who owns its tasks."""

    Loop: asyncio.AbstractEventLoop

    def spawn(self, coro: Coroutine[Any, Any, Any], /, *, name: str) -> asyncio.Task[Any]:
        """Run `coro` in a task whose failure is logged."""


def subscribe(message: str) -> Callable[[F], F]:
    """Mark a method as a subscriber of `message`; `PubSub.subscribe_all` finds it.

    A method may be marked with several messages.
    """

    def mark(method: F) -> F:
        setattr(method, _MARK, (*getattr(method, _MARK, ()), message))
        return method

    return mark


class PubSub:
    """Calls the subscribers of a message, in the order in which they subscribed.

    Subscribers are held by weak reference, so a component that is dropped needs no farewell.
    The other side of it: a lambda, a local function or a `functools.partial` that nothing else
    refers to dies at once and is never called. Subscribe a method, or a function of a module.

    Use it from the thread of the loop, except for `publish_threadsafe`.
    """

    def __init__(self, app: Owner) -> None:
        self._app = app
        self._subscribers: dict[str, list[weakref.ref[Callable[..., Any]]]] = {}
        self._waiting: dict[str, set[asyncio.Future[tuple[str, Any, Any]]]] = {}

    def subscribe(self, message: str, callback: Callable[..., Any], /) -> None:
        """Call `callback(message, *args, **kwargs)` whenever `message` is published.

        A coroutine function runs in a task of the application.
        """
        reference: weakref.ref[Callable[..., Any]] = (
            weakref.WeakMethod(callback) if inspect.ismethod(callback) else weakref.ref(callback)
        )
        self._subscribers.setdefault(message, []).append(reference)

    def subscribe_all(self, component: object) -> None:
        """Subscribe every method of `component` that is marked by `subscribe(message)`."""
        for name in dir(type(component)):
            marked = inspect.getattr_static(component, name, None)
            for message in getattr(marked, _MARK, ()):
                self.subscribe(message, getattr(component, name))

    def unsubscribe(self, message: str, callback: Callable[..., Any], /) -> None:
        """Stop calling `callback`; a callback that is not subscribed is reported in the log."""
        references = self._subscribers.get(message, [])
        kept = [reference for reference in references if reference() not in (None, callback)]
        if not any(reference() == callback for reference in references):
            log.warning(
                "callback is not subscribed", message_name=message, callback=_name(callback)
            )
        self._keep(message, kept)

    def publish(
        self, message: str, /, *args: Any, asynchronously: bool = False, **kwargs: Any
    ) -> None:
        """Call all subscribers of `message`.

        Their exceptions are logged and never raised, so one subscriber cannot spoil another. One
        that is unsubscribed meanwhile is not called any more, one that is new not yet.

        Args:
            asynchronously: call them in the next turn of the loop instead of now.
        """
        for future in self._waiting.pop(message, ()):
            if not future.done():
                future.set_result((message, args, kwargs))
        references = self._subscribers.get(message)
        if not references:
            return
        gone = False
        for reference in tuple(references):
            if reference() is None:
                gone = True
            elif asynchronously:
                self._app.Loop.call_soon(
                    partial(self._deliver, reference, message, *args, **kwargs)
                )
            else:
                self._deliver(reference, message, *args, **kwargs)
        if gone:
            self._keep(message, [r for r in self._subscribers.get(message, []) if r() is not None])

    def publish_threadsafe(self, message: str, /, *args: Any, **kwargs: Any) -> None:
        """Publish from another thread: the subscribers are called in the loop's thread, soon."""
        self._app.Loop.call_soon_threadsafe(partial(self.publish, message, *args, **kwargs))

    async def message(self, message: str, /) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Wait until `message` is published; return its name, arguments and keyword arguments."""
        future: asyncio.Future[tuple[str, Any, Any]] = self._app.Loop.create_future()
        waiting = self._waiting.setdefault(message, set())
        waiting.add(future)
        try:
            return await future
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(message) is waiting:
                del self._waiting[message]

    def _deliver(
        self,
        reference: weakref.ref[Callable[..., Any]],
        message: str,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        callback = reference()
        if callback is None or reference not in self._subscribers.get(message, ()):
            return
        try:
            result = callback(message, *args, **kwargs)
        except Exception:  # A subscriber is the user's code; the publisher must not suffer from it.
            log.exception("subscriber failed", message_name=message, callback=_name(callback))
            return
        if inspect.iscoroutine(result):
            self._app.spawn(result, name=f"{message} -> {_name(callback)}")

    def _keep(self, message: str, references: list[weakref.ref[Callable[..., Any]]]) -> None:
        if references:
            self._subscribers[message] = references
        else:
            self._subscribers.pop(message, None)


def _name(callback: Callable[..., Any]) -> str:
    return getattr(callback, "__qualname__", None) or type(callback).__qualname__
