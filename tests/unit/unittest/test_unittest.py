from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import unittest

import pytest

import bspump
import bspump.unittest
from bspump.core.application import BSPumpApplication


class Adder(bspump.Processor):
    def __init__(self, app, pipeline, amount, id=None, config=None, *, factor=1):
        super().__init__(app, pipeline, id, config)
        self.Amount, self.Factor = amount, factor

    def process(self, context, event):
        if event == "none":
            return None
        context["seen"] = True
        return (event + self.Amount) * self.Factor


class Twice(bspump.Generator):
    async def generate(self, context, event, depth):
        for _ in range(2):
            await asyncio.sleep(0)
            self.Pipeline.inject(context, event, depth)


def run(case_class, name="test"):
    """Run one test method as `unittest` does; return its result."""
    result = unittest.TestResult()
    case_class(name).run(result)
    return result


def executed(processor, input_data, *args, **kwargs):
    """Return what comes out of a test case, and its result."""
    outputs = []

    class Case(bspump.unittest.ProcessorTestCase):
        def test(self):
            self.set_up_processor(processor, *args, **kwargs)
            outputs.append(self.execute(input_data))

    result = run(Case)
    return (outputs or [None])[0], result


def test_what_comes_out_of_a_processor_is_returned_with_its_context():
    output, result = executed(Adder, [({"a": 1}, 1), (None, 2)], 10, factor=2)
    assert result.wasSuccessful()
    assert output == [({"a": 1, "seen": True}, 22), ({"seen": True}, 24)]


def test_input_may_be_any_iterable():
    output, _ = executed(Adder, {(None, 1), (None, 2)}, 10)
    assert sorted(event for _, event in output) == [11, 12]


def test_what_is_consumed_does_not_come_out():
    output, _ = executed(Adder, [(None, "none"), (None, 2)], 10)
    assert [event for _, event in output] == [12]


def test_a_generator_is_waited_for():
    output, _ = executed(Twice, [(None, 1), (None, 2)])
    assert sorted(event for _, event in output) == [1, 1, 2, 2]


def test_an_error_of_the_processor_fails_the_test_instead_of_blocking_it():
    output, result = executed(Adder, [(None, 1), (None, {}), (None, 3)], 10)
    assert output is None
    assert "TypeError" in result.errors[0][1]


def test_no_input_gives_no_output():
    output, result = executed(Adder, [], 10)
    assert (output, result.wasSuccessful()) == ([], True)


def test_parts_are_there_by_their_names():
    class Case(bspump.unittest.ProcessorTestCase):
        def test(self):
            self.set_up_processor(Adder, 1)
            service = self.App.get_service("bspump.PumpService")
            assert service.locate("UnitTestPipeline") is self.Pipeline
            assert service.locate("UnitTestPipeline.Adder") is self.Pipeline.Processor
            assert service.locate("UnitTestPipeline.*UnitTestSource") is self.Pipeline.Source
            assert service.locate("UnitTestPipeline.UnitTestSink") is self.Pipeline.Sink

    result = run(Case)
    assert result.errors + result.failures == []


def test_an_application_is_made_for_each_test_and_nothing_is_left():
    apps, handlers = [], list(logging.getLogger().handlers)

    class Case(bspump.unittest.TestCase):
        def test(self):
            assert isinstance(self.App, BSPumpApplication)
            apps.append(self.App)

    for _ in range(2):
        assert run(Case).wasSuccessful()
    assert apps[0] is not apps[1]
    assert all(app.Loop.is_closed() for app in apps)
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    ("calls", "message"), [([], "set_up_processor"), ([[], []], "execute once")]
)
def test_wrong_use_is_explained(calls, message):
    class Case(bspump.unittest.ProcessorTestCase):
        def test(self):
            if calls:
                self.set_up_processor(Adder, 1)
            for input_data in calls or [[]]:
                self.execute(input_data)

    assert message in run(Case).errors[0][1]


CASES = """
import bspump, bspump.unittest

class Doubler(bspump.Processor):
    def process(self, context, event):
        return event * 2

class TestDoubler(bspump.unittest.ProcessorTestCase):
    def test_first(self):
        self.set_up_processor(Doubler)
        self.assertEqual(self.execute([({}, 1)]), [({}, 2)])

    def test_second(self):
        self.set_up_processor(Doubler)
        self.assertEqual(self.execute([({}, 3)]), [({}, 6)])
"""


def test_it_works_with_the_command_line_of_unittest(tmp_path):
    (tmp_path / "test_doubler.py").write_text(CASES)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest", "-v"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr
