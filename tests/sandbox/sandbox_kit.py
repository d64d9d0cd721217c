"""What the sandbox's tests share: a small world with something of everything, and a client that is let in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from company import TLS
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER
from trunkline.sandbox.servicetitan.world import World

TENANT = 1_000_001
# Holds every kind of customer, call and visit, merged customers and landlords among them.
SMALL = SandboxOptions(customers=340, page_size=100)
NOBODY = 999_999_999

Json = dict[str, Any]


async def sign_in(http: httpx.AsyncClient) -> None:
    """Let `http` in from now on."""
    form = {"grant_type": "client_credentials", "client_id": "cid.example", "client_secret": "cs1.example-secret"}
    answer = await http.post("/connect/token", data=form)
    http.headers.update({"Authorization": f"Bearer {answer.json()['access_token']}", "ST-App-Key": "ak1.example"})


@asynccontextmanager
async def sandbox(options: SandboxOptions = SMALL) -> AsyncIterator[tuple[SandboxServer, httpx.AsyncClient]]:
    """A sandbox, and a client that has signed in."""
    async with (
        SandboxServer(options) as server,
        httpx.AsyncClient(base_url=server.base_url, timeout=30, verify=TLS) as http,
    ):
        await sign_in(http)
        yield server, http


def path(of: str) -> str:
    """``crm/customers`` or ``telecom/v3/calls`` as the path of a request."""
    module, _, rest = of.partition("/")
    version, _, more = rest.partition("/") if rest[:2] in {"v2", "v3"} else ("v2", "", rest)
    return f"/{module}/{version}/tenant/{TENANT}/{more}"


async def rows(http: httpx.AsyncClient, of: str, **query: object) -> list[Json]:
    """The rows on the first page of a list."""
    answer = await http.get(path(of), params={"pageSize": 5000, **query})
    answer.raise_for_status()
    return list(answer.json()["data"])


async def export(http: httpx.AsyncClient, of: str, **query: str) -> tuple[list[Json], str]:
    """All rows of an export feed from where the query says, and the token to go on with."""
    found: list[Json] = []
    while True:
        answer = await http.get(path(of), params=query)
        answer.raise_for_status()
        page = answer.json()
        found += page["data"]
        query["from"] = page["continueFrom"]
        if not page["hasMore"]:
            return found, page["continueFrom"]


def live_a_little(world: World) -> dict[str, int]:
    """Let users leave traces in every list; returns rows that have notes, by their tables."""
    noted = {"customers": FIRST_CUSTOMER, "locations": (FIRST_CUSTOMER + 1) * 1000, "jobs": FIRST_CUSTOMER * 10}
    world.change("customers", FIRST_CUSTOMER, name="Jane Example")
    world.merge(FIRST_CUSTOMER + 2, FIRST_CUSTOMER + 1)
    world.put("jobs", {**world.rows.jobs(0)[0], "id": world.new_id(), "jobNumber": "J-new"})
    for table, row_id in noted.items():
        for text in ("Called about a leak.", "Called again."):
            world.add_note(table[:-1], row_id, text, pinned=text == "Called again.")
    return noted


NEW_LEAD = {
    "campaignId": 1,
    "summary": "Wants a quote for a water heater.",
    "followUpDate": "2026-03-02T15:00:00Z",
    "leadPhone": "437-555-0142",
    "leadCustomerName": "Jane Example",
    "priority": "High",
    "tagTypeIds": [1],
}
NEW_TASK = {
    "reportedById": 1,
    "assignedToId": 2,
    "isClosed": False,
    "name": "Call back",
    "businessUnitId": 1,
    "employeeTaskTypeId": 1,
    "employeeTaskSourceId": 1,
    "reportedDate": "2026-03-02T15:00:00Z",
    "priority": "Normal",
    "description": "About the invoice.",
    "customerId": FIRST_CUSTOMER,
}
NEW_NOTE = {"text": "Called about a leak.", "pinToTop": True}
