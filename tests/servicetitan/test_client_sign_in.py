"""Tokens: fetched once, kept, renewed early, and what becomes of secrets."""

import asyncio
import logging
import traceback
from dataclasses import dataclass, replace
from typing import Any

import pytest
from servicetitan_doubles import (
    CREDENTIALS,
    LOST,
    TENANT,
    THINGS,
    ScriptedServer,
    Unlimited,
    closed_door,
    connected,
    reply,
    sandboxed,
    scripted,
    token,
)

from trunkline.servicetitan import sign_in as sign_in_module
from trunkline.servicetitan.client import Environment, ServiceTitan
from trunkline.servicetitan.errors import (
    AppKeyRefused,
    BadCredentials,
    RateLimited,
    ServiceTitanError,
    UnexpectedAnswer,
    Unreachable,
)

CUSTOMERS = "crm/v2/tenant/{tenant}/customers"
SECRETS = (CREDENTIALS.client_secret, CREDENTIALS.app_key, "token-1")
FINE = reply(200, {})


@dataclass
class Clock:
    """Stands in for the module `time` in the client."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The client's clock, which goes when it is told to."""
    stopped = Clock()
    monkeypatch.setattr(sign_in_module, "time", stopped)
    return stopped


@pytest.mark.parametrize(
    ("name", "token_url", "api_url"),
    [
        ("production", "https://auth.servicetitan.io/connect/token", "https://api.servicetitan.io"),
        (
            "integration",
            "https://auth-integration.servicetitan.io/connect/token",
            "https://api-integration.servicetitan.io",
        ),
        ("http://127.0.0.1:8041/", "http://127.0.0.1:8041/connect/token", "http://127.0.0.1:8041"),
        ("https://sandbox.example", "https://sandbox.example/connect/token", "https://sandbox.example"),
    ],
)
def test_an_environment_has_a_name_or_an_address(name: str, token_url: str, api_url: str) -> None:
    assert Environment.named(name) == Environment(token_url, api_url)


def test_an_environment_that_nobody_knows_is_no_address() -> None:
    with pytest.raises(KeyError):
        Environment.named("staging")


async def test_a_request_carries_token_app_key_and_tenant() -> None:
    async with scripted(FINE) as (server, client):
        await client.get(THINGS, dict, {"page": 2})
    (request,), (sign_in,) = server.requests, server.token_requests
    assert request.path == f"/crm/v2/tenant/{TENANT}/things"
    assert request.query == {"page": "2"}
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["st-app-key"] == CREDENTIALS.app_key
    assert sign_in.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sign_in.body == b"grant_type=client_credentials&client_id=cid.example&client_secret=cs1.example-secret"


async def test_every_request_asks_the_limiter_first_also_when_it_is_repeated() -> None:
    limiter = Unlimited()
    script = (reply(500), reply(429, retry_after="0"), reply(401), FINE)
    async with ScriptedServer(*script) as server, connected(server.base_url, limiter=limiter) as client:
        await client.get(THINGS, dict)
    assert limiter.tenants == [TENANT] * len(script)


async def test_a_token_serves_many_requests() -> None:
    async with sandboxed() as (server, client):
        for _ in range(3):
            await client.get(CUSTOMERS, dict)
        assert server.sandbox.tokens_given == 1


async def test_twenty_requests_at_once_fetch_one_token() -> None:
    async with sandboxed() as (server, client):
        await asyncio.gather(*(client.get(CUSTOMERS, dict) for _ in range(20)))
        assert (server.sandbox.tokens_given, server.sandbox.statuses[200]) == (1, 20)


async def test_twenty_requests_with_a_revoked_token_fetch_one_new_token() -> None:
    async with sandboxed() as (server, client):
        await client.get(CUSTOMERS, dict)
        server.sandbox._tokens.clear()
        await asyncio.gather(*(client.get(CUSTOMERS, dict) for _ in range(20)))
        assert server.sandbox.tokens_given == 2


async def test_a_token_is_renewed_a_minute_before_it_expires(clock: Clock) -> None:
    async with scripted(FINE, FINE, FINE) as (server, client):
        server.sign_ins = [token("first", 900), token("second", 900)]
        for now in (1000.0, 1839.9, 1840.0):
            clock.now = now
            await client.get(THINGS, dict)
    used = [request.headers["authorization"] for request in server.requests]
    assert used == ["Bearer first", "Bearer first", "Bearer second"]


async def test_a_token_that_lives_less_than_a_minute_is_used_once() -> None:
    async with scripted(FINE, FINE) as (server, client):
        server.sign_ins = [token("first", 59), token("second", 59)]
        await client.get(THINGS, dict)
        await client.get(THINGS, dict)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer first", "Bearer second"]


