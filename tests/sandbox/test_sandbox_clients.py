"""Clients of the sandbox: who may sign in, what their tokens allow, and the cases that nobody knows for certain."""

from pathlib import Path

import httpx
import pytest
from sandbox_kit import TENANT, path, sandbox, sign_in

from trunkline.sandbox.servicetitan import Client, SandboxOptions, choose, read_clients
from trunkline.sandbox.servicetitan.clients import SCOPES
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER

READER = Client("cid.reader", "cs1.reader-secret", ("tn.crm.customers:r",))
NEIGHBOUR = Client("cid.neighbour", "cs1.neighbour-secret", tenant_id=TENANT + 1)
SHARED = SandboxOptions(customers=340, clients=(READER, NEIGHBOUR))
CUSTOMERS = path("crm/customers")


async def sign_in_as(http: httpx.AsyncClient, client: Client) -> int:
    """The status of the answer; with a good one, `http` is let in."""
    form = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": client.client_secret}
    answer = await http.post("/connect/token", data=form)
    if answer.status_code == 200:
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer.status_code


async def test_each_client_has_its_own_scopes() -> None:
    async with sandbox(SHARED) as (_, http):
        assert (await http.get(path("jpm/jobs"))).status_code == 200
        assert await sign_in_as(http, READER) == 200
        assert (await http.get(CUSTOMERS)).status_code == 200
        assert (await http.get(path("jpm/jobs"))).status_code == 403


async def test_a_client_of_another_tenant_sees_that_tenants_data_alone() -> None:
    async with sandbox(SHARED) as (server, http):
        own = (await http.get(CUSTOMERS)).json()["data"]
        assert await sign_in_as(http, NEIGHBOUR) == 200
        theirs = (await http.get(CUSTOMERS.replace(str(TENANT), str(TENANT + 1)))).json()["data"]
        assert (await http.get(CUSTOMERS)).status_code == 403
        assert server.sandbox.world_of(TENANT) is server.world
    assert [row["id"] for row in own] == [row["id"] for row in theirs]
    assert [row["name"] for row in own] != [row["name"] for row in theirs]


async def test_changed_scopes_show_in_the_next_token_only() -> None:
    async with sandbox(SHARED) as (server, http):
        server.sandbox.clients.grant("cid.example", "tn.jpm.jobs:r")
        assert (await http.get(CUSTOMERS)).status_code == 200
        await sign_in(http)
        assert (await http.get(CUSTOMERS)).status_code == 403
        assert (await http.get(path("jpm/jobs"))).status_code == 200


async def test_a_revoked_secret_signs_nobody_in_and_tokens_live_on() -> None:
    async with sandbox(SHARED) as (server, http):
        await sign_in_as(http, READER)
        server.sandbox.clients.revoke_secret(READER.client_id)
        assert await sign_in_as(http, READER) == 400
        assert (await http.get(CUSTOMERS)).status_code == 200


async def test_a_disabled_app_is_refused_at_once_and_let_in_again() -> None:
    async with sandbox(SHARED) as (server, http):
        for connected, status in ((False, 403), (True, 200)):
            server.sandbox.clients.connect("cid.example", connected=connected)
            assert (await http.get(CUSTOMERS)).status_code == status


async def test_the_sign_in_can_be_throttled() -> None:
    async with sandbox(SHARED) as (_, http):
        await http.post("/sandbox/faults", json={"faults": ["token-429#1"]})
        assert [await sign_in_as(http, READER) for _ in range(2)] == [429, 200]


@pytest.mark.parametrize("code", ["tn.tlc.optouts:r", "tn.tlc.optinouts:r"])
async def test_any_candidate_opens_a_scope_whose_code_is_not_known(code: str) -> None:
    async with sandbox(SandboxOptions(customers=1, scopes=(code,))) as (_, http):
        assert (await http.get(path("telecom/v3/optinouts/optouts"))).status_code == 200


