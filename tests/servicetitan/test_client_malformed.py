"""Answers that are broken in the middle of the protocol, and what they leave open.."""

import httpx
import pytest
import stamina
from servicetitan_doubles import THINGS, reply, scripted
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from trunkline.servicetitan.answers import error_of, retry_after
from trunkline.servicetitan.client import ATTEMPTS
from trunkline.servicetitan.errors import OutcomeUnknown, ServerTrouble, UnexpectedAnswer, Unreachable

DEEP = b"[" * 100_000
NO_GZIP = reply(200, b"this is no gzip", content_encoding="gzip")


@pytest.mark.parametrize("answer", [reply(200, b"<html>"), reply(200, b'{"id": '), reply(200, b"[]"), NO_GZIP])
async def test_a_write_whose_answer_cannot_be_read_may_have_happened(answer: bytes) -> None:
    async with scripted(answer) as (server, client):
        with pytest.raises(OutcomeUnknown):
            await client.post(THINGS, {"text": "x"}, dict)
    assert len(server.requests) == 1


async def test_a_read_whose_answer_cannot_be_unpacked_is_tried_again() -> None:
    async with scripted(*[NO_GZIP] * ATTEMPTS) as (server, client):
        with pytest.raises(Unreachable):
            await client.get(THINGS, dict)
    assert len(server.requests) == ATTEMPTS


async def test_json_without_a_bottom_is_an_answer_of_another_shape() -> None:
    assert type(error_of(httpx.Response(500, content=DEEP), writing=False)) is ServerTrouble
    async with scripted(reply(200, b'{"id":' + DEEP)) as (_, client):
        with pytest.raises(UnexpectedAnswer):
            await client.get(THINGS, dict)


async def test_a_write_waits_as_long_as_servicetitan_asks() -> None:
    waits: list[float] = []

    def note(details: RetryDetails) -> None:
        waits.append(details.wait_for)

    set_on_retry_hooks([note])
    try:
        with stamina.set_testing(False):
            async with scripted(reply(429, retry_after="0.03"), reply(200, {"id": 7})) as (_, client):
                await client.post(THINGS, {"text": "x"}, dict)
    finally:
        set_on_retry_hooks(None)
    assert waits == pytest.approx([0.03])


@pytest.mark.parametrize("value", ["86400", "inf", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_waits_for_ever(value: str) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": value})) == 120.0
