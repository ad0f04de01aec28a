"""Each test of the processor contract catches a processor that breaks its promise."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from bspump.abc.processor import AsyncProcessor, Processor
from bspump.core.log import get_logger
from bspump.testing.contracts import ProcessorContract, ProcessorTarget

log = get_logger(__name__)
calls = itertools.count()


class Good(Processor):
    """Adds a field to a copy; drops events without `n`."""

    def process(self, context, event):
        return {**event, "m": event["n"] + 1} if event else None

    def process_batch(self, contexts, events):
        return [Good.process(self, {}, event) for event in events]


class Single(Good):
    """Without lists."""

    def process(self, context, event):
        return super().process(context, event)


class Wrong(Single):
    def process(self, context, event):
        return {**event, "m": 0} if event else None


class Random(Single):
    def process(self, context, event):
        return {**event, "m": next(calls)} if event else None


class OtherInLists(Good):
    def process_batch(self, contexts, events):
        return [{**event, "m": -1} if event else None for event in events]


class ShorterLists(Good):
    def process_batch(self, contexts, events):
        return [made for made in super().process_batch(contexts, events) if made is not None]


class NeedsContexts(Good):
    def process_batch(self, contexts, events):
        return [self.process(c, e) for c, e in zip(contexts, events, strict=True)]


class DoesHalfOfAList(Good):
    """Counts what it has done of a list that it then refuses."""

    Done = 0

    def process_batch(self, contexts, events):
        results = []
        for event in events:
            results.append({**event, "m": event["n"] + 1, "i": self.Done} if event else None)
            self.Done += 1
        return results


class StumblesOverNothing(Good):
    def process_batch(self, contexts, events):
        first = events[0]
        return super().process_batch(contexts, [first, *events[1:]])


class SpoilsTheNext(Single):
    Spoiled = False

    def process(self, context, event):
        if self.Spoiled:
            self.Spoiled = False
            return None
        self.Spoiled = bool(event) and "n" not in event
        return super().process(context, event)


class ChangesTheEvent(Single):
    def process(self, context, event):
        if event:
            event["m"] = event["n"] + 1
        return event or None


class InjectsBehindOurBack(Single):
    """Makes an event that nobody has counted as one that came in."""

    def process(self, context, event):
        self.Pipeline.locate_processor("Out").process(context, event)
        return super().process(context, event)


class Talks(Single):
    def process(self, context, event):
        log.info("processed", count=1)
        return super().process(context, event)


class SharesADefault(Single):
    def __init__(self, app, pipeline, id=None, config=None, kept=[]):  # noqa: B006 - the defect
        super().__init__(app, pipeline, id, config)


class Blocks(Single):
    def process(self, context, event):
        time.sleep(0.01)
        return super().process(context, event)


class Patient(AsyncProcessor):
    """The good one that waits."""

    async def process(self, context, event):
        await asyncio.sleep(0.1)
        return {**event, "m": event["n"] + 1} if event else None


class StaysBusy(Patient):
    IsBusy = False

    async def process(self, context, event):
        if self.IsBusy:
            raise RuntimeError("busy")
        self.IsBusy = True
        result = await super().process(context, event)
        self.IsBusy = False
        return result


class SwallowsCancel(Patient):
    async def process(self, context, event):
        try:
            return await super().process(context, event)
        except asyncio.CancelledError:
            return None


CAUGHT_BY = {
    "test_what_comes_out_is_what_was_promised": [Wrong, Random, ShorterLists],
    "test_the_same_events_give_the_same_results": [Random],
    "test_one_by_one_gives_the_same_as_all_at_once": [OtherInLists],
    "test_a_list_gives_the_same_as_single_calls": [OtherInLists, ShorterLists, NeedsContexts],
    "test_a_list_that_raises_has_done_nothing": [DoesHalfOfAList],
    "test_an_empty_list_is_no_surprise": [StumblesOverNothing],
    "test_the_error_of_an_event_spares_its_neighbours": [SpoilsTheNext],
    "test_an_event_is_left_alone": [ChangesTheEvent],
    "test_every_event_is_counted": [InjectsBehindOurBack],
    "test_nothing_is_logged_in_normal_operation": [Talks],
    "test_no_default_is_shared_by_all_of_its_kind": [SharesADefault],
    "test_no_call_holds_up_the_loop": [Blocks],
    "test_a_cancelled_call_leaves_it_usable": [StaysBusy, SwallowsCancel],
}


def target_of(make, **changes):
    arguments = {
        "events": [{"n": 1}, {"n": 2}, {}, {"n": 4}],
        "expected": [{"n": 1, "m": 2}, {"n": 2, "m": 3}, {"n": 4, "m": 5}],
        "broken": [{"x": 1}],
        "longest_call_s": 0.005,
    }
    return ProcessorTarget(make=make, **arguments | changes)


@pytest.mark.parametrize(
    ("test", "broken"), [(test, each) for test, list_ in CAUGHT_BY.items() for each in list_]
)
def test_a_broken_processor_is_caught(outcome, test, broken):
    assert isinstance(outcome(ProcessorContract, test, target_of(broken)), Exception)


@pytest.mark.parametrize("good", [Good, Single, Patient])
def test_a_good_processor_passes(outcome, good):
    results = {test: outcome(ProcessorContract, test, target_of(good)) for test in CAUGHT_BY}
    assert set(results.values()) <= {"passed", "skipped"}, results


def test_every_promise_is_tested_on_one_good_processor_or_another(outcome):
    passed = {
        test
        for test in CAUGHT_BY
        for good in (Good, Patient)
        if outcome(ProcessorContract, test, target_of(good)) == "passed"
    }
    assert passed == set(CAUGHT_BY)


def test_no_test_is_left_without_a_processor_that_it_catches(names):
    assert set(CAUGHT_BY) == names(ProcessorContract)


def test_what_is_declared_to_change_events_may_do_so(outcome):
    target = target_of(ChangesTheEvent, changes_events=True)
    results = {test: outcome(ProcessorContract, test, target) for test in CAUGHT_BY}
    assert set(results.values()) <= {"passed", "skipped"}, results
