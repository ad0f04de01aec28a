"""The lookup that is a dictionary in memory."""

from __future__ import annotations

import pytest

from bspump.abc.errors import RejectedError
from bspump.lookup import DictionaryLookup


class Messages(list):
    def note(self, message):
        self.append(message)


async def test_it_reads_like_a_dict(app):
    lookup = DictionaryLookup(app)
    lookup.set({"a": 1, "b": None})
    assert lookup["a"] == 1
    assert (lookup.get("b", 2), lookup.get("c"), lookup.get("c", 3)) == (None, None, 3)
    assert "b" in lookup
    assert "c" not in lookup
    assert list(lookup) == ["a", "b"]
    assert len(lookup) == 2
    with pytest.raises(KeyError):
        lookup["c"]


async def test_setting_replaces_the_content_by_a_copy_and_says_so(app):
    lookup = DictionaryLookup(app)
    messages = Messages()
    lookup.PubSub.subscribe("bspump.Lookup.changed!", messages.note)
    lookup.set({"a": 1})
    content = {"b": 2}
    lookup.set(content)
    content["c"] = 3
    assert dict(lookup) == {"b": 2}
    assert len(messages) == 2


async def test_loading_replaces_the_content_and_keys_that_are_gone_are_gone(app):
    lookup = DictionaryLookup(app)
    lookup.set({"a": 1})
    lookup.deserialize(b'{"b": {"c": [1, null]}}')
    assert dict(lookup) == {"b": {"c": [1, None]}}


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"null", b'{"a": 1} x', b"\xff"])
async def test_what_is_no_json_object_is_rejected_and_changes_nothing(app, data):
    lookup = DictionaryLookup(app, "Users")
    lookup.set({"a": 1})
    with pytest.raises(RejectedError, match="lookup 'Users'"):
        lookup.deserialize(data)
    assert dict(lookup) == {"a": 1}


async def test_what_is_serialised_can_be_loaded(app):
    master, slave = DictionaryLookup(app, "Master"), DictionaryLookup(app, "Slave")
    master.set({"ž": {"x": 1.5}, "b": [True, None]})
    slave.deserialize(master.serialize())
    assert dict(slave) == dict(master)


async def test_who_reads_during_a_load_reads_the_old_content(app):
    lookup = DictionaryLookup(app)
    lookup.set({"a": 1, "b": 2})
    keys = iter(lookup)
    next(keys)
    lookup.deserialize(b"{}")
    assert list(keys) == ["b"]


async def test_setting_what_another_owns_is_done_with_a_warning(app, caplog):
    lookup = DictionaryLookup(app, "Users", config={"source_url": "http://127.0.0.1:1/"})
    lookup.set({"a": 1})
    assert lookup["a"] == 1
    assert [r.fields for r in caplog.records] == [{"lookup": "Users"}]


async def test_a_small_dictionary_is_shown_and_a_large_one_counted(app):
    lookup = DictionaryLookup(app)
    lookup.set({"a": 1})
    assert lookup.rest_get()["Dictionary"] == {"a": 1}
    lookup.set(dict.fromkeys(range(5000)))
    shown = lookup.rest_get()
    assert shown["size"] == 5000
    assert "Dictionary" not in shown
