"""A pipeline stops when too many of its events fail."""

from __future__ import annotations

from functools import partial

import bspump
import bspump.common
from bspump.core.error_budget import ErrorBudget
from bspump.core.error_options import ErrorBudgetOptions
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySource, virtual_time

BUDGET = {"error_budget.percent": 10, "error_budget.window": "1m", "error_budget.least": 20}


def fail_at_odds(context, event):
    if event % 2:
        raise ValueError("odd")
    return event


@virtual_time
async def test_too_many_errors_stop_a_pipeline_that_skips():
    async with Harness() as harness:
        pipeline = harness.chain(fail_at_odds, config={"on_error": "skip", **BUDGET})
        harness.send([0] * 80 + [1] * 8)
        await harness.settle()
        assert not pipeline.has_error()
        harness.send([0, 1, 1])
        await harness.settle()
        assert pipeline.has_error()
        _, event, error, _ = pipeline._failures.error
        assert event is None
        assert str(error) == "error budget: 10 of 91 events failed within 60 s, more than 10 %"
        assert harness.errors


@virtual_time
async def test_it_goes_on_with_a_new_budget_when_the_error_is_cleared():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        pipeline = harness.chain(fail_at_odds, config={"on_error": "dead_letter", **BUDGET})
        harness.send([1] * 30)
        await harness.settle()
        assert pipeline.has_error()
        pipeline.set_error(None, None, None)
        harness.send([0] * 30 + [1])
        await harness.settle()
        assert not pipeline.has_error()
        await harness.advance(2)
        assert await store.dead_letters.count() == 31
        assert harness.errors


@virtual_time
async def test_handle_error_has_no_say_in_it():
    class Soft(bspump.Pipeline):
        def __init__(self, app, id=None):
            super().__init__(app, id, {"on_error": "skip", **BUDGET})
            self.build(
                MemorySource(app, self, id="In", is_endless=True),
                fail_at_odds,
                bspump.common.NullSink(app, self),
            )

        def handle_error(self, exception, context, event):
            return event is None

    async with Harness() as harness:
        pipeline = harness.pipeline(Soft)
        harness.send([1] * 30)
        await harness.settle()
        assert pipeline.has_error()
        assert harness.errors


@virtual_time
async def test_errors_that_are_long_ago_do_not_count():
    async with Harness() as harness:
        pipeline = harness.chain(fail_at_odds, config={"on_error": "skip", **BUDGET})
        harness.send([0] * 100 + [1] * 10)
        await harness.advance(90)
        harness.send([0] * 91 + [1] * 10)
        await harness.settle()
        assert not pipeline.has_error()
        harness.send([1])
        await harness.settle()
        assert pipeline.has_error()
        assert harness.errors


@virtual_time
async def test_events_that_a_source_rejects_count_too():
    class Rejecting(bspump.Source):
        async def main(self):
            await self.Pipeline.ready()
            self.Pipeline.reject([({}, n) for n in range(50)], bspump.RejectedError("no"), self)
            await self.stopped()

    async with Harness() as harness:
        pipeline = harness.chain(Rejecting, config=BUDGET)
        await harness.idle()
        assert pipeline.has_error()
        assert harness.errors


@virtual_time
async def test_the_application_ends_where_that_is_the_policy():
    async with Harness() as harness:
        config = {"on_error": "exit", "on_error_of": {"fail_at_odds": "skip"}, **BUDGET}
        harness.chain(partial(MemorySource, events=[1] * 30), fail_at_odds, config=config)
        await harness.idle()
        assert harness.app.ExitCode == 1
        assert harness.errors


def test_a_window_moves_with_time():
    budget = ErrorBudget(ErrorBudgetOptions(percent=50, window=60, least=2))
    budget.look(0, 0, 0)
    assert budget.excess(1, 100, 60) == "60 of 100 events failed within 60 s, more than 50 %"
    for second in range(2, 120):
        budget.look(second, 100, 60)
    assert budget.excess(120, 110, 65) is None
    assert budget.excess(120, 110, 66) == "6 of 10 events failed within 60 s, more than 50 %"


def test_few_events_decide_nothing():
    budget = ErrorBudget(ErrorBudgetOptions(percent=1, window=60, least=100))
    budget.look(0, 0, 0)
    assert budget.excess(1, 99, 99) is None
    assert budget.excess(1, 100, 99) is not None
