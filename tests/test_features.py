"""What Trunkline does, against what a tenant has approved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog

from company import TENANT, TLS, Unlimited
from trunkline.features import FEATURES, look_at_scopes, scope_report
from trunkline.mirror.catalog import RESOURCES
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.store.database import Database

POP, NOTES, DATA = FEATURES
VIEW = ("tn.crm.customers:r", "tn.jpm.jobs:r")


@asynccontextmanager
async def tenant(*scopes: str) -> AsyncIterator[tuple[SandboxServer, httpx.AsyncClient]]:
    options = SandboxOptions(customers=10, tenant_id=TENANT, scopes=scopes)
    async with SandboxServer(options) as server, httpx.AsyncClient(verify=TLS) as http:
        yield server, http


def signed_in_anew(server: SandboxServer, http: httpx.AsyncClient) -> ServiceTitan:
    """A client that has no token yet: a new version of the app shows in the next token only."""
    options = server.sandbox.options
    credentials = Credentials(options.client_id, options.client_secret, options.app_key)
    return ServiceTitan(Environment.at(server.base_url), TENANT, credentials, limiter=Unlimited(), http=http)


def test_the_features_need_view_for_all_that_is_mirrored_and_modify_for_notes_alone() -> None:
    assert {need.scope for need in POP.needs + DATA.needs} == {one.operation.scope for one in RESOURCES}
    assert {need.right for need in POP.needs} == {"View"}
    assert {str(need) for need in NOTES.needs} == {
        "Customers (View)", "Customers (Modify)", "Jobs (View)", "Jobs (Modify)",
    }  # fmt: skip


async def test_a_new_version_of_the_app_is_noticed_at_the_next_token_and_told_once(database: Database) -> None:
    async with tenant(*VIEW) as (server, http):
        with structlog.testing.capture_logs() as said:
            await look_at_scopes(signed_in_anew(server, http), database)
            report, known = await scope_report(database, TENANT)
            assert report.off(NOTES) is not None
            assert known is not None
            assert known.change is None
            client_id = server.sandbox.options.client_id
            server.sandbox.clients.grant(client_id, *VIEW, "tn.crm.customers:w", "tn.jpm.jobs:w")
            later = signed_in_anew(server, http)
            await look_at_scopes(later, database)
            await look_at_scopes(later, database)
    report, known = await scope_report(database, TENANT)
    assert report.off(NOTES) is None
    assert known is not None
    assert known.change == "ServiceTitan now grants tn.crm.customers:w, tn.jpm.jobs:w."
    assert [one["change"] for one in said if one["log_level"] == "warning"] == [known.change]


async def test_before_anybody_signed_in_nothing_is_known_and_nothing_is_off(database: Database) -> None:
    report, known = await scope_report(database, TENANT)
    assert known is None
    assert [report.off(feature) for feature in FEATURES] == [None, None, None]
