"""What a part does with a list is what it does with the events one by one."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bspump.common import (
    BytesJsonParser,
    BytesToStringParser,
    JsonLinesSerializer,
    JsonSerializer,
    ListSink,
    NullSink,
    RateLogger,
    StdDictToJsonParser,
    StdJsonToDictParser,
    StringToBytesParser,
)
from bspump.testing import Harness, run_virtual

documents = st.sampled_from(
    [b"1", b'{"a": 1}', b"[]", b"null", b"", b"{", b"\xff", b"NaN", '{"a": "\u010d"}', 1, None]
)
values = st.sampled_from([1, "text", b"bytes", bytearray(b"x"), {"a": [1]}, None, object()])

PARTS = [
    (BytesJsonParser, documents),
    (StdJsonToDictParser, documents),
    (partial(BytesJsonParser, schema=dict[str, int]), documents),
    (JsonSerializer, values),
    (JsonLinesSerializer, values),
    (StdDictToJsonParser, values),
    (StringToBytesParser, values),
    (BytesToStringParser, values),
    (RateLogger, values),
    (ListSink, values),
    (NullSink, values),
]


def one_by_one(part, events):
    results = []
    for event in events:
        try:
            results.append(part.process({}, event))
        except Exception as error:  # noqa: BLE001 - that it fails is the result
            return error
    return results


@pytest.mark.parametrize(("factory", "events"), PARTS)
def test_a_list_that_is_taken_gives_what_single_events_give(factory, events):
    async def main():
        async with Harness() as harness:
            one, all_ = (
                harness.chain(factory, id=id).locate_processor(
                    getattr(factory, "func", factory).__name__
                )
                for id in ("One", "All")
            )
            await harness.idle()

            @settings(max_examples=100)
            @given(st.lists(events, max_size=4))
            def check(given_events):
                single = one_by_one(one, given_events)
                try:
                    listed = all_.process_batch(None, given_events)
                except Exception:  # noqa: BLE001 - the engine tries them one by one then
                    return
                assert not isinstance(single, Exception), "the list hid an error"
                if listed is not None:
                    assert list(listed) == single
                    assert list(map(type, listed)) == list(map(type, single))

            check()
            if isinstance(one, ListSink):
                assert (one.Events, one.Contexts) == (all_.Events, all_.Contexts)

    run_virtual(main())
    asyncio.set_event_loop(None)
