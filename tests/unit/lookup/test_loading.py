"""What every lookup does about its source: where it is, when it is read, what is shown."""

from __future__ import annotations

import asyncio
import logging

import pytest

import bspump
from bspump.abc.errors import OptionError, RejectedError, TransientError, UnknownNameError
from bspump.abc.lookup import AsyncLookup, AsyncLookupMixin, Lookup, LookupProvider, MappingLookup
from bspump.abc.lookupprovider import LookupBatchProviderABC, LookupProviderABC
from bspump.lookup import DictionaryLookup, FileBatchLookupProvider, HTTPBatchLookupProvider


class Scripted(LookupProvider):
    """Answers what the test has prepared: bytes, `None` or an error to raise."""

    def __init__(self, lookup, *answers):
        super().__init__(lookup, "https://me:secret@host/lookup")
        self.answers = list(answers)
        self.loads = self.commits = self.under_way = self.most = 0

    async def load(self):
        self.loads += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.App.Clock.sleep(0)
        self.under_way -= 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def commit(self):
        self.commits += 1


class Messages(list):
    def note(self, message):
        self.append(message)


def scripted(app, *answers, **config):
    lookup = DictionaryLookup(app, "Users", config=config)
    lookup.Provider = Scripted(lookup, *answers)
    return lookup


def fields_of(caplog, message):
    return [r.fields for r in caplog.records if r.message == message]


@pytest.mark.parametrize(
    ("config", "provider", "url"),
    [
        ({"source_url": "users.json"}, FileBatchLookupProvider, "users.json"),
        ({"source_url": "file:///a/b.json"}, FileBatchLookupProvider, "file:///a/b.json"),
        ({"source_url": "http://a/b"}, HTTPBatchLookupProvider, "http://a/b"),
        ({"source_url": "https://a/b"}, HTTPBatchLookupProvider, "https://a/b"),
        (
            {"master_url": "https://a:8443"},
            HTTPBatchLookupProvider,
            "https://a:8443/bspump/v1/lookup/Users",
        ),
        (
            {"master_url": "a:8080/"},
            HTTPBatchLookupProvider,
            "http://a:8080/bspump/v1/lookup/Users",
        ),
        (
            {"master_url": "http://a", "master_url_endpoint": "x/y", "master_lookup_id": "Z"},
            HTTPBatchLookupProvider,
            "http://a/x/y/Z",
        ),
        (
            {"master_url": "http://a", "source_url": "users.json"},
            FileBatchLookupProvider,
            "users.json",
        ),
    ],
)
async def test_the_source_is_what_the_options_say(app, config, provider, url):
    lookup = DictionaryLookup(app, "Users", config=config)
    assert type(lookup.Provider) is provider
    assert url == lookup.Provider.URL
    assert lookup.is_master() is (provider is FileBatchLookupProvider)
    assert lookup.MasterURL == (None if lookup.is_master() else url)


async def test_a_lookup_without_a_source_is_filled_by_the_program(app):
    lookup = DictionaryLookup(app)
    assert lookup.Provider is None
    assert lookup.is_master()
    assert await lookup.load() is False
    assert lookup.rest_get()["Id"] == "DictionaryLookup"


async def test_an_unknown_scheme_names_those_there_are(app):
    with pytest.raises(UnknownNameError, match="'htp'") as caught:
        DictionaryLookup(app, "Users", config={"source_url": "htp://a"})
    assert {"file", "http", "https"} <= set(caught.value.known)


async def test_an_unknown_option_is_refused(app):
    with pytest.raises(OptionError, match="refresh"):
        DictionaryLookup(app, "Users", config={"refreshed": "5"})


async def test_a_load_that_fails_keeps_the_old_content_and_is_visible(app, clock):
    lookup = scripted(app, b'{"a":1}', TransientError("the master is away"), None)
    assert await lookup.load() is True
    await clock.advance(90)
    with pytest.raises(TransientError):
        await lookup.load()
    assert dict(lookup) == {"a": 1}
    shown = lookup.rest_get()
    assert shown["last_error"] == "the master is away"
    assert shown["age_s"] == 90.0
    assert await lookup.load() is False
    shown = lookup.rest_get()
    assert shown["age_s"] == 0.0
    assert "last_error" not in shown


async def test_content_that_is_of_no_use_is_not_committed(app):
    lookup = scripted(app, b"[1]", b'{"a":1}')
    with pytest.raises(RejectedError):
        await lookup.load()
    assert lookup.Provider.commits == 0
    assert await lookup.load() is True
    assert lookup.Provider.commits == 1


async def test_a_change_is_published_and_no_change_is_not(app):
    lookup = scripted(app, b"{}", None, TransientError("no"))
    messages = Messages()
    lookup.PubSub.subscribe("bspump.Lookup.changed!", messages.note)
    await lookup.load()
    await lookup.load()
    with pytest.raises(TransientError):
        await lookup.load()
    assert messages == ["bspump.Lookup.changed!"]


async def test_loads_follow_one_another(app):
    lookup = scripted(app, b"{}")
    await asyncio.gather(*(lookup.load() for _ in range(5)))
    assert lookup.Provider.loads == 5
    assert lookup.Provider.most == 1


