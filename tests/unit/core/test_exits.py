"""What ends an application before its time, and how it says so."""

from __future__ import annotations

import logging

import pytest

import bspump
from bspump.common import IteratorSource, ListSink


class Refuse(bspump.Processor):
    def process(self, context, event):
        raise ValueError("no good")


def _application(*args):
    app = bspump.BSPumpApplication(args=list(args))
    pipeline = bspump.Pipeline(app, "Tested")
    pipeline.build(
        IteratorSource(app, pipeline, [1, 2]), Refuse(app, pipeline), ListSink(app, pipeline)
    )
    app.PumpService.add_pipeline(pipeline)
    return app


def test_an_error_ends_the_application_where_that_is_asked_for():
    assert _application("--set", "[pipeline:Tested] on_error=exit").run() == 1


def test_a_required_lookup_without_content_keeps_the_application_from_starting(tmp_path, capsys):
    app = bspump.BSPumpApplication(args=[])
    path = tmp_path / "missing.json"
    app.PumpService.add_lookup(
        bspump.DictionaryLookup(app, "Planes", config={"source_url": str(path)})
    )
    assert app.run() == 78
    shown = capsys.readouterr().err
    assert "lookup 'Planes' could not be loaded" in shown
    assert str(path) in shown
    assert "set `required = no` in [lookup:Planes]" in shown


@pytest.mark.parametrize("how", [{"lazy": True}, {"config": {"required": "no"}}])
def test_a_lookup_that_may_be_missing_does_not(tmp_path, how):
    config = {"source_url": str(tmp_path / "missing.json"), **how.get("config", {})}
    app = bspump.BSPumpApplication(args=[])
    app.PumpService.add_lookup(
        bspump.DictionaryLookup(app, "Planes", config=config, lazy=how.get("lazy", False))
    )
    app.stop()
    assert app.run() == 0


def test_a_wrong_option_of_the_log_is_reported_with_all_others(capsys):
    app = _application("--set", "[logging] format=jsn", "--set", "[logging] levle=INFO")
    assert app.run() == 78
    shown = capsys.readouterr().err
    assert "[logging] format" in shown
    assert "did you mean 'level'?" in shown


def test_the_level_of_the_log_is_taken_in_any_case():
    app = _application("--set", "[logging] level=warning")
    assert logging.getLogger().level == logging.WARNING
    app.stop()
    assert app.run() == 0


async def test_blocking_work_is_done_in_a_thread():
    app = bspump.BSPumpApplication(args=[])
    async with app.running():
        assert await app.get_service("asab.ProactorService").execute(divmod, 7, 2) == (3, 1)
