"""Lookups that ask key by key, and remember."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bspump.abc.errors import NotConnectedError, RejectedError, TransientError
from bspump.clients.lookups import Answer, KeyedLookup
from bspump.testing import cancel_everywhere


class Remote(KeyedLookup):
    """Knows the length of words, and nothing of those that begin with `no`."""

    def __init__(self, app, **config):
        super().__init__(app, "Remote", config)
        self.Asked = []
        self.Gate = asyncio.Event()
        self.Gate.set()
        self.Error = None
        self.UnderWay = self.Most = 0

    async def fetch(self, key):
        self.Asked.append(key)
        self.UnderWay += 1
        self.Most = max(self.Most, self.UnderWay)
        try:
            await self.Gate.wait()
        finally:
            self.UnderWay -= 1
        if self.Error is not None:
            raise self.Error
        return None if key.startswith("no") else len(key)


class Batched(Remote):
    """The same, several words at once."""

    async def fetch_many(self, keys):
        self.Asked.append(list(keys))
        await self.Gate.wait()
        if self.Error is not None:
            raise self.Error
        return {
            key: RejectedError(key) if key == "bad" else len(key)
            for key in keys
            if not key.startswith("no")
        }


async def test_a_key_is_asked_for_once_and_remembered(app, clock):
    lookup = Remote(app, cache_age="5m")
    assert [await lookup.get("abc") for _ in range(3)] == [3, 3, 3]
    assert lookup.Asked == ["abc"]
    await clock.advance(299)
    await lookup.get("abc")
    assert lookup.Asked == ["abc"]
    await clock.advance(1)
    assert await lookup.get("abc") == 3
    assert lookup.Asked == ["abc", "abc"]


async def test_it_is_remembered_that_nothing_is_known(app, clock):
    lookup = Remote(app, negative_age=10)
    assert [await lookup.get("nothing") for _ in range(3)] == [None] * 3
    assert lookup.Asked == ["nothing"]
    await clock.advance(10)
    await lookup.get("nothing")
    assert len(lookup.Asked) == 2


async def test_an_answer_may_say_how_long_it_holds(app, clock):
    class Timed(Remote):
        async def fetch(self, key):
            await super().fetch(key)
            return Answer(len(key), {"long": 1000, "short": 5, "never": 0}[key])

    lookup = Timed(app, cache_age=60)
    for key in ("long", "short", "never"):
        await lookup.get(key)
    await clock.advance(6)
    lookup.Asked.clear()
    for key in ("long", "short", "never"):
        await lookup.get(key)
    assert lookup.Asked == ["short", "never"]


async def test_concurrent_questions_for_one_key_are_one_request(app):
    lookup = Remote(app)
    lookup.Gate.clear()
    waiting = [asyncio.ensure_future(lookup.get("abc")) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lookup.Gate.set()
    assert await asyncio.gather(*waiting) == [3] * 20
    assert lookup.Asked == ["abc"]


async def test_no_more_requests_are_under_way_than_allowed(app):
    lookup = Remote(app, concurrency=3)
    words = ["x" * n for n in range(1, 21)]
    lookup.Gate.clear()
    waiting = [asyncio.ensure_future(lookup.get(word)) for word in words]
    for _ in range(10):
        await asyncio.sleep(0)
    assert lookup.UnderWay == 3
    lookup.Gate.set()
    assert await asyncio.gather(*waiting) == list(range(1, 21))
    assert lookup.Most == 3


async def test_what_was_used_longest_ago_is_forgotten_first(app):
    lookup = Remote(app, cache_size=2)
    for word in ("a", "bb", "a", "ccc"):
        await lookup.get(word)
    lookup.Asked.clear()
    for word in ("a", "ccc", "bb"):
        await lookup.get(word)
    assert lookup.Asked == ["bb"]
    assert len(lookup.Cache) == 2


async def test_without_a_cache_every_question_is_asked(app):
    lookup = Remote(app, cache_size=0)
    await lookup.get("abc")
    await lookup.get("abc")
    assert len(lookup.Asked) == 2


async def test_keys_of_one_turn_share_a_request_where_that_is_possible(app):
    lookup = Batched(app, batch_size=4)
    words = ["x" * n for n in range(1, 11)]
    assert await asyncio.gather(*map(lookup.get, words)) == list(range(1, 11))
    assert sorted(map(len, lookup.Asked)) == [2, 4, 4]
    assert sorted(word for words in lookup.Asked for word in words) == words


async def test_keys_that_an_answer_leaves_out_are_unknown(app):
    lookup = Batched(app)
    assert await asyncio.gather(*map(lookup.get, ["a", "no"])) == [1, None]


async def test_a_key_that_fails_alone_spares_its_neighbours(app):
    lookup = Batched(app)
    found = await asyncio.gather(*map(lookup.get, ["a", "bad", "ccc"]), return_exceptions=True)
    assert found[0] == 1
    assert isinstance(found[1], RejectedError)
    assert found[2] == 3


@pytest.mark.parametrize("kind", [Remote, Batched])
async def test_an_error_reaches_all_who_wait_and_is_not_remembered(app, kind):
    lookup = kind(app)
    lookup.Error = TransientError("away")
    found = await asyncio.gather(*(lookup.get("abc") for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["away"] * 3
    assert lookup.rest_get()["last_error"] == "away"
    lookup.Error = None
    assert await lookup.get("abc") == 3
    assert "last_error" not in lookup.rest_get()


async def test_a_system_that_is_away_is_said_to_be_once(app, caplog):
    lookup = Remote(app)
    lookup.Error = TransientError("away")
    with caplog.at_level(logging.INFO):
        for word in ("a", "b"):
            with pytest.raises(TransientError):
                await lookup.get(word)
        lookup.Error = None
        await lookup.get("a")
    assert caplog.messages == ["lookup cannot be asked", "lookup can be asked again"]


@pytest.mark.parametrize("answer", [None, 5, "text"])
async def test_an_answer_that_is_none_is_an_error_of_those_who_wait(app, answer):
    class Wrong(KeyedLookup):
        async def fetch_many(self, keys):
            return answer

    with pytest.raises(AttributeError):
        await asyncio.wait_for(Wrong(app).get("abc"), 5)


async def test_a_request_that_takes_too_long_is_given_up(app):
    lookup = Remote(app, timeout="20ms")
    lookup.Gate.clear()
    with pytest.raises(TransientError, match=r"within 0\.02 s"):
        await lookup.get("abc")
    lookup.Gate.set()
    assert await lookup.get("abc") == 3


async def test_an_old_answer_is_given_at_once_and_renewed(app, clock):
    lookup = Remote(app, cache_age=10, stale_age=50)
    await lookup.get("abc")
    await clock.advance(20)
    lookup.Gate.clear()
    assert [await lookup.get("abc") for _ in range(3)] == [3, 3, 3]
    await clock.advance(0)
    assert lookup.Asked == ["abc", "abc"]
    lookup.Gate.set()
    await clock.advance(0)
    await lookup.get("abc")
    assert lookup.Asked == ["abc", "abc"]
    assert lookup.Counts == {"hit": 1, "stale": 3, "miss": 1, "request": 2, "error": 0}


async def test_an_old_answer_is_given_while_the_system_is_away_but_not_for_ever(app, clock):
    lookup = Remote(app, cache_age=10, stale_age=50)
    await lookup.get("abc")
    lookup.Error = NotConnectedError("away")
    await clock.advance(20)
    for _ in range(20):
        assert await lookup.get("abc") == 3
        await clock.advance(0.1)
    # Asked again after a second, not with each event.
    assert len(lookup.Asked) in {3, 4}
    await clock.advance(38)
    with pytest.raises(NotConnectedError):
        await lookup.get("abc")


async def test_a_key_that_vanished_is_not_given_any_more(app, clock):
    class Vanishing(Remote):
        async def fetch(self, key):
            await super().fetch(key)
            return len(key) if len(self.Asked) == 1 else None

    lookup = Vanishing(app, cache_age=10, stale_age=50)
    assert await lookup.get("abc") == 3
    await clock.advance(20)
    assert await lookup.get("abc") == 3
    await clock.advance(0)
    assert await lookup.get("abc") is None


async def test_a_cancel_concerns_the_one_who_waits_and_not_the_request(app):
    lookup = Remote(app)
    lookup.Gate.clear()
    first, second = (asyncio.ensure_future(lookup.get("abc")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    lookup.Gate.set()
    assert await second == 3
    assert lookup.Asked == ["abc"]


async def test_a_cancel_anywhere_leaves_it_usable(app):
    lookup = Remote(app, cache_size=0)

    async def check():
        assert await lookup.get("abc") == 3

    await cancel_everywhere(lambda: lookup.get("abc"), check)


async def test_closing_fails_what_is_waited_for(app):
    lookup = Remote(app, concurrency=1)
    lookup.Gate.clear()
    waiting = [asyncio.ensure_future(lookup.get(word)) for word in ("a", "bb", "ccc")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await lookup.close()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in found] == [NotConnectedError] * 3


async def test_the_end_of_the_tasks_fails_what_is_waited_for(app):
    lookup = Remote(app, concurrency=1)
    lookup.Gate.clear()
    waiting = [asyncio.ensure_future(lookup.get(word)) for word in ("a", "bb")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in asyncio.all_tasks():
        if task.get_name() == "lookup Remote":
            task.cancel()
    found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    assert [type(error) for error in found] == [NotConnectedError] * 2
    lookup.Gate.set()
    assert await lookup.get("a") == 1


async def test_forgetting_and_clearing_ask_again(app):
    lookup = Remote(app)
    for word in ("a", "bb"):
        await lookup.get(word)
    lookup.forget("a")
    lookup.forget("unknown")
    lookup.Asked.clear()
    for word in ("a", "bb"):
        await lookup.get(word)
    assert lookup.Asked == ["a"]
    lookup.clear()
    await lookup.get("bb")
    assert lookup.Asked == ["a", "bb"]


async def test_hits_and_misses_are_metrics_that_go_with_the_lookup(app):
    lookup = Remote(app)
    await lookup.get("abc")
    await lookup.get("abc")
    (metric,) = [m for m in app.MetricsService.Metrics if m.name == "bspump.lookup"]
    assert metric.tags == {"lookup": "Remote"}
    assert metric.values == {"hit": 1, "stale": 0, "miss": 1, "request": 1, "error": 0}
    assert lookup.rest_get()["counts"] == metric.values
    await lookup.close()
    assert metric not in app.MetricsService.Metrics


async def test_loading_as_a_whole_does_nothing(app):
    lookup = Remote(app)
    assert await lookup.load() is False
    assert "age_s" not in lookup.rest_get()


async def test_there_is_nothing_to_be_seen_in_the_log_in_normal_operation(app, caplog):
    lookup = Remote(app)
    with caplog.at_level(logging.DEBUG):
        await asyncio.gather(*map(lookup.get, ["a", "no", "a"]))
    assert caplog.records == []
