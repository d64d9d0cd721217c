"""Deliveries over real HTTP into a real database, and the page that tells others how to send them."""

import asyncio
import base64
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
import uvicorn
from standardwebhooks.webhooks import Webhook

from company import TLS
from trunkline.calls.account import PhoneAccount
from trunkline.calls.desk import CallDesk
from trunkline.calls.feed import LiveFeed
from trunkline.calls.identify import Identification
from trunkline.calls.intake import Inbox, Refusals
from trunkline.calls.tracker import Tracker
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import Direction, EndReason, EventKind
from trunkline.numbers.book import NumberBook
from trunkline.phone_systems import webhook
from trunkline.phone_systems.delivery import LARGEST_BODY, TOLERANCE_S
from trunkline.phone_systems.webhook import WebhookAdapter, WebhookOptions
from trunkline.servicetitan.scopes import ScopeReport
from trunkline.store.database import Database
from trunkline.web.application import create_web
from trunkline.web.ports import Hook

TENANT = 1_000_001
ACCOUNT = "answering-service"
SECRET = f"whsec_{base64.b64encode(b'an example of a secret!!').decode()}"
DOCUMENT = Path(__file__).parents[2] / "docs" / "webhook.md"


class Office:
    """Takes deliveries at `url`, and shows what became of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        identification = Identification(database, {})
        self.numbers = NumberBook(database, identification.card)
        self.account = PhoneAccount(TENANT, ACCOUNT, "US", WebhookAdapter(ACCOUNT, WebhookOptions([SECRET])))
        tracker = Tracker(database, identification, _nothing)
        self.desk = CallDesk(database, Inbox(database), tracker, identification)
        self.refusals = Refusals(database)
        self.url = ""

    async def inbox(self) -> list[tuple[Any, ...]]:
        """Delivery id and what was wrong with it, for each message that was kept."""
        await self.desk.drain()
        return await self._rows("select delivery_id, error from calls.inbox order by id")

    async def calls(self) -> list[Call]:
        """The calls that came of it."""
        await self.desk.drain()
        rows = await self._rows("select call::text from calls.calls where merged_into is null order by id")
        return [msgspec.json.decode(row[0], type=Call) for row in rows]

    async def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return await (await connection.execute(statement.encode())).fetchall()

    async def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Deliver."""
        async with httpx.AsyncClient(verify=TLS) as http:
            return await http.post(self.url, content=body, headers=headers)


async def _nothing(_tenant_id: int, _call_id: int) -> None:
    """Ended calls are not logged here."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: object) -> AsyncIterator[str]:
    """The base URL of `app` on a free port."""
    server = _Server(uvicorn.Config(cast("Any", app), port=0, log_config=None, lifespan="on"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    """The web application with one phone system that sends webhooks."""

    opened = Office(database)
    app = create_web(
        desk=opened.desk,
        feed=LiveFeed(database),
        numbers=opened.numbers,
        tenants={},
        progress=_no_progress,
        health=_no_progress,
        scopes=_no_scopes,
        hooks={
            ACCOUNT: Hook(
                cast("WebhookAdapter", opened.account.adapter),
                partial(opened.desk.receive, opened.account, patient=False),
                partial(opened.refusals.add, opened.account),
            )
        },
        access_token="an example of an access token",
    )
    async with serving(app) as base_url:
        opened.url = f"{base_url}/hooks/{ACCOUNT}"
        yield opened
        await opened.desk.close()


async def _no_progress(_tenant_id: int) -> list[Any]:
    return []


async def _no_scopes(_tenant_id: int) -> tuple[ScopeReport, None]:
    return ScopeReport((), frozenset()), None


def signed(body: bytes, *, delivery: str = "d1", secret: str = SECRET, late_s: float = 0) -> dict[str, str]:
    """The headers of a delivery."""
    sent = datetime.now(UTC) - timedelta(seconds=late_s)
    return {
        "Webhook-Id": delivery,
        "Webhook-Timestamp": str(int(sent.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(delivery, sent, body.decode()),
    }


def event(**fields: object) -> bytes:
    """A body with one event."""
    base = {"kind": "ringing", "call_id": "c1", "occurred_at": "2026-03-02T15:00:00Z", "direction": "inbound"}
    return json.dumps({**base, **fields}).encode()


def example(language: str) -> str:
    """The document's block of code in that language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return cast("str", block)


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the document's table whose first column has that heading, by each word in code type there."""
    lines = DOCUMENT.read_text().split(f"| {heading} |", 1)[1].splitlines()[2:]
    rows: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows.update(dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells))
    return rows


