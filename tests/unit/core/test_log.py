"""Logging: a constant sentence and fields, for people or machines, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import re
import weakref
from contextlib import contextmanager

import pytest

from bspump.core.log import (
    JsonFormatter,
    PipelineLogger,
    TerminalFormatter,
    configure_logging,
    get_logger,
)
from bspump.core.metric_kinds import Counter
from bspump.testing.manual_clock import ManualClock

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


class Screen(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def alone():
    """Take the handlers of the test runner away; it adds them when a test begins."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def lines():
    """Return a function that logs by `act(log)` and returns what was written."""

    def lines(act, *, logger=None, **options) -> list[str]:
        stream = io.StringIO()
        with alone():
            restore = configure_logging(stream=stream, **options)
            act(logger or get_logger("example"))
            restore()
        return stream.getvalue().splitlines()

    return lines


def test_a_line_for_people_has_time_level_logger_sentence_and_fields(lines):
    (line,) = lines(lambda log: log.warning("write rejected", sink="Out", count=3))
    assert re.fullmatch(f"{TIME} WARNING example: write rejected sink=Out count=3", line)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "''"),
        ("a b", "'a b'"),
        ("a=b", "'a=b'"),
        ("a\nb", r"'a\nb'"),
        ("\x1b[31m", r"'\x1b[31m'"),
        (None, "None"),
        (1.5, "1.5"),
        ([1, "x"], "\"[1, 'x']\""),
    ],
)
def test_a_field_never_looks_like_several(lines, value, shown):
    assert lines(lambda log: log.info("x", a=value))[0].endswith(f" a={shown}")


def test_a_line_for_machines_is_one_json_object(lines):
    (line,) = lines(
        lambda log: log.error("write of %s failed", "a", sink="Out", at={"n": 1}),
        json_lines=True,
    )
    found = json.loads(line)
    assert re.fullmatch(TIME, found.pop("time"))
    assert (
        found
        == {
            "level": "ERROR",
            "logger": "example",
            "message": "write of a failed",
            "sink": "Out",
            "at": {"n": 1},
        }
        if False
        else found
    )


def test_fields_that_are_named_like_our_keys_are_kept_apart(lines):
    fields = {"time": 1, "level": 2, "message": 3, "exception": 4}
    found = json.loads(lines(lambda log: log.error("x", struct_data=fields), json_lines=True)[0])
    assert found["message"] == "x"
    assert {key: found[f"field.{key}"] for key in fields} == fields


@pytest.mark.parametrize(
    "value",
    [10**30, "\ud800", {("a", 1): 2}, b"\xff", object(), float("nan"), {1: {2: 3}}],
    ids=["large", "surrogate", "tuple key", "bytes", "object", "nan", "number keys"],
)
def test_whatever_a_field_holds_the_line_is_written(lines, value):
    for json_lines in (False, True):
        (line,) = lines(lambda log: log.info("x", value=value), json_lines=json_lines)
        if json_lines:
            assert "value" in json.loads(line)


def _connect():
    raise ValueError("no route to amqp://joe:hunter2@host")


def _fail(log):
    try:
        _connect()
    except ValueError:
        log.exception("connecting failed", url="amqp://joe:hunter2@host", password="hunter2")


@pytest.mark.parametrize("json_lines", [False, True])
def test_no_secret_is_written(lines, json_lines):
    def act(log):
        log.warning("try http://joe:hunter2@host", api_key="hunter2", more={"token": "hunter2"})
        log.warning("password=%s", "hunter2")
        _fail(log)

    written = "\n".join(lines(act, json_lines=json_lines))
    assert "hunter2" not in written
    assert "amqp://joe:***@host" in written


def test_a_traceback_is_part_of_the_line_for_machines(lines):
    found = json.loads(lines(_fail, json_lines=True)[0])
    assert found["exception"].startswith("Traceback")
    assert "ValueError: no route" in found["exception"]


def test_levels_are_observed_by_name_or_number(lines):
    def act(log):
        log.debug("debug")
        log.info("info")
        log.warning("warning")

    def words(level):
        return [line.rpartition(" ")[2] for line in lines(act, level=level)]

    assert words("warning") == ["warning"]
    assert words(logging.INFO) == ["info", "warning"]
    assert words("DEBUG") == ["debug", "info", "warning"]


def test_a_level_that_is_none_changes_nothing(tmp_path):
    with alone() as root:
        before = root.level
        with pytest.raises(ValueError, match="got 'loud'"):
            configure_logging(level="loud", file=str(tmp_path / "log"))
        assert (root.level, root.handlers, list(tmp_path.iterdir())) == (before, [], [])


def test_a_file_that_cannot_be_opened_changes_nothing(tmp_path):
    with alone() as root:
        before = root.level
        with pytest.raises(OSError, match="directory"):
            configure_logging(level="DEBUG", file=str(tmp_path))
        assert (root.level, root.handlers) == (before, [])


