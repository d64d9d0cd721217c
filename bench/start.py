"""How soon after its start the sandbox has served every customer it was asked for."""

import time

import httpx

from bench.report import Figure, under
from bench.stand import TENANT, sandbox, say

LIMITS_S = {100_000: 5, 1_000_000: 60}


def measure() -> list[Figure]:
    """Seconds from the start of the process to the last page of the customers' export feed."""
    return [_served(customers, limit_s) for customers, limit_s in LIMITS_S.items()]


def _served(customers: int, limit_s: float) -> Figure:
    say(f"Starting a sandbox with {customers:,} customers and reading them all")
    began = time.perf_counter()
    with sandbox(customers) as url, httpx.Client(base_url=url, timeout=60) as http:
        rows = _read_all(http)
        seconds = time.perf_counter() - began
    if rows != customers:
        raise RuntimeError(f"The sandbox served {rows:,} of {customers:,} customers.")
    return under(f"{customers:,} customers served by the sandbox after its start", seconds, "s", limit_s)


def _read_all(http: httpx.Client) -> int:
    form = {"grant_type": "client_credentials", "client_id": "cid.example", "client_secret": "cs1.example-secret"}
    token = http.post("/connect/token", data=form).raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "ST-App-Key": "ak1.example"}
    rows, query = 0, {"includeRecentChanges": "true"}
    while True:
        answer = http.get(f"/crm/v2/tenant/{TENANT}/export/customers", params=query, headers=headers)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            time.sleep(float(answer.headers["retry-after"]))
            continue
        page = answer.raise_for_status().json()
        rows += len(page["data"])
        query["from"] = page["continueFrom"]
        if not page["hasMore"]:
            return rows
