"""Messages: who is called, in which order, and that nobody can spoil it for the others."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading

import pytest

from bspump.core.pubsub import PubSub, subscribe


class App:
    """What a PubSub needs of an application."""

    def __init__(self) -> None:
        self.Loop = asyncio.get_running_loop()
        self.spawned: list[tuple[str, asyncio.Task]] = []

    def spawn(self, coro, /, *, name):
        task = self.Loop.create_task(coro, name=name)
        self.spawned.append((name, task))
        return task


class Subscriber:
    """Notes what it is told."""

    def __init__(self, name: str = "", log: list | None = None) -> None:
        self.name = name
        self.log = [] if log is None else log

    def on_message(self, message, *args, **kwargs) -> None:
        self.log.append((self.name, message, args, kwargs))

    def fail(self, message) -> None:
        raise ValueError(message)

    async def wait(self, message, seconds=0) -> None:
        await asyncio.sleep(seconds)
        self.log.append((self.name, message))


@pytest.fixture
async def pubsub() -> PubSub:
    return PubSub(App())


async def test_a_subscriber_gets_the_message_and_its_arguments(pubsub):
    subscriber = Subscriber()
    pubsub.subscribe("a!", subscriber.on_message)
    pubsub.publish("a!", 1, x=2)
    pubsub.publish("b!", 3)
    assert subscriber.log == [("", "a!", (1,), {"x": 2})]


async def test_arguments_may_have_the_names_of_our_own(pubsub):
    subscriber = Subscriber()
    pubsub.subscribe("a!", subscriber.on_message)
    pubsub.publish("a!", reference=1, callback=2, name=3)
    assert subscriber.log[0][3] == {"reference": 1, "callback": 2, "name": 3}


async def test_subscribers_are_called_in_the_order_in_which_they_came(pubsub):
    log: list = []
    subscribers = [Subscriber(str(n), log) for n in range(10)]
    for subscriber in subscribers:
        pubsub.subscribe("a!", subscriber.on_message)
    pubsub.publish("a!")
    assert [name for name, *_ in log] == [str(n) for n in range(10)]


async def test_a_subscriber_that_is_dropped_is_not_kept_alive(pubsub):
    log: list = []
    subscriber = Subscriber("gone", log)
    stays = Subscriber("stays", log)
    pubsub.subscribe("a!", subscriber.on_message)
    pubsub.subscribe("a!", stays.on_message)
    del subscriber
    gc.collect()
    pubsub.publish("a!")
    assert [name for name, *_ in log] == ["stays"]


async def test_a_local_function_dies_at_once(pubsub):
    called = []
    pubsub.subscribe("a!", lambda _message: called.append(1))
    gc.collect()
    pubsub.publish("a!")
    assert called == []


async def test_a_subscriber_that_fails_is_logged_and_spoils_nothing(pubsub, caplog):
    subscriber = Subscriber()
    pubsub.subscribe("a!", subscriber.fail)
    pubsub.subscribe("a!", subscriber.on_message)
    pubsub.publish("a!")
    assert len(subscriber.log) == 1
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "subscriber failed")
    assert record.fields == {"message_name": "a!", "callback": "Subscriber.fail"}
    assert record.exc_info[0] is ValueError


async def test_a_coroutine_runs_in_a_task_of_the_application(pubsub):
    subscriber = Subscriber()
    pubsub.subscribe("a!", subscriber.wait)
    pubsub.publish("a!")
    assert subscriber.log == []
    ((name, task),) = pubsub._app.spawned
    await task
    assert name == "a! -> Subscriber.wait"
    assert subscriber.log == [("", "a!")]


async def test_published_asynchronously_it_is_delivered_in_the_next_turn(pubsub):
    subscriber = Subscriber()
    pubsub.subscribe("a!", subscriber.on_message)
    pubsub.publish("a!", 1, asynchronously=True)
    assert subscriber.log == []
    await asyncio.sleep(0)
    assert subscriber.log == [("", "a!", (1,), {})]


async def test_unsubscribed_means_not_called_any_more(pubsub):
    subscriber, other = Subscriber("x"), Subscriber("y")
    for _ in range(2):
        pubsub.subscribe("a!", subscriber.on_message)
    pubsub.subscribe("a!", other.on_message)
    pubsub.publish("a!", asynchronously=True)
    pubsub.unsubscribe("a!", subscriber.on_message)
    pubsub.publish("a!")
    await asyncio.sleep(0)
    assert subscriber.log == []
    assert len(other.log) == 2


async def test_unsubscribing_what_is_not_subscribed_is_logged(pubsub, caplog):
    pubsub.unsubscribe("a!", Subscriber().on_message)
    assert "callback is not subscribed" in caplog.text


class Once:
    """Unsubscribes another, and subscribes a third, when it is called."""

    def __init__(self, pubsub, other, third) -> None:
        self.pubsub, self.other, self.third = pubsub, other, third

    def on_message(self, message) -> None:
        self.pubsub.unsubscribe(message, self.other.on_message)
        self.pubsub.subscribe(message, self.third.on_message)


async def test_changes_while_a_message_is_delivered_are_observed(pubsub):
    other, third = Subscriber(), Subscriber()
    once = Once(pubsub, other, third)
    pubsub.subscribe("a!", once.on_message)
    pubsub.subscribe("a!", other.on_message)
    pubsub.publish("a!")
    assert (other.log, third.log) == ([], [])
    pubsub.unsubscribe("a!", once.on_message)
    pubsub.publish("a!")
    assert (len(other.log), len(third.log)) == (0, 1)


class Marked:
    def __init__(self) -> None:
        self.log: list[str] = []

    @subscribe("a!")
    @subscribe("b!")
    def on_both(self, message) -> None:
        self.log.append(message)

    @subscribe("a!")
    def on_overridden(self, message) -> None:
        self.log.append("base")

    @property
    def broken(self) -> None:
        raise RuntimeError("is not looked at")


class Derived(Marked):
    def on_overridden(self, message) -> None:
        self.log.append("derived")


async def test_marked_methods_are_subscribed_together(pubsub):
    marked, derived = Marked(), Derived()
    pubsub.subscribe_all(marked)
    pubsub.subscribe_all(derived)
    pubsub.publish("a!")
    pubsub.publish("b!")
    assert sorted(marked.log) == ["a!", "b!", "base"]
    assert derived.log == ["a!", "b!"]


async def test_a_message_can_be_waited_for(pubsub):
    waiting = [asyncio.create_task(pubsub.message("a!")) for _ in range(2)]
    await asyncio.sleep(0)
    pubsub.publish("b!")
    pubsub.publish("a!", 1, x=2)
    pubsub.publish("a!", 3)
    assert await asyncio.gather(*waiting) == [("a!", (1,), {"x": 2})] * 2


async def test_whoever_stops_waiting_leaves_nothing_behind(pubsub):
    waiting = [asyncio.create_task(pubsub.message("a!")) for _ in range(2)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert pubsub._waiting == {}
    pubsub.publish("a!")


async def test_another_thread_publishes_in_the_thread_of_the_loop(pubsub):
    threads = []
    done = asyncio.Event()

    def note(message, n) -> None:
        threads.append((threading.current_thread(), n))
        if n == 99:
            done.set()

    pubsub.subscribe("a!", note)

    def work() -> None:
        for n in range(100):
            pubsub.publish_threadsafe("a!", n)

    thread = threading.Thread(target=work)
    thread.start()
    await asyncio.wait_for(done.wait(), 10)
    thread.join()
    assert threads == [(threading.current_thread(), n) for n in range(100)]