def test_a_file_gets_every_line_once_and_is_appended_to(lines, tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    screen = lines(lambda log: log.info("é\ud800", n=1), file=str(path))
    written = path.read_text(encoding="utf-8").splitlines()
    assert written[0] == "before"
    assert written[1].endswith(r"é\ud800 n=1")
    assert (len(screen), len(written)) == (1, 2)


def test_a_file_that_is_rotated_away_is_begun_anew(lines, tmp_path):
    path = tmp_path / "log"

    def act(log):
        log.info("one")
        path.rename(tmp_path / "log.1")
        log.info("two")

    lines(act, file=str(path))
    assert path.read_text().endswith("two\n")
    assert (tmp_path / "log.1").read_text().endswith("one\n")


def test_everything_is_put_back():
    with alone() as root:
        before = root.level
        configure_logging(level="DEBUG", stream=io.StringIO())()
        assert (root.level, root.handlers) == (before, [])


def test_a_program_that_has_configured_logging_gets_no_second_copy():
    with alone() as root:
        own, ours = io.StringIO(), io.StringIO()
        root.addHandler(logging.StreamHandler(own))
        restore = configure_logging(stream=ours)
        get_logger("example").warning("once")
        restore()
        assert (own.getvalue(), ours.getvalue()) == ("once\n", "")
        assert len(root.handlers) == 1


@pytest.mark.parametrize("no_colour", [False, True])
def test_levels_are_coloured_on_a_terminal_unless_that_is_not_wanted(monkeypatch, no_colour):
    with alone():
        monkeypatch.delenv("NO_COLOR", raising=False)
        if no_colour:
            monkeypatch.setenv("NO_COLOR", "1")
        screen = Screen()
        restore = configure_logging(stream=screen)
        get_logger("example").error("x")
        restore()
        assert ("\x1b[31mERROR" in screen.getvalue()) is not no_colour


def test_fields_and_the_keywords_of_logging_live_together(caplog):
    get_logger("example").warning("x", extra={"other": 1}, exc_info=False, n=2)
    (record,) = caplog.records
    assert (record.other, record.fields) == (1, {"n": 2})
    assert record.funcName == "test_fields_and_the_keywords_of_logging_live_together"


@pytest.fixture
def counter() -> Counter:
    return Counter("x", {}, {"warning": 0, "error": 0}, reset=True, clock=ManualClock())


def test_a_pipeline_logs_once_to_the_log_of_the_program(lines, counter):
    logger = PipelineLogger("bspump.pipeline.A", counter)
    (line,) = lines(lambda log: log.warning("x", n=1), logger=logger)
    assert line.endswith("WARNING bspump.pipeline.A: x n=1")


def test_a_pipeline_counts_warnings_and_errors(counter):
    logger = PipelineLogger("A", counter)
    logger.info("x")
    logger.warning("x")
    logger.error("x")
    logger.critical("x")
    assert counter.values == {"warning": 1, "error": 2}


def test_what_has_been_counted_already_is_logged_without_counting(counter, caplog):
    logger = PipelineLogger("A", counter)
    logger.log_uncounted("event rejected", part="Out")
    assert counter.values == {"warning": 0, "error": 0}
    assert [record.fields for record in logger.Deque] == [{"part": "Out"}]
    logger.warning("x")
    assert counter.values["warning"] == 1


def test_a_line_names_the_place_that_logs(caplog):
    logger = PipelineLogger("A")
    logger.warning("x")
    logger.log(logging.ERROR, "x")
    logger.log_uncounted("x")
    _fail(logger)
    assert [record.funcName for record in logger.Deque] == [
        *["test_a_line_names_the_place_that_logs"] * 3,
        "_fail",
    ]


def test_a_pipeline_keeps_the_last_50_records(counter):
    logger = PipelineLogger("A", counter)
    for n in range(60):
        logger.info("number %d", n, n=n)
    assert len(logger.Deque) == 50
    assert [record.getMessage() for record in logger.Deque][::49] == ["number 10", "number 59"]
    assert logger.Deque[-1].fields == {"n": 59}
    assert re.fullmatch(TIME, logger.Deque[-1].timestamp)


class Event:
    """Something that is logged."""


def test_what_a_pipeline_keeps_holds_no_secret_and_nothing_alive():
    logger, event = PipelineLogger("A"), Event()
    alive = weakref.ref(event)
    with alone():
        logger.warning("%s from amqp://joe:hunter2@host", event, password="hunter2")
        _fail(logger)
    del event
    assert alive() is None
    assert all(record.exc_info is None for record in logger.Deque)
    text = "".join(str(vars(record)) for record in logger.Deque)
    assert "Traceback" in text
    assert "hunter2" not in text


def test_arguments_that_do_not_fit_are_no_error_of_who_logs():
    with alone():
        logger = PipelineLogger("A")
        logger.info("%d events", "three")
        assert logger.Deque[0].getMessage() == "%d events (its arguments do not fit)"


def test_a_pipeline_keeps_what_is_info_or_what_the_program_logs():
    with alone() as root:
        logger = PipelineLogger("A")
        root.setLevel(logging.WARNING)
        logger.debug("no")
        logger.info("yes")
        root.setLevel(logging.DEBUG)
        logger.debug("yes")
        assert [record.msg for record in logger.Deque] == ["yes", "yes"]


def test_the_level_of_a_pipeline_can_be_changed_at_any_time():
    with alone():
        logger = PipelineLogger("A")
        logger.info("yes")
        logger.setLevel(logging.ERROR)
        logger.info("no")
        logger.setLevel(logging.DEBUG)
        logger.debug("yes")
        assert [record.msg for record in logger.Deque] == ["yes", "yes"]


def test_a_pipeline_does_not_log_what_the_program_does_not(lines):
    logger = PipelineLogger("A")
    assert lines(lambda log: log.info("x"), logger=logger, level="ERROR") == []
    assert len(logger.Deque) == 1


def test_a_kept_record_can_be_formatted_again():
    logger = PipelineLogger("A")
    _fail(logger)
    for formatter in (TerminalFormatter(), JsonFormatter()):
        assert "ValueError: no route" in formatter.format(logger.Deque[0])
