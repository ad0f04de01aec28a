"""Each test of the lookup contract catches a lookup that breaks its promise."""

from __future__ import annotations

import asyncio
import json

import pytest

from bspump.abc.errors import RejectedError, TransferError
from bspump.abc.lookup import AsyncLookup
from bspump.testing import MemoryAsyncLookup, MemoryLookup
from bspump.testing.contracts import LookupContract, LookupTarget


class Good(MemoryLookup):
    pass


class Waits(MemoryAsyncLookup):
    """The good one that has to be waited for."""

    async def get(self, key):
        await asyncio.sleep(0.01)
        return await super().get(key)


class Upper(Good):
    def __getitem__(self, key):
        return super().__getitem__(key.upper())


class RaisesOtherErrors(Good):
    def __getitem__(self, key):
        try:
            return super().__getitem__(key)
        except KeyError as error:
            raise RuntimeError("missing") from error


class Default(Good):
    def __getitem__(self, key):
        return self.Content.get(key, 0)


class LongerThanItIs(Good):
    def __len__(self):
        return super().__len__() + 1


class EqualByContent(Good):
    def __eq__(self, other):
        return isinstance(other, EqualByContent)

    def __hash__(self):
        return 1


class LosesValues(Good):
    def serialize(self):
        return json.dumps(dict.fromkeys(self.Content)).encode()


class Merges(Good):
    def deserialize(self, data):
        before = self.Content
        super().deserialize(data)
        self.Content = before | self.Content


class ForgetsBeforeItLooks(Good):
    def deserialize(self, data):
        self.Content = {}
        super().deserialize(data)


class Swallows(Good):
    def deserialize(self, data):
        try:
            super().deserialize(data)
        except RejectedError:
            return


class InPlace(Good):
    def deserialize(self, data):
        found = json.loads(data)
        self.Content.clear()
        self.Content.update(found)


class SaysNothing(Good):
    async def load(self):
        data = await self.Provider.load()
        if data is None:
            return False
        self.deserialize(data)
        return True


class SaysTooMuch(Good):
    async def load(self):
        is_new = await super().load()
        if not is_new:
            self.PubSub.publish("bspump.Lookup.changed!")
        return is_new


class SwallowsFailures(Good):
    async def load(self):
        try:
            return await super().load()
        except TransferError:
            return False


class StaysBusy(Waits):
    IsBusy = False

    async def get(self, key):
        if self.IsBusy:
            raise RuntimeError("busy")
        self.IsBusy = True
        answer = await super().get(key)
        self.IsBusy = False
        return answer


class MixesThingsUp(Waits):
    Key = None

    async def get(self, key):
        self.Key = key
        await asyncio.sleep(0.01)
        return self.Content.get(self.Key)


CAUGHT_BY = {
    "test_what_it_holds_is_found": [Upper],
    "test_a_missing_key_is_no_surprise": [RaisesOtherErrors, Default],
    "test_it_is_a_mapping_through_and_through": [LongerThanItIs],
    "test_it_has_an_identity_whatever_it_holds": [EqualByContent],
    "test_its_content_survives_the_round_trip": [LosesValues],
    "test_another_content_replaces_all_of_it": [Merges],
    "test_broken_data_is_rejected_and_changes_nothing": [ForgetsBeforeItLooks, Swallows],
    "test_who_reads_is_not_disturbed_by_a_reload": [InPlace],
    "test_a_load_takes_over_what_is_new_and_says_so": [SaysNothing, Merges],
    "test_a_load_that_finds_nothing_new_changes_nothing": [SaysTooMuch],
    "test_a_load_that_fails_keeps_what_there_was_and_says_so": [SwallowsFailures],
    "test_a_load_of_broken_data_keeps_what_there_was_and_says_so": [
        SwallowsFailures,
        ForgetsBeforeItLooks,
    ],
    "test_a_cancelled_question_leaves_it_usable": [StaysBusy],
    "test_many_questions_at_once_get_their_own_answers": [MixesThingsUp],
}


def target_of(lookup_class):
    content = {"a": 1, "b": [2], "c": "three"}
    if issubclass(lookup_class, AsyncLookup):
        return LookupTarget(make=lambda app: lookup_class(app, content), content=content)
    return LookupTarget(
        make=lambda app: lookup_class(app, content),
        content=content,
        other=(b'{"b": 3, "d": 4}', {"b": 3, "d": 4}),
        broken=[b"{", b"[]"],
    )


@pytest.mark.parametrize(
    ("test", "broken"), [(test, each) for test, list_ in CAUGHT_BY.items() for each in list_]
)
def test_a_broken_lookup_is_caught(outcome, test, broken):
    assert isinstance(outcome(LookupContract, test, target_of(broken)), Exception)


@pytest.mark.parametrize("good", [Good, Waits])
def test_a_good_lookup_passes(outcome, good):
    results = {test: outcome(LookupContract, test, target_of(good)) for test in CAUGHT_BY}
    assert set(results.values()) == {"passed", "skipped"}, results


def test_every_promise_is_tested_on_one_good_lookup_or_another(outcome):
    passed = {
        test
        for test in CAUGHT_BY
        for good in (Good, Waits)
        if outcome(LookupContract, test, target_of(good)) == "passed"
    }
    assert passed == set(CAUGHT_BY)


def test_no_test_is_left_without_a_lookup_that_it_catches(names):
    assert set(CAUGHT_BY) == names(LookupContract)