# Deliveries ---------------------------------------------------------------------------------------------------------


async def test_a_delivery_is_kept_and_becomes_a_call(office: Office) -> None:
    body = event(external_number="437-555-0142")
    answer = await office.post(body, signed(body))
    assert answer.status_code == 202
    assert answer.content == b""
    assert await office.inbox() == [("d1", None)]
    (call,) = await office.calls()
    assert (call.state, call.external_number) == (CallState.RINGING, "+14375550142")


async def test_a_delivery_that_is_repeated_counts_once_and_is_acknowledged_again(office: Office) -> None:
    body = event()
    answers = [await office.post(body, signed(body, delivery="d7")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert await office.inbox() == [("d7", None)]
    assert [call.events for call in await office.calls()] == [1]


async def test_an_event_that_comes_with_two_deliveries_counts_once(office: Office) -> None:
    body = event(event_id="e1")
    for delivery in ("d1", "d2"):
        await office.post(body, signed(body, delivery=delivery))
    assert await office.inbox() == [("d1", None), ("d2", None)]
    assert [call.events for call in await office.calls()] == [1]


async def test_what_is_not_proved_is_refused_and_not_kept(office: Office) -> None:
    stranger = f"whsec_{base64.b64encode(b'x' * 24).decode()}"
    refused: list[tuple[dict[str, str], str]] = [
        ({}, "The header webhook-id is missing."),
        ({"Authorization": "Bearer an example of an access token"}, "The header webhook-id is missing."),
        (signed(event(), secret=stranger), "does not match any secret"),
        (signed(event(call_id="another")), "does not match any secret"),
        (signed(event(), late_s=400), "more than five minutes"),
    ]
    for headers, sentence in refused:
        answer = await office.post(event(), headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert sentence in answer.json()["detail"]
        assert SECRET not in answer.text
    assert await office.inbox() == []
    await office.refusals.write_down()
    await office.refusals.write_down()  # what is written down is not counted again
    async with office.database.connection() as connection:
        counted = await connection.execute("select tenant_id, account, refused, reason from calls.refusals")
        assert await counted.fetchall() == [
            (TENANT, ACCOUNT, len(refused), "The timestamp is more than five minutes from our clock.")
        ]


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 3 * 1024 * 1024])
async def test_an_oversized_delivery_is_refused(office: Office, size: int) -> None:
    body = event(text="x" * size)
    answer = await office.post(body, signed(body))
    assert answer.status_code == 413
    assert await office.inbox() == []


@pytest.mark.parametrize("body", [b"not json", b"[]", event(direction="sideways"), event(occurred_at="yesterday")])
async def test_what_cannot_be_read_is_kept_with_a_sentence_and_stops_nothing(office: Office, body: bytes) -> None:
    assert (await office.post(body, signed(body, delivery="bad"))).status_code == 202
    good = event()
    assert (await office.post(good, signed(good, delivery="good"))).status_code == 202
    (bad, problem), fine = await office.inbox()
    assert (bad, fine) == ("bad", ("good", None))
    assert problem.startswith("The webhook's JSON cannot be read: ")
    assert len(await office.calls()) == 1


async def test_an_unknown_kind_and_an_absurd_number_still_make_a_call(office: Office) -> None:
    body = event(kind="call.something_new", external_number="9" * 10_000, external_name="x" * 10_000)
    await office.post(body, signed(body))
    assert await office.inbox() == [("d1", None)]
    (call,) = await office.calls()
    assert (call.state, call.external_number, call.events) == (CallState.NEW, None, 1)


async def test_an_account_that_does_not_exist_is_told(office: Office) -> None:
    body = event()
    office.url = office.url.replace(ACCOUNT, "nobody")
    answer = await office.post(body, signed(body))
    assert (answer.status_code, "No phone system" in answer.text) == (404, True)


async def test_a_delivery_that_cannot_be_stored_is_asked_for_again(office: Office) -> None:
    async with office.database.connection() as connection:
        await connection.execute(
            "create function calls.fail() returns trigger language plpgsql as"
            " $$ begin raise exception 'no space left' using errcode = 'disk_full'; end $$;"
            " create trigger fail before insert on calls.inbox for each row execute function calls.fail()"
        )
    body = event()
    answer = await office.post(body, signed(body))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    async with office.database.connection() as connection:
        await connection.execute("drop trigger fail on calls.inbox")
    assert (await office.post(body, signed(body))).status_code == 202
    assert await office.inbox() == [("d1", None)]


# The document -------------------------------------------------------------------------------------------------------


async def test_the_documents_example_is_the_call_that_the_document_says(office: Office) -> None:
    body = example("json").encode()
    assert (await office.post(body, signed(body))).status_code == 202
    assert await office.inbox() == [("d1", None)]
    (call,) = await office.calls()
    assert (call.direction, call.state, call.outcome) == (Direction.INBOUND, CallState.ENDED, Outcome.ANSWERED)
    assert (call.external_number, call.external_name, call.did) == ("+14375550142", "JANE EXAMPLE", "4375550100")
    assert (call.wait_s, call.talk_s, call.queues, call.events) == (9.0, 180.0, ("Service",), 5)
    assert call.answered_by is not None
    assert (call.answered_by.extension, call.legs[0].party and call.legs[0].party.name) == ("201", "Dana Desk")


async def test_the_documents_example_is_the_same_call_when_it_comes_in_pieces_and_backwards(office: Office) -> None:
    events = json.loads(example("json"))["events"]
    for place, one in reversed(list(enumerate(events))):
        body = json.dumps(one).encode()
        await office.post(body, signed(body, delivery=f"d{place}"))
    (call,) = await office.calls()
    assert (call.outcome, call.wait_s, call.talk_s, call.events) == (Outcome.ANSWERED, 9.0, 180.0, 5)


@pytest.mark.parametrize(
    ("language", "programs"), [("python", []), ("sh", ["sh", "openssl", "curl", "od", "tr", "date", "cat"])]
)
async def test_the_documents_programs_send_what_is_accepted(
    office: Office, tmp_path: Path, language: str, programs: list[str]
) -> None:
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    script = tmp_path / "send"
    script.write_text(example(language))
    program = sys.executable if language == "python" else "sh"
    body = example("json").encode()
    code, printed = await _run([program, str(script), office.url], body, SECRET)
    assert (code, printed.strip()) == (0, b"202")
    assert [problem for _, problem in await office.inbox()] == [None]
    assert [call.outcome for call in await office.calls()] == [Outcome.ANSWERED]

    wrong = f"whsec_{base64.b64encode(b'another secret, too!').decode()}"
    code, _ = await _run([program, str(script), office.url], body, wrong)
    assert code != 0
    assert len(await office.inbox()) == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(
    "secret", [SECRET, *(f"whsec_{base64.b64encode(bytes(range(n))).decode()}" for n in (24, 33, 64))]
)
@pytest.mark.parametrize("body", [b"{}", event(external_name="Zo\u00eb '\"$HOME` \\n %s"), example("json").encode()])
async def test_the_shell_example_computes_what_standard_webhooks_computes(secret: str, body: bytes) -> None:
    computation, _, _ = example("sh").partition('printf %s "$body" | curl')
    script = computation + r"""printf '%s\n' "$id" "$timestamp" "v1,$signature" """
    code, printed = await _run(["sh", "-c", script], body, secret)
    assert code == 0
    delivery, timestamp, signature = printed.decode().split()
    headers = {"webhook-id": delivery, "webhook-timestamp": timestamp, "webhook-signature": signature}
    Webhook(secret).verify(body.rstrip(b"\n"), headers, json_parse=False)  # raises where it does not


async def _run(command: list[str], given: bytes, secret: str) -> tuple[int | None, bytes]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "TRUNKLINE_WEBHOOK_SECRET": secret, "NO_PROXY": "*"}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    printed, _ = await process.communicate(given)
    return process.returncode, printed


def test_every_field_is_documented_and_no_other() -> None:
    documented = table("Field")
    fields = {field.encode_name: field for field in msgspec.structs.fields(webhook._Event)}
    agent = {field.encode_name for field in msgspec.structs.fields(webhook._Agent)}
    assert set(documented) == set(fields)
    assert agent <= set(re.findall(r"`(\w+)`", documented["agent"][2]))
    for name, field in fields.items():
        assert ("required" in documented[name][1]) is field.required, name
    assert {direction.value for direction in Direction} <= set(re.findall(r"`(\w+)`", documented["direction"][2]))


def test_every_kind_and_reason_is_documented_and_no_other() -> None:
    assert set(table("Kind")) == {kind.value for kind in EventKind}
    sentence = DOCUMENT.read_text().split("`reason` is one of")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == {reason.value for reason in EndReason}


def test_limits_and_headers_are_documented_as_they_are() -> None:
    text = DOCUMENT.read_text()
    assert set(table("Header")) == set(webhook._HEADERS)
    assert (LARGEST_BODY, "at most 1 MiB" in text) == (1024 * 1024, True)
    assert (TOLERANCE_S, "More than five minutes" in text) == (300, True)
