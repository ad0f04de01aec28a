"""What becomes of events that fail: by pipeline, by part, and where they are set aside."""

from __future__ import annotations

from functools import partial

import pytest

import bspump
import bspump.common
from bspump.abc.dead_letters import DeadLetter
from bspump.core import asides
from bspump.core.asides import size_of
from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemoryBatchSink, MemorySource, virtual_time


class Parser(bspump.Processor):
    """Fails at what is no number."""

    def process(self, context, event):
        context["seen"] = True
        return int(event)


class Checker(bspump.Processor):
    """Fails at negative numbers."""

    def process(self, context, event):
        if event < 0:
            raise bspump.ProcessingError("negative")
        return event


class Undecodable(bspump.Source):
    """Cannot make sense of anything."""

    async def main(self):
        await self.Pipeline.ready()
        self.Pipeline.reject([({"from": "afar"}, b"\xff")], bspump.RejectedError("no text"), self)
        await self.stopped()


async def letters_of(store):
    found = await store.dead_letters.find(limit=1000)
    return await store.dead_letters.read([each.id for each in found])


@virtual_time
async def test_a_part_may_have_another_policy_than_its_pipeline():
    config = {"on_error": "skip", "on_error_of": {"Checker": "stop"}}
    async with Harness() as harness:
        pipeline = harness.chain(Parser, Checker, config=config)
        harness.send(["1", "x", "2"])
        await harness.settle()
        assert not pipeline.has_error()
        harness.send(["3", "-1", "4"])
        await harness.settle()
        assert pipeline.has_error()
        assert harness.out() == [1, 2, 3]
        assert len(harness.errors) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.conf", "[pipeline:Test]\non_error = skip\non_error_of.Checker = stop\n"),
        ("a.toml", '[pipeline.Test]\non_error = "skip"\non_error_of.Checker = "stop"\n'),
        (
            "a.yaml",
            "pipeline:\n  Test:\n    on_error: skip\n    on_error_of:\n      Checker: stop\n",
        ),
    ],
)
@virtual_time
async def test_policies_are_configured_alike_in_all_formats(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    harness = Harness(["-c", str(tmp_path / name)])
    pipeline = harness.chain(Parser, Checker)
    async with harness:
        assert pipeline.Options.on_error == "skip"
        assert pipeline.Options.on_error_of == {"Checker": "stop"}
        harness.send(["x", "-1"])
        await harness.settle()
        assert [type(each.error).__name__ for each in harness.errors] == [
            "ValueError",
            "ProcessingError",
        ]
        assert pipeline.has_error()


@virtual_time
async def test_a_part_may_end_the_application():
    async with Harness() as harness:
        harness.chain(Parser, Checker, config={"on_error_of": {"Checker": "exit"}})
        harness.send(["-1"])
        await harness.idle()
        assert harness.app.ExitCode == 1
        assert harness.errors


@virtual_time
async def test_an_event_is_set_aside_with_all_that_is_known_about_why():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.chain(Parser, Checker, config={"on_error": "dead_letter"})
        harness.send(["1", "x", "2"], contexts=[{"n": 1}, {"n": 2}, {"n": 3}])
        await harness.settle()
        assert harness.out() == [1, 2]
        await harness.advance(2)
        (letter,) = await letters_of(store)
        assert len(harness.errors) == 1
    assert (letter.pipeline, letter.part, letter.event) == ("Test", "Parser", "x")
    assert letter.context == {"n": 2, "seen": True}
    assert letter.error_type == "ValueError"
    assert "invalid literal" in letter.error_text
    assert letter.attempts == 1
    assert "return int(event)" in letter.traceback


@virtual_time
async def test_what_a_source_and_a_sink_reject_is_set_aside_too():
    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        sink = partial(MemoryBatchSink, rejects=lambda event: event == 2)
        config = {"on_error": "dead_letter"}
        harness.chain(MemorySource, Undecodable, sink, config=config)
        harness.pipelines[0].Sources[0].IsEndless = True
        harness.send([1, 2, 3])
        await harness.settle()
        await harness.advance(2)
        found = {letter.part: letter for letter in await letters_of(store)}
        assert len(harness.errors) == 2
        assert harness.counts()["event.fail"] == 2
    assert found["Undecodable"].event == b"\xff"
    assert found["Undecodable"].context == {"from": "afar"}
    assert found["MemoryBatchSink"].event == 2
    assert found["MemoryBatchSink"].error_type == "bspump.abc.errors.RejectedError"


@virtual_time
async def test_input_that_cannot_be_read_stops_nothing_whatever_the_policy():
    async with Harness() as harness:
        config = {"on_error": "stop", "on_error_of": {"Undecodable": "stop"}}
        pipeline = harness.chain(Undecodable, config=config)
        await harness.idle()
        assert len(harness.errors) == 1
        assert not pipeline.has_error()


@virtual_time
async def test_handle_error_decides_first():
    class Soft(bspump.Pipeline):
        def __init__(self, app, id=None):
            super().__init__(app, id, {"on_error": "dead_letter", "error_retry.attempts": 5})
            self.build(
                MemorySource(app, self, ["x", "-1"]),
                Parser(app, self),
                Checker(app, self),
                bspump.common.ListSink(app, self),
            )

        def handle_error(self, exception, context, event):
            return isinstance(exception, ValueError)

    store = MemoryStateStore()
    async with Harness(store=store) as harness:
        harness.pipeline(Soft)
        await harness.finish()
        assert harness.errors
    assert [letter.part for letter in await letters_of(store)] == ["Checker"]


@virtual_time
async def test_a_letter_is_stored_with_the_epoch_in_which_its_event_failed():
    store = MemoryStateStore()
    config = {"on_error": "dead_letter"}
    async with Harness(store=store) as harness:
        harness.chain(Parser, config=config)
        harness.send(["x"])
        await harness.idle()
        assert harness.errors
        assert await store.dead_letters.count() == 0
        await harness.crash()
    async with Harness(store=store) as harness:
        harness.chain(partial(MemorySource, events=["x"], id="In"), Parser, config=config)
        await harness.finish()
        assert await store.dead_letters.count() == 1
        assert harness.errors


@virtual_time
async def test_events_that_fail_all_the_time_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(asides, "MOST_LETTERS", 10)
    store = MemoryStateStore()
    most = 0

    class Watched(Parser):
        def process(self, context, event):
            nonlocal most
            most = max(most, len(self.Pipeline.Asides._letters))
            return super().process(context, event)

    async with Harness(store=store) as harness:
        harness.chain(Watched, config={"on_error": "dead_letter"})
        harness.send(["x"] * 500)
        await harness.settle()
        await harness.advance(2)
        assert harness.errors
        assert await store.dead_letters.count() == 500
    assert most <= 20 + 100  # And what the source has in hand.


@virtual_time
async def test_a_full_store_stops_the_pipeline_until_there_is_room():
    from bspump.abc.dead_letters import DeadLetterOptions

    store = MemoryStateStore(letters=DeadLetterOptions(max_events=2))
    async with Harness(store=store) as harness:
        pipeline = harness.chain(Parser, config={"on_error": "dead_letter"})
        harness.send(["x", "y", "z"])
        await harness.advance(3)
        assert pipeline.has_error()
        assert "there is no room" in str(harness.errors[-1].error)
        assert await store.dead_letters.count() == 0
        store._letters._limits = DeadLetterOptions(max_events=3)
        pipeline.set_error(None, None, None)
        await harness.advance(3)
        assert not pipeline.has_error()
        assert await store.dead_letters.count() == 3


# To another pipeline


@virtual_time
async def test_a_pipeline_of_choice_takes_dead_letters():
    async with Harness() as harness:
        harness.chain(bspump.common.InternalSource, id="Bin")
        config = {"on_error": "dead_letter", "dead_letters_to": "Bin.*InternalSource"}
        source = partial(MemorySource, events=["1", "x", "2"])
        harness.chain(source, Parser, id="Test", config=config)
        await harness._until(harness.pipelines[0].is_finished, harness.pipelines[0], 60)
        (event,) = harness.out("Bin.Out")
        assert harness.out("Test.Out") == [1, 2]
        assert harness.errors
    assert event.pop("at_s") > 0
    assert "int(event)" in event.pop("traceback")
    assert event == {
        "pipeline": "Test",
        "part": "Parser",
        "event": "x",
        "context": {"seen": True},
        "error_type": "ValueError",
        "error_text": "invalid literal for int() with base 10: 'x'",
        "attempts": 1,
    }


@virtual_time
async def test_a_pipeline_that_takes_dead_letters_holds_back_who_makes_them():
    async with Harness() as harness:
        bin_ = harness.chain(
            partial(bspump.common.InternalSource, config={"queue_max_size": 10}), id="Bin"
        )
        config = {"on_error": "dead_letter", "dead_letters_to": "Bin.*InternalSource"}
        test = harness.chain(Parser, id="Test", config=config)
        bin_.throttle("full")
        harness.send(["x"] * 100, to="Test.*In")
        await harness.idle()
        assert test.get_throttles()
        assert bin_.Sources[0].rest_get()["Queue"] <= 20
        bin_.throttle("full", False)
        await harness.settle()
        assert len(harness.out("Bin.Out")) == 100
        assert len(harness.errors) == 100


@virtual_time
async def test_a_receiver_that_takes_nothing_stops_the_pipeline_and_loses_nothing(monkeypatch):
    async with Harness() as harness:
        bin_ = harness.chain(bspump.common.InternalSource, id="Bin")
        config = {"on_error": "dead_letter", "dead_letters_to": "Bin.*InternalSource"}
        pipeline = harness.chain(Parser, id="Test", config=config)

        def refuse(context, event):
            raise RuntimeError("full")

        monkeypatch.setattr(bin_.Sources[0], "accept", refuse)
        harness.send(["x"], to="Test.*In")
        await harness.idle()
        _, event, error, _ = pipeline._failures.error
        assert (event, str(error)) == ("x", "full")
        assert isinstance(error.__context__, ValueError)
        assert harness.errors


# What does not fit


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"on_error": "dead_letter"},
            r"on_error = dead_letter: there is no place for dead letters(.|\n)*set `var_dir`",
        ),
        (
            {"on_error_of": {"Parser": "dead_letter"}},
            r"on_error_of\.Parser = dead_letter: there is no place",
        ),
        (
            {"on_error_of": {"Parsr": "skip"}},
            r"there is no such part(.|\n)*the Id of a part of the pipeline: In, Parser, Out"
            r"(.|\n)*did you mean 'on_error_of.Parser'",
        ),
        ({"dead_letters_to": "Test.*In"}, "cannot take dead letters(.|\n)*of this pipeline"),
        ({"dead_letters_to": "Nowhere"}, "cannot take dead letters(.|\n)*nothing of that name"),
        ({"dead_letters_to": "Other.*In"}, "MemorySource, which takes nothing from other"),
    ],
)
@virtual_time
async def test_what_cannot_work_is_refused_before_anything_starts(config, expected):
    harness = Harness()
    harness.chain(Parser, config=config)
    harness.chain(id="Other")
    with pytest.raises(bspump.ConfigError, match=expected):
        async with harness:
            pass


@virtual_time
async def test_a_pipeline_that_is_added_later_is_looked_at_too():
    async with Harness() as harness:
        with pytest.raises(bspump.ConfigError, match="there is no place"):
            harness.chain(Parser, config={"on_error": "dead_letter"})


@virtual_time
async def test_wrong_policies_are_reported_with_their_place(tmp_path):
    (tmp_path / "a.conf").write_text("[pipeline:Test]\non_error_of.Parser = drop\n")
    harness = Harness(["-c", str(tmp_path / "a.conf")])
    with pytest.raises(bspump.ConfigError, match=r"a\.conf:2: \[pipeline:Test\] on_error_of"):
        harness.chain(Parser)


def test_the_size_of_a_letter_is_about_that_of_what_is_in_it():
    def size(event):
        return size_of(
            DeadLetter(pipeline="", part="", event=event, error_type="", error_text="", at_s=0)
        )

    assert 10_000 <= size(b"x" * 10_000) <= 11_000
    assert size({"a": ["x" * 5000] * 2}) > 10_000
    numbers = list(range(1_000_000, 1_100_000))
    assert 1_000_000 < size(numbers) < 10_000_000
    assert size([]) > 0