async def test_a_refused_token_is_fetched_anew_once_and_the_request_repeated() -> None:
    async with scripted(reply(401), FINE) as (server, client):
        server.sign_ins = [token("old"), token("new")]
        await client.get(THINGS, dict)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


async def test_a_write_is_repeated_after_a_refused_token() -> None:
    async with scripted(reply(401), reply(200, {"id": 7})) as (server, client):
        assert await client.post(THINGS, {"text": "x"}, dict) == {"id": 7}
    assert [request.body for request in server.requests] == [b'{"text":"x"}'] * 2


async def test_a_wrong_app_key_is_told_after_one_more_token_and_not_tried_further() -> None:
    wrong = replace(CREDENTIALS, app_key="ak1.wrong-example")
    async with sandboxed() as (server, _), connected(server.base_url, wrong) as client:
        with pytest.raises(AppKeyRefused) as caught:
            await client.get(CUSTOMERS, dict)
        assert (server.sandbox.tokens_given, server.sandbox.statuses) == (2, {401: 2})
    assert caught.value.status == 401
    assert "check both, and the tenant id" in caught.value.message


async def test_a_wrong_client_secret_is_told_in_one_sentence() -> None:
    wrong = replace(CREDENTIALS, client_secret="cs1.wrong-example")
    async with sandboxed() as (server, _), connected(server.base_url, wrong) as client:
        with pytest.raises(BadCredentials, match="refused the client id or secret"):
            await client.get(CUSTOMERS, dict)
        assert server.sandbox.statuses.total() == 0


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refused_credentials_are_not_sent_again_and_again(status: int) -> None:
    async with scripted() as (server, client):
        server.sign_ins = [reply(status, {"error": "invalid_client"})]
        with pytest.raises(BadCredentials) as caught:
            await client.get(THINGS, dict)
    assert caught.value.status == status
    assert (len(server.token_requests), server.requests) == (1, [])


async def test_a_sign_in_that_fails_for_a_moment_is_tried_again() -> None:
    async with scripted(FINE) as (server, client):
        server.sign_ins = [reply(503), LOST, reply(429, retry_after="0"), token()]
        await client.get(THINGS, dict)
    assert len(server.token_requests) == 4


async def test_a_sign_in_that_answers_with_a_page_is_an_unexpected_answer() -> None:
    async with scripted() as (server, client):
        server.sign_ins = [reply(200, b"<html>maintenance</html>")]
        with pytest.raises(UnexpectedAnswer):
            await client.get(THINGS, dict)


async def test_a_sign_in_that_cannot_be_reached_is_told_as_such() -> None:
    with closed_door() as nowhere:
        async with connected(nowhere) as client:
            with pytest.raises(Unreachable, match="sign-in cannot be reached"):
                await client.get(THINGS, dict)


async def test_a_failed_sign_in_leaves_the_next_request_free_to_try() -> None:
    async with scripted(FINE) as (server, client):
        server.sign_ins = [reply(400), token()]
        with pytest.raises(BadCredentials):
            await client.get(THINGS, dict)
        await client.get(THINGS, dict)
    assert len(server.token_requests) == 2


def test_credentials_show_neither_secret_nor_app_key() -> None:
    shown = f"{CREDENTIALS!r} {CREDENTIALS}"
    assert CREDENTIALS.client_id in shown
    assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize(
    ("sign_in", "answer", "error"),
    [
        (token(), reply(401), AppKeyRefused),
        (token(), reply(429, retry_after="0"), RateLimited),
        (token(), LOST, Unreachable),
        (token(), reply(200, b"<html>"), UnexpectedAnswer),
        (reply(400), FINE, BadCredentials),
        (LOST, FINE, Unreachable),
        (reply(200, b'{"access_token": 7}'), FINE, UnexpectedAnswer),
    ],
)
async def test_no_error_and_no_log_tells_a_secret(
    sign_in: bytes,
    answer: bytes,
    error: type[ServiceTitanError],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(*[answer] * 10) as (server, client):
        server.sign_ins = [sign_in]
        with pytest.raises(error) as caught:
            await client.get(THINGS, dict)
        shown = _shown(client, caught.value) + caplog.text + "".join(capsys.readouterr())
    assert not [secret for secret in SECRETS if secret in shown]


def _shown(client: ServiceTitan, error: ServiceTitanError) -> str:
    own: dict[str, Any] = {"client": client, "error": error, "message": error.message, "fields": vars(error)}
    return repr(own) + str(error) + "".join(traceback.format_exception(error))
