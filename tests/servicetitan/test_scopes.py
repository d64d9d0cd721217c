"""What features need, what a token grants, and what follows from the difference."""

import base64
import json

import pytest
from servicetitan_doubles import reply, sandboxed, scripted, token

from trunkline.sandbox.servicetitan import SandboxOptions
from trunkline.servicetitan.catalog import find
from trunkline.servicetitan.scopes import Feature, Need, ScopeReport, changed, lacking

NOTES = Feature(
    "Calls in ServiceTitan", ("crm.customers.create_note", "crm.customers.get_notes", "jpm.jobs.create_note")
)
POP = Feature("Who is calling", ("crm.export.customers", "crm.export.customers_contacts", "jpm.export.jobs"))
ALL = frozenset({"tn.crm.customers:r", "tn.crm.customers:w", "tn.jpm.jobs:r", "tn.jpm.jobs:w"})


def jwt(**claims: object) -> str:
    """A token with these claims; nobody signed it."""
    parts = ({"alg": "RS256", "typ": "at+jwt"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


def test_a_feature_needs_what_its_operations_need() -> None:
    assert NOTES.needs == (Need("Customers", "Modify"), Need("Customers", "View"), Need("Jobs", "Modify"))
    assert POP.needs == (Need("Customers", "View"), Need("Jobs", "View"))


def test_a_feature_whose_scope_is_missing_says_which() -> None:
    report = ScopeReport((POP, NOTES), ALL - {"tn.jpm.jobs:w", "tn.crm.customers:w"})
    assert report.off(POP) is None
    assert report.off(NOTES) == ("It needs Customers (Modify) and Jobs (Modify), which this tenant has not approved.")
    assert ScopeReport((POP, NOTES), ALL).off(NOTES) is None
    assert ScopeReport((POP, NOTES), frozenset()).off(NOTES) is None, "a token that says nothing switches nothing off"


def test_the_list_to_choose_in_the_portal_begins_with_the_least_privilege() -> None:
    assert [str(need) for need in ScopeReport((NOTES, POP), ALL).needed] == [
        "Customers (View)", "Jobs (View)", "Customers (Modify)", "Jobs (Modify)",
    ]  # fmt: skip


def test_what_is_granted_and_needed_by_nothing_is_told() -> None:
    report = ScopeReport((POP,), ALL | {"tn.inv.returns:w", "tn.zzz.secret:r"})
    assert report.unused == (Need("Customers", "Modify"), Need("Jobs", "Modify"), Need("Purchase Returns", "Modify"))
    assert report.unknown == ("tn.zzz.secret:r",)


@pytest.mark.parametrize(
    ("name", "granted", "off"),
    [
        ("crm.export.customers", ALL, False),
        ("crm.export.leads", ALL, True),
        ("crm.export.leads", frozenset(), False),
        ("sales.opportunities.list", ALL, False),  # nobody has seen this scope's code: ServiceTitan is to decide
        ("inventory.trucks.list", ALL, False),
    ],
)
def test_what_a_token_certainly_does_not_grant_is_off(name: str, granted: frozenset[str], *, off: bool) -> None:
    assert (lacking(find(name), granted) is not None) is off


def test_the_sentence_names_scope_and_right() -> None:
    assert lacking(find("crm.leads.create"), ALL) == (
        "Off: it needs the scope Leads (Modify), which this tenant has not approved."
    )


def test_a_new_version_of_the_app_is_told_in_one_sentence() -> None:
    before = {"tn.crm.customers:r", "tn.crm.leads:r"}
    after = {"tn.crm.customers:r", "tn.crm.customers:w", "tn.jpm.jobs:r"}
    assert changed(before, after) == (
        "ServiceTitan now grants tn.crm.customers:w, tn.jpm.jobs:r and no longer grants tn.crm.leads:r."
    )
    assert changed(before, before) is None


@pytest.mark.parametrize(
    ("answer", "granted"),
    [
        (reply(200, {"access_token": jwt(scope=["a:r", "b:w"]), "expires_in": 900}), {"a:r", "b:w"}),
        (reply(200, {"access_token": jwt(scope="a:r b:w"), "expires_in": 900}), {"a:r", "b:w"}),
        (reply(200, {"access_token": "opaque", "expires_in": 900, "scope": "a:r b:w"}), {"a:r", "b:w"}),
        (reply(200, {"access_token": jwt(scope=["a:r"]), "expires_in": 900, "scope": "b:w"}), {"a:r", "b:w"}),
        (reply(200, {"access_token": "a.b.c", "expires_in": 900}), set()),
        (reply(200, {"access_token": "a.e30.c", "expires_in": 900}), set()),
        (token("opaque"), set()),
    ],
)
async def test_granted_scopes_are_read_from_the_token_and_from_beside_it(answer: bytes, granted: set[str]) -> None:
    async with scripted() as (server, client):
        server.sign_ins = [answer]
        assert await client.granted() == granted
        assert await client.granted() == granted
    assert len(server.token_requests) == 1


async def test_the_sandboxs_token_grants_what_the_sandbox_was_told() -> None:
    options = SandboxOptions(customers=10, scopes=("tn.crm.customers:r", "tn.jpm.jobs:w"))
    async with sandboxed(options) as (_, client):
        assert await client.granted() == {"tn.crm.customers:r", "tn.jpm.jobs:w"}
