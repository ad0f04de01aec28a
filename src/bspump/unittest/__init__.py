"""Helpers for tests with the standard library's `unittest`, under the original's names.

`bspump.testing` does more, and in virtual time; this package is for a processor that is fed a few
events::

    class TestDoubler(bspump.unittest.ProcessorTestCase):
        def test_it_doubles(self):
            self.set_up_processor(Doubler)
            output = self.execute([({}, 1), ({}, 2)])
            self.assertEqual([event for context, event in output], [2, 4])
"""

from .pipeline import UnitTestPipeline, UnitTestSink, UnitTestSource
from .testcase import ProcessorTestCase, TestCase

__all__ = [
    "ProcessorTestCase",
    "TestCase",
    "UnitTestPipeline",
    "UnitTestSink",
    "UnitTestSource",
]