def test_clients_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    file.write_text(
        '[[client]]\nclient_id = "cid.reader"\nclient_secret = "cs1.reader-secret"\nscopes = ["tn.crm.customers:r"]\n'
    )
    assert read_clients(file) == (READER,)
    assert "reader-secret" not in repr(READER)
    for text, says in (
        ("[[client]]\n", "client_id"),
        ("client = 7", "does not describe clients"),
        ('[[client]]\nclient_id = "a"\nclient_secret = "b"\nscopes = ["customers"]', "There is no scope 'customers'"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=says):
            read_clients(file)


# What is not known ------------------------------------------------------------------------------------------------


def test_switches_change_single_choices() -> None:
    assert choose("lenient", ["missing-app-key=403"]).missing_app_key == 403
    assert choose("strict", ["partial-call-update=true"]).partial_call_update is True
    for switch, says in (("luck=1", "There is no switch 'luck'"), ("missing-app-key=200", "does not do")):
        with pytest.raises(ValueError, match=says):
            choose("strict", [switch])


NEW_JOB = {"customerId": FIRST_CUSTOMER, "locationId": FIRST_CUSTOMER * 1000, "businessUnitId": 1, "jobTypeId": 1}
BOOKING = {"source": "Chat", "name": "Jane", "summary": "Leak", "isFirstTimeClient": True, "externalId": "chat-1"}


@pytest.mark.parametrize(
    ("method", "of", "body", "headers", "statuses"),
    [
        ("GET", "crm/customers", None, {"ST-App-Key": "ak1.wrong"}, (401, 403)),
        ("GET", f"crm/customers/{FIRST_CUSTOMER}", None, {"tenant": "7"}, (403, 401)),
        ("PUT", f"telecom/v2/calls/{FIRST_CUSTOMER + 3}", {"callType": "NotLead"}, {}, (200, 400)),
        ("GET", f"telecom/v2/calls/{FIRST_CUSTOMER + 3}/voicemail", None, {}, (404, 400)),
        ("POST", f"crm/customers/{FIRST_CUSTOMER}/notes", {"text": "x" * 4_001}, {}, (200, 400)),
        ("GET", "telecom/v3/optinouts/optouts", None, {}, (200, 403)),
        ("POST", "jpm/jobs", {**NEW_JOB, "priority": "Normal", "appointments": []}, {}, (400, 422)),
    ],
)  # fmt: skip
async def test_the_modes_differ_in_what_is_not_known(
    method: str, of: str, body: object, headers: dict[str, str], statuses: tuple[int, int]
) -> None:
    target = path(of).replace(str(TENANT), headers.get("tenant", str(TENANT)))
    for mode, status in zip(("lenient", "strict"), statuses, strict=True):
        options = SandboxOptions(customers=20, choices=choose("strict" if mode == "strict" else "lenient"))
        async with sandbox(options) as (_, http):
            answer = await http.request(method, target, headers=headers, json=body)
        assert answer.status_code == status, (mode, answer.text)


async def test_a_booking_may_come_twice_unless_the_mode_is_strict() -> None:
    for mode, statuses in (("lenient", [200, 200]), ("strict", [200, 400])):
        options = SandboxOptions(customers=1, choices=choose("strict" if mode == "strict" else "lenient"))
        async with sandbox(options) as (_, http):
            answers = [await http.post(path("crm/booking-provider/7/bookings"), json=BOOKING) for _ in range(2)]
        assert [answer.status_code for answer in answers] == statuses


async def test_numbers_with_their_country_code_find_nobody_and_statuses_have_blanks_in_the_strict_mode() -> None:
    async with sandbox(SandboxOptions(customers=50, choices=choose("strict"))) as (server, http):
        number = server.world.rows.main_number(4)
        found = [
            len((await http.get(CUSTOMERS, params={"phone": text})).json()["data"]) for text in (number, f"+1{number}")
        ]
        listed = (await http.get(path("jpm/jobs"))).json()["data"]
        fed = (await http.get(path("jpm/export/jobs"))).json()["data"]
    assert found == [1, 0]
    assert "In Progress" in {row["jobStatus"] for row in listed} & {row["jobStatus"] for row in fed}
    assert "InProgress" not in {row["jobStatus"] for row in (*listed, *fed)}


def test_every_scope_of_the_portal_is_granted_at_first() -> None:
    assert len(SCOPES) == 2 * 77
