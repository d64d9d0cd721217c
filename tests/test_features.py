"""What Trunkline does, against what a tenant has approved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import structlog
from pydantic import SecretStr

from company import TENANT, TLS, Unlimited
from trunkline.features import ALWAYS, WITH_GUID, WITH_PROVIDER, features_of, look_at_scopes, scope_report
from trunkline.mirror.catalog import RESOURCES
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.servicetitan import Credentials, Environment, ServiceTitan
from trunkline.settings import ServiceTitanSettings, TenantSettings
from trunkline.store.database import Database

POP, NOTES, DATA = ALWAYS
VIEW = ("tn.crm.customers:r", "tn.jpm.jobs:r")


SETTINGS = TenantSettings(
    id=TENANT,
    name="Example Plumbing",
    servicetitan=ServiceTitanSettings(
        client_id="cid.example", client_secret=SecretStr("cs1.example"), app_key=SecretStr("ak1.example")
    ),
)


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


def test_decisions_are_kept_in_servicetitan_where_there_is_a_guid_and_need_modify_then_only() -> None:
    own = SETTINGS.servicetitan.model_copy(update={"application_guid": uuid4()})
    assert features_of(SETTINGS) == ALWAYS
    assert features_of(SETTINGS.model_copy(update={"servicetitan": own})) == (*ALWAYS, WITH_GUID)
    assert {str(need) for need in WITH_GUID.needs} == {
        "Customers (View)", "Customers (Modify)", "Locations (View)", "Locations (Modify)",
    }  # fmt: skip


def test_new_callers_are_booked_where_there_is_a_booking_provider_which_needs_bookings() -> None:
    own = SETTINGS.servicetitan.model_copy(update={"booking_provider": 5})
    assert features_of(SETTINGS.model_copy(update={"servicetitan": own})) == (*ALWAYS, WITH_PROVIDER)
    assert {str(need) for need in WITH_PROVIDER.needs} == {"Bookings (View)", "Bookings (Modify)"}


async def test_a_new_version_of_the_app_is_noticed_at_the_next_token_and_told_once(database: Database) -> None:
    async with tenant(*VIEW) as (server, http):
        with structlog.testing.capture_logs() as said:
            await look_at_scopes(signed_in_anew(server, http), database)
            report, known = await scope_report(database, SETTINGS)
            assert report.off(NOTES) is not None
            assert known is not None
            assert known.change is None
            client_id = server.sandbox.options.client_id
            server.sandbox.clients.grant(client_id, *VIEW, "tn.crm.customers:w", "tn.jpm.jobs:w")
            later = signed_in_anew(server, http)
            await look_at_scopes(later, database)
            await look_at_scopes(later, database)
    report, known = await scope_report(database, SETTINGS)
    assert report.off(NOTES) is None
    assert known is not None
    assert known.change == "ServiceTitan now grants tn.crm.customers:w, tn.jpm.jobs:w."
    assert [one["change"] for one in said if one["log_level"] == "warning"] == [known.change]


async def test_before_anybody_signed_in_nothing_is_known_and_nothing_is_off(database: Database) -> None:
    report, known = await scope_report(database, SETTINGS)
    assert known is None
    assert [report.off(feature) for feature in ALWAYS] == [None, None, None]
