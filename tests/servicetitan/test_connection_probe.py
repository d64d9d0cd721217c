"""Testing a tenant's connection: each thing that can be wrong is told by a sentence of its own."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr
from servicetitan_doubles import CREDENTIALS, TENANT, Received, ScriptedServer, closed_door, reply

from company import Unlimited
from trunkline.contract.operations import operations
from trunkline.mirror.feeds import FEEDS
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.clients import SCOPES
from trunkline.servicetitan.client import Credentials, Environment, ServiceTitan
from trunkline.settings import ServiceTitanSettings
from trunkline.tenants import probe as probe_module
from trunkline.tenants.probe import ENVIRONMENTS, Finding, Outcome, probe

OPTIONS = SandboxOptions(customers=5)


async def tried(
    environment: str,
    credentials: Credentials = CREDENTIALS,
    *,
    tenant_id: int = TENANT,
    environments: Mapping[str, Environment] = ENVIRONMENTS,
) -> Outcome:
    """Test a connection; `environments` stand in for ServiceTitan's two."""
    own = ServiceTitanSettings.model_construct(
        environment=environment,
        client_id=credentials.client_id,
        client_secret=SecretStr(credentials.client_secret),
        app_key=SecretStr(credentials.app_key),
    )
    here = environments.get(environment) or Environment.at(environment)
    async with httpx.AsyncClient() as http:
        client = ServiceTitan(here, tenant_id, credentials, limiter=Unlimited(), http=http)
        outcome = await probe(own, client, http, environments)
    for secret in (credentials.client_secret, credentials.app_key):
        assert secret not in outcome.sentence
    return outcome


class Gateway(ScriptedServer):
    """Answers each request for data by `rule`, whatever their order."""

    def __init__(self, rule: Callable[[Received], bytes]) -> None:
        super().__init__()
        self._rule = rule

    def _answer(self, request: Received) -> bytes | None:
        if request.path == "/connect/token":
            return super()._answer(request)
        self.requests.append(request)
        return self._rule(request)


ONE_ROW = reply(200, {"data": [{"id": 1}], "hasMore": False})


async def test_a_connection_that_works_is_said_to_work() -> None:
    async with SandboxServer(OPTIONS) as server:
        outcome = await tried(server.base_url)
    assert (outcome.finding, outcome.is_good) == (Finding.GOOD, True)


@pytest.mark.parametrize("wrong", [{"client_id": "cid.other"}, {"client_secret": "cs1.other"}])
async def test_a_wrong_id_or_secret_is_told(wrong: dict[str, str]) -> None:
    async with SandboxServer(OPTIONS) as server:
        outcome = await tried(server.base_url, replace(CREDENTIALS, **wrong))
    assert outcome.finding is Finding.BAD_CREDENTIALS
    assert outcome.sentence.startswith("ServiceTitan knows no such client id, or the client secret is not its own")


@pytest.mark.parametrize(("set_up", "other"), [("production", "integration"), ("integration", "production")])
async def test_credentials_of_the_other_environment_are_told_and_nothing_but_a_sign_in_is_sent_there(
    set_up: str, other: str
) -> None:
    strangers = SandboxOptions(customers=5, client_id="cid.stranger")
    async with SandboxServer(strangers) as here, SandboxServer(OPTIONS) as there:
        there.sandbox.requests = []
        environments = {set_up: Environment.at(here.base_url), other: Environment.at(there.base_url)}
        outcome = await tried(set_up, environments=environments)
        assert (there.sandbox.tokens_given, there.sandbox.requests) == (1, [])
    assert outcome.finding is Finding.WRONG_ENVIRONMENT
    assert f"belong to {other}, not to {set_up}: change the environment" in outcome.sentence


async def test_credentials_that_neither_environment_knows_are_wrong_ones() -> None:
    strangers = SandboxOptions(customers=5, client_id="cid.stranger")
    async with SandboxServer(strangers) as server:
        with closed_door() as nowhere:
            for other in (server.base_url, nowhere):
                places = {"production": Environment.at(server.base_url), "integration": Environment.at(other)}
                outcome = await tried("production", environments=places)
                assert outcome.finding is Finding.BAD_CREDENTIALS


