"""What the errors of the client mean to the engine, and what became of a batch."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace

import pytest

exceptions = pytest.importorskip("aiormq.exceptions")

from pamqp.commands import Basic, Connection  # noqa: E402

from bspump.abc.errors import (  # noqa: E402
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.amqp.errors import transfer_errors, translate  # noqa: E402
from bspump.amqp.outcomes import Outcomes  # noqa: E402


def returned():
    delivery = Basic.Return(312, "NO_ROUTE", "amq.direct", "key")
    return exceptions.PublishError(SimpleNamespace(delivery=delivery), delivery)


def nacked():
    return exceptions.DeliveryError(None, Basic.Nack(1))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.ProbableAuthenticationError("ACCESS_REFUSED"), ConfigError),
        (exceptions.AuthenticationError("PLAIN", ["EXTERNAL"]), ConfigError),
        (exceptions.ConnectionNotAllowed("vhost x not found"), ConfigError),
        (exceptions.ConnectionNotAllowed("connection limit (1) is reached"), TransientError),
        (exceptions.ChannelNotFoundEntity("no queue 'q'"), ConfigError),
        (exceptions.ChannelNotFoundEntity("queue 'q' is down or inaccessible"), TransientError),
        (exceptions.ChannelAccessRefused("access to queue 'q' refused"), ConfigError),
        (exceptions.ChannelAccessRefused("queue 'q' in exclusive use"), TransientError),
        (exceptions.ChannelLockedResource("cannot obtain exclusive access"), TransientError),
        (exceptions.ChannelPreconditionFailed("inequivalent arg 'durable'"), ConfigError),
        (exceptions.ChannelPreconditionFailed("delivery ack timed out"), NotConnectedError),
        (exceptions.ChannelPreconditionFailed("unknown delivery tag 3"), NotConnectedError),
        (exceptions.ChannelPreconditionFailed("message size 9 is larger"), RejectedError),
        (exceptions.ConnectionClosed(320, "CONNECTION_FORCED"), NotConnectedError),
        (exceptions.AMQPConnectionError(), NotConnectedError),
        (exceptions.ChannelInvalidStateError("closed"), NotConnectedError),
        (RuntimeError("<Connection> closed"), NotConnectedError),
        (ConnectionResetError(104, "reset"), NotConnectedError),
        (TimeoutError(), NotConnectedError),
        (Exception(), NotConnectedError),
        (returned(), RejectedError),
        (nacked(), TransientError),
    ],
)
def test_each_error_becomes_an_instruction(error, kind):
    translated = translate(error, "amqp://host")
    assert type(translated) is kind
    assert str(translated).startswith("amqp://host: ")


@pytest.mark.parametrize("bug", [ZeroDivisionError(), RuntimeError("a bug"), KeyError("x")])
def test_a_bug_stays_a_bug(bug):
    with pytest.raises(type(bug)), transfer_errors("amqp://host"):
        raise bug


def test_a_certificate_that_is_not_trusted_is_for_the_operator():
    error = exceptions.AMQPConnectionError(1, "certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self signed")
    assert isinstance(translate(error, "amqps://host"), ConfigError)


@pytest.mark.parametrize(
    ("code", "kind"), [(530, ConfigError), (541, NotConnectedError), (320, NotConnectedError)]
)
def test_a_refusal_that_the_client_hides_is_found(code, kind):
    def hide():
        frame = Connection.Close(code, "the reason", 0, 0)
        raise exceptions.InvalidFrameError(f"Expected another one, got {frame!r}")

    with pytest.raises(kind, match="the reason"), transfer_errors("amqp://host"):
        hide()


async def test_a_cancellation_by_the_client_is_a_lost_connection():
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    with pytest.raises(NotConnectedError), transfer_errors("amqp://host"):
        await future


async def test_a_cancellation_by_the_engine_passes_through():
    async def wait():
        with transfer_errors("amqp://host"):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait(), 0.01)


def window(*sizes):
    return {index: SimpleNamespace(body=b"x" * size) for index, size in enumerate(sizes)}


def errors_of(outcomes):
    with pytest.raises(PartialWriteError) as caught:
        outcomes.check()
    return {index: type(error) for index, error in caught.value.errors.items()}


def test_all_confirmed_is_no_error():
    outcomes = Outcomes("amqp://host")
    outcomes.note(window(1, 1), [None, None])
    outcomes.check()


def test_returned_and_refused_messages_are_told_apart():
    outcomes = Outcomes("amqp://host")
    outcomes.note(window(1, 1, 1, 1), [None, returned(), nacked(), ValueError("too long")])
    assert errors_of(outcomes) == {1: RejectedError, 2: TransientError, 3: RejectedError}


def test_what_was_confirmed_before_the_loss_is_not_published_again():
    outcomes = Outcomes("amqp://host")
    lost = exceptions.ConnectionClosed(320, "CONNECTION_FORCED")
    outcomes.note(window(1, 1, 1), [None, lost, asyncio.CancelledError()])
    assert outcomes.is_lost
    outcomes.note({3: SimpleNamespace(body=b"")}, [])
    assert errors_of(outcomes) == {1: TransientError, 2: TransientError, 3: TransientError}


def test_a_loss_before_anything_was_confirmed_asks_for_a_new_connection():
    outcomes = Outcomes("amqp://host")
    outcomes.note(window(1), [asyncio.CancelledError()])
    with pytest.raises(NotConnectedError):
        outcomes.check()


def test_of_a_window_with_a_message_too_large_the_largest_is_at_fault():
    outcomes = Outcomes("amqp://host")
    error = exceptions.ChannelPreconditionFailed("message size 9 is larger")
    outcomes.note(window(3, 9, 1), [error, error, error])
    assert errors_of(outcomes) == {0: TransientError, 1: RejectedError, 2: TransientError}


def test_who_is_at_fault_is_found_by_halves_where_the_broker_does_not_tell():
    error = exceptions.ChannelPreconditionFailed("invalid expiration 'soon'")
    several = Outcomes("amqp://host")
    several.note(window(1, 1, 1), [None, error, error])
    with pytest.raises(RejectedError, match="invalid expiration"):
        several.check()
    single = Outcomes("amqp://host")
    single.note(window(1), [error])
    assert errors_of(single) == {0: RejectedError}


def test_a_right_that_is_missing_is_for_the_operator():
    outcomes = Outcomes("amqp://host")
    outcomes.note(window(1), [exceptions.ChannelAccessRefused("access to exchange refused")])
    with pytest.raises(ConfigError, match="access to exchange refused"):
        outcomes.check()


def test_a_bug_while_publishing_stays_a_bug():
    with pytest.raises(KeyError):
        Outcomes("amqp://host").note(window(1), [KeyError("x")])
