"""How fast ended calls are logged into one tenant, within ServiceTitan's limit."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
from standardwebhooks.webhooks import Webhook

from bench.report import Figure, at_least, under
from bench.stand import SIGNING, Served, number_of, say

CALLS = 3000  # the two seconds before a call is logged are no part of the rate
BATCH = 50
WITHIN_S = 120


def measure(served: Served, database_url: str, sandbox_url: str) -> list[Figure]:
    """Deliver calls of certain customers, all over already, and wait until each has its note in ServiceTitan."""
    say(f"Logging {CALLS:,} calls")
    before = _ledger(sandbox_url)
    began = time.perf_counter()
    with httpx.Client(base_url=served.url, timeout=30) as http:
        for first in range(0, CALLS, BATCH):
            _deliver(http, range(first, first + BATCH))
    with psycopg.connect(database_url, autocommit=True) as connection:
        while _logged(connection) < CALLS:
            if time.perf_counter() - began > WITHIN_S:
                raise RuntimeError(f"Only {_logged(connection)} of {CALLS} calls were logged within {WITHIN_S} s.")
            time.sleep(0.05)
    seconds = time.perf_counter() - began
    after = _ledger(sandbox_url)
    notes = len(after["notes"]) - len(before["notes"])
    if notes != CALLS:
        raise RuntimeError(f"{CALLS} calls made {notes} notes.")
    refused = after["statuses"].get("429", 0) - before["statuses"].get("429", 0)
    return [
        at_least(
            "calls logged into one tenant", CALLS / seconds, "calls/s", "50 calls/s", ratio=CALLS / seconds / 50, bar=1
        ),
        Figure("429 answers meanwhile", refused, "answers", "none", refused, "<= 0"),
        under("most requests within a second", after["most_per_second"], "requests", 60),
    ]


def _ledger(sandbox_url: str) -> dict[str, Any]:
    return dict(httpx.get(f"{sandbox_url}/sandbox/ledger", timeout=30).json())


def _deliver(http: httpx.Client, numbers: range) -> None:
    now = datetime.now(UTC)
    events = [
        {"call_id": f"logged-{number}", "occurred_at": (now + timedelta(seconds=seconds)).isoformat(), **event}
        for number in numbers
        for seconds, event in (
            (-60, {"kind": "started", "direction": "inbound", "external_number": number_of(number)}),
            (-50, {"kind": "answered", "leg_id": f"{number}-a", "agent": {"extension": "201", "name": "Dana Desk"}}),
            (0, {"kind": "ended", "reason": "normal"}),
        )
    ]
    body = json.dumps({"events": events})
    name = f"logged-{numbers.start}"
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SIGNING).sign(name, now, body),
    }
    http.post("/hooks/hooks", content=body, headers=headers).raise_for_status()


def _logged(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "select count(*) from logbook.entries e join calls.calls c on c.id = e.call_id"
        " where e.state = 'logged' and c.account = 'hooks'"
    ).fetchone()
    return int(row[0]) if row else 0