async def test_a_sandbox_has_no_other_environment_to_try() -> None:
    strangers = SandboxOptions(customers=5, client_id="cid.stranger")
    async with SandboxServer(strangers) as here, SandboxServer(OPTIONS) as there:
        places = dict.fromkeys(ENVIRONMENTS, Environment.at(there.base_url))
        outcome = await tried(here.base_url, environments=places)
        assert there.sandbox.tokens_given == 0
    assert outcome.finding is Finding.BAD_CREDENTIALS


async def test_a_wrong_app_key_is_told() -> None:
    async with SandboxServer(OPTIONS) as server:
        outcome = await tried(server.base_url, replace(CREDENTIALS, app_key="ak1.other"))
    assert outcome.finding is Finding.WRONG_APP_KEY
    assert "copy it again from the app's page in the developer portal" in outcome.sentence


@pytest.mark.parametrize(
    "refusal",
    [
        reply(401, b""),
        reply(403, {"statusCode": 403, "message": "Access denied due to invalid application key."}),
        reply(403, {"title": "The app key is not valid.", "status": 403}),
    ],
    ids=["401 without a word", "403 of the gateway", "403 of the application"],
)
async def test_a_wrong_app_key_is_told_whichever_way_it_is_refused(refusal: bytes) -> None:
    async with Gateway(lambda _: refusal) as server:
        outcome = await tried(server.base_url)
    assert outcome.finding is Finding.WRONG_APP_KEY


async def test_a_tenant_that_has_not_connected_the_app_is_told() -> None:
    async with SandboxServer(replace(OPTIONS, scopes=())) as server:
        outcome = await tried(server.base_url)
    assert outcome.finding is Finding.NOT_CONNECTED
    assert "under Settings, Integrations, API Application Access" in outcome.sentence


async def test_scopes_that_are_missing_are_told_by_their_names_in_the_portal() -> None:
    denied = {"tn.jpm.jobs:r", "tn.mrk.campaigns:r"}
    assert denied < set(SCOPES)
    kept = tuple(scope for scope in SCOPES if scope not in denied)
    async with SandboxServer(replace(OPTIONS, scopes=kept)) as server:
        outcome = await tried(server.base_url)
    assert outcome.finding is Finding.SCOPE_MISSING
    assert outcome.sentence.startswith("The app may not read Campaigns, Jobs: add that to its scopes")


async def test_a_gateway_that_hides_what_the_app_may_not_read_is_understood() -> None:
    hidden = reply(404, {"statusCode": 404, "message": "No operation matches this request."})
    async with Gateway(lambda request: hidden if request.path.endswith("/employees") else ONE_ROW) as server:
        outcome = await tried(server.base_url)
    assert outcome.finding is Finding.SCOPE_MISSING
    assert "may not read Employees:" in outcome.sentence


async def test_credentials_of_another_tenant_are_told() -> None:
    async with SandboxServer(OPTIONS) as server:
        outcome = await tried(server.base_url, tenant_id=1_000_009)
    assert outcome.finding is Finding.WRONG_TENANT
    assert f"belong to tenant {TENANT}, not to 1000009: correct the tenant id" in outcome.sentence


async def test_a_token_that_does_not_say_whose_it_is_is_as_good() -> None:
    async with Gateway(lambda _: ONE_ROW) as server:
        outcome = await tried(server.base_url)
    assert outcome.is_good


@pytest.mark.parametrize("sign_in", [reply(500), reply(200, b"<html>"), reply(429, retry_after="1")])
async def test_a_servicetitan_that_cannot_answer_is_no_fault_of_the_credentials(sign_in: bytes) -> None:
    async with Gateway(lambda _: ONE_ROW) as server:
        server.sign_ins = [sign_in]
        outcome = await tried(server.base_url)
    assert outcome.finding is Finding.NO_ANSWER
    assert outcome.sentence.endswith("try again later.")


async def test_a_servicetitan_that_is_not_there_is_told() -> None:
    with closed_door() as nowhere:
        outcome = await tried(nowhere)
    assert outcome.finding is Finding.NO_ANSWER
    assert outcome.sentence == "ServiceTitan did not answer as it should, or not in time."


def test_every_scope_that_the_mirror_reads_is_tried() -> None:
    by_path = {one.path: one.scope for one in operations().values() if one.method == "GET"}
    tried_scopes = {operations()[name].scope for name in probe_module._READINGS}
    assert {by_path[feed.path] for feed in FEEDS if feed.path in by_path} <= tried_scopes
    assert len([feed for feed in FEEDS if feed.path in by_path]) == len(FEEDS)
