"""What is tried again, and what never: reads freely, writes only where nothing can have been written."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import stamina
from servicetitan_doubles import LOST, SILENCE, THINGS, closed_door, connected, cut_off, reply, sandboxed, scripted
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from trunkline.sandbox.servicetitan import Fault, SandboxOptions
from trunkline.servicetitan import client as client_module
from trunkline.servicetitan.answers import retry_after
from trunkline.servicetitan.client import ATTEMPTS, Environment
from trunkline.servicetitan.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    RetryLater,
    ScopeMissing,
    ServerTrouble,
    ServiceTitanError,
    UnexpectedAnswer,
    Unreachable,
)
from trunkline.servicetitan.notes import add_customer_note

FINE = reply(200, {"id": 7})
BUSY = reply(429, {"statusCode": 429, "message": "Rate limit is exceeded."}, retry_after="0")
IMPATIENT = httpx.Timeout(10.0, read=0.3)
CUSTOMER = 100_000


async def test_a_read_that_fails_twice_succeeds_at_the_third_try() -> None:
    async with scripted(reply(500), reply(500), FINE) as (server, client):
        assert await client.get(THINGS, dict) == {"id": 7}
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(500), ServerTrouble),
        (reply(502, b"<html>Bad Gateway</html>"), ServerTrouble),
        (reply(503), ServerTrouble),
        (reply(504), ServerTrouble),
        (reply(408), ServerTrouble),
        (BUSY, RateLimited),
        (LOST, Unreachable),
        (cut_off(), Unreachable),
    ],
)
async def test_a_read_is_tried_again_and_then_said_to_be_worth_a_later_try(
    answer: bytes, error: type[RetryLater]
) -> None:
    async with scripted(*[answer] * ATTEMPTS) as (server, client):
        with pytest.raises(error) as caught:
            await client.get(THINGS, dict)
    assert len(server.requests) == ATTEMPTS
    assert isinstance(caught.value, RetryLater)


async def test_a_read_without_an_answer_in_time_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(FINE, SILENCE, *[FINE] * ATTEMPTS) as (_, client):
        await client.get(THINGS, dict)  # the token is there now
        monkeypatch.setattr(client_module, "READ_TIMEOUT", IMPATIENT)
        assert await client.get(THINGS, dict) == {"id": 7}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest),
        (403, ScopeMissing),
        (404, NotFound),
        (409, Conflict),
        (418, UnexpectedAnswer),
        (422, InvalidRequest),
        (302, UnexpectedAnswer),
    ],
)
async def test_what_another_try_cannot_mend_is_not_tried_again(status: int, error: type[ServiceTitanError]) -> None:
    async with scripted(reply(status)) as (server, client):
        with pytest.raises(error) as caught:
            await client.get(THINGS, dict)
    assert (len(server.requests), caught.value.status) == (1, status)


async def test_a_read_waits_as_long_as_servicetitan_asks() -> None:
    waits: list[float] = []

    def note(details: RetryDetails) -> None:
        waits.append(details.wait_for)

    set_on_retry_hooks([note])
    try:
        with stamina.set_testing(False):
            async with scripted(reply(429, retry_after="0.03"), reply(429, retry_after="0.01"), FINE) as (_, client):
                await client.get(THINGS, dict)
    finally:
        set_on_retry_hooks(None)
    assert waits == pytest.approx([0.03, 0.01])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("0", 0.0), ("-3", 0.0), ("", 1.0), (None, 1.0), ("soon", 1.0), ("12:00", 1.0)],
)
def test_seconds_to_wait_are_read_from_the_header_or_guessed(value: str | None, seconds: float) -> None:
    headers = {} if value is None else {"Retry-After": value}
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


def test_a_date_to_wait_for_becomes_the_seconds_until_then() -> None:
    now = datetime.now(UTC)
    for moment, least, most in ((now + timedelta(minutes=2), 60, 120), (now - timedelta(hours=1), 0, 0)):
        response = httpx.Response(429, headers={"Retry-After": format_datetime(moment, usegmt=True)})
        assert least <= retry_after(response) <= most


@pytest.mark.parametrize("answer", [reply(500), reply(502, b"<html>"), reply(503), reply(408), LOST, cut_off()])
async def test_a_write_that_may_have_arrived_is_never_repeated(answer: bytes) -> None:
    async with scripted(answer, FINE) as (server, client):
        with pytest.raises(OutcomeUnknown):
            await client.post(THINGS, {"text": "x"}, dict)
    assert len(server.requests) == 1


async def test_a_write_without_an_answer_in_time_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(FINE, SILENCE, FINE) as (server, client):
        await client.get(THINGS, dict)  # the token is there now
        monkeypatch.setattr(client_module, "READ_TIMEOUT", IMPATIENT)
        with pytest.raises(OutcomeUnknown, match="reply to a write was lost"):
            await client.post(THINGS, {"text": "x"}, dict)
    assert [request.method for request in server.requests] == ["GET", "POST"]


async def test_a_write_is_repeated_when_it_came_too_early() -> None:
    async with scripted(BUSY, BUSY, FINE) as (server, client):
        assert await client.post(THINGS, {"text": "x"}, dict) == {"id": 7}
    assert [request.body for request in server.requests] == [b'{"text":"x"}'] * 3


async def test_a_write_that_always_comes_too_early_is_given_back() -> None:
    async with scripted(*[BUSY] * ATTEMPTS) as (server, client):
        with pytest.raises(RateLimited) as caught:
            await client.post(THINGS, {"text": "x"}, dict)
    assert (len(server.requests), caught.value.retry_after_s) == (ATTEMPTS, 0.0)


async def test_a_write_without_a_connection_has_not_happened() -> None:
    with closed_door() as nowhere:
        async with scripted() as (server, _):
            environment = Environment(f"{server.base_url}/connect/token", nowhere)
            async with connected(environment) as client:
                with pytest.raises(Unreachable, match="cannot be reached"):
                    await client.post(THINGS, {"text": "x"}, dict)


async def test_a_write_without_a_token_has_not_happened() -> None:
    async with scripted() as (server, client):
        server.sign_ins = [reply(503)]
        with pytest.raises(ServerTrouble):
            await client.post(THINGS, {"text": "x"}, dict)
    assert server.requests == []


@pytest.mark.parametrize("status", [400, 403, 404, 409])
async def test_a_refused_write_is_not_repeated(status: int) -> None:
    async with scripted(reply(status), FINE) as (server, client):
        with pytest.raises(ServiceTitanError) as caught:
            await client.post(THINGS, {"text": "x"}, dict)
    assert not isinstance(caught.value, RetryLater | OutcomeUnknown)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b" \r\n"])
async def test_a_write_may_be_answered_with_nothing(body: bytes) -> None:
    async with scripted(reply(200, body)) as (_, client):
        assert await client.post(THINGS, {"text": "x"}, dict) is None


@pytest.mark.parametrize(("fault", "notes"), [("lost-reply", 1), ("500", 0), ("html", 0)])
async def test_a_note_whose_fate_is_unknown_stands_there_once_at_most(fault: str, notes: int) -> None:
    async with sandboxed(SandboxOptions(customers=10, faults=(Fault(fault, 1.0, "POST"),))) as (server, client):
        with pytest.raises(OutcomeUnknown):
            await add_customer_note(client, CUSTOMER, "A call.")
        assert len(server.sandbox.ledger()["notes"]) == notes


async def test_notes_that_were_limited_are_written_once_each() -> None:
    async with sandboxed(SandboxOptions(customers=10, faults=(Fault("429", 0.5, "POST"),))) as (server, client):
        texts = [f"Call {number}." for number in range(10)]
        for text in texts:
            await add_customer_note(client, CUSTOMER, text)
        assert [note["text"] for note in server.sandbox.ledger()["notes"]] == texts
        assert server.sandbox.statuses[429] > 0