async def test_credentials_of_the_url_are_not_shown(app):
    lookup = scripted(app, b"{}")
    assert lookup.rest_get()["MasterURL"] == "https://***@host/lookup"


async def test_it_is_loaded_again_as_often_as_refresh_says(app, clock):
    lookup = scripted(app, b'{"a":1}', b'{"a":2}', b'{"a":3}', refresh="1m")
    await lookup.load()
    await clock.advance(59)
    assert lookup["a"] == 1
    await clock.advance(2)
    assert lookup["a"] == 2
    await clock.advance(60)
    assert lookup["a"] == 3


async def test_without_refresh_it_is_loaded_when_it_is_told_to(app, clock):
    lookup = scripted(app, b'{"a":1}')
    await lookup.load()
    await clock.advance(1_000)
    assert lookup.Provider.loads == 1


async def test_a_failure_does_not_end_the_refreshing_and_is_said_once(app, clock, caplog):
    away = TransientError("the master is away")
    lookup = scripted(app, away, away, away, ValueError("a bug"), b'{"a":2}', refresh=10)
    with caplog.at_level(logging.INFO), pytest.raises(TransientError):
        await lookup.load()
    with caplog.at_level(logging.INFO):
        await clock.advance(20)
        assert lookup.Provider.loads == 3
        assert fields_of(caplog, "lookup keeps its old content") == []
        await clock.advance(10)
        said = fields_of(caplog, "lookup keeps its old content")
        assert said == [{"lookup": "Users", "error": "a bug"}]
        await clock.advance(10)
        assert lookup["a"] == 2
        assert fields_of(caplog, "lookup is loaded again") == [{"lookup": "Users"}]


async def test_closing_ends_the_refreshing(app, clock):
    lookup = scripted(app, b"{}", refresh=10)
    await lookup.load()
    await lookup.close()
    await lookup.close()
    await clock.advance(100)
    assert lookup.Provider.loads == 1


async def test_an_update_can_be_asked_for_without_waiting(app):
    lookup = scripted(app, b'{"a":1}')
    assert await lookup.ensure_future_update(app.Loop) is True
    assert lookup["a"] == 1


async def test_a_cancelled_load_leaves_the_lookup_usable(app):
    lookup = scripted(app, b'{"a":1}')
    task = asyncio.ensure_future(lookup.load())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await lookup.load() is True
    assert lookup["a"] == 1


async def test_the_application_loads_its_lookups_at_start(tmp_path, caplog):
    (tmp_path / "users.json").write_text('{"a": 1}')
    app = bspump.BSPumpApplication(
        args=[
            *("--set", f"[lookup:Users] source_url={tmp_path / 'users.json'}"),
            *("--set", f"[lookup:Gone] source_url={tmp_path / 'gone.json'}"),
            *("--set", "[lookup:Gone] required=no"),
            *("--set", f"[lookup:Lazy] source_url={tmp_path / 'gone.json'}"),
        ]
    )
    users = app.PumpService.add_lookup(DictionaryLookup(app, "Users"))
    app.PumpService.add_lookup(DictionaryLookup(app, "Gone"))
    app.PumpService.add_lookup(DictionaryLookup(app, "Lazy", lazy=True))
    async with app.running():
        assert users["a"] == 1
    failed = fields_of(caplog, "lookup could not be loaded")
    assert [fields["lookup"] for fields in failed] == ["Gone"]
    assert "gone.json" in failed[0]["error"]


async def test_options_of_a_provider_hold_for_all_of_its_kind_or_for_one_lookup():
    app = bspump.BSPumpApplication(
        args=[
            *("--set", "[lookupprovider:FileBatchLookupProvider] max_bytes=1KiB"),
            *("--set", "[lookupprovider:Large] max_bytes=1MiB"),
        ]
    )
    small = DictionaryLookup(app, "Small", config={"source_url": "a", "required": "no"})
    large = DictionaryLookup(app, "Large", config={"source_url": "a", "required": "no"})
    async with app.running():
        assert small.Provider.Options.max_bytes == 1024
        assert large.Provider.Options.max_bytes == 1 << 20


async def test_a_lookup_of_the_program_may_have_options_of_its_own(app):
    class Mine(MappingLookup):
        ConfigDefaults = {"colour": "red"}

        def __getitem__(self, key):
            return {"a": 1}[key]

    lookup = Mine(app, config={"shape": "round"})
    assert (lookup.Config["colour"], lookup.Config["shape"]) == ("red", "round")
    assert lookup.get("a") == 1
    assert lookup.get("b") is None


async def test_a_mixin_makes_a_lookup_one_to_be_waited_for(app):
    class Mine(AsyncLookupMixin, Lookup):
        async def get(self, key):
            return key

    assert await Mine(app).get("a") == "a"
    assert issubclass(AsyncLookup, AsyncLookupMixin)


async def test_a_provider_of_the_program_is_found_by_its_scheme(app, monkeypatch):
    class Memory(LookupBatchProviderABC):
        async def load(self):
            return b'{"a": 1}'

    monkeypatch.setitem(Lookup.Providers, "memory", Memory)
    lookup = DictionaryLookup(app, config={"source_url": "memory://"})
    assert await lookup.load()
    assert lookup["a"] == 1
    assert LookupProviderABC is LookupProvider
