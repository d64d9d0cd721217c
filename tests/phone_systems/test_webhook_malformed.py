"""Headers and bodies that are malformed on purpose.."""

import base64
import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from trunkline.calls.account import PhoneAccount
from trunkline.calls.identify import Identification
from trunkline.calls.intake import Inbox
from trunkline.calls.tracker import Tracker
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.registry import adapter
from trunkline.phone_systems.webhook import WebhookAdapter, WebhookOptions
from trunkline.store.database import Database

SECRET = f"whsec_{base64.b64encode(bytes(range(24))).decode()}"
BODY = b'{"kind": "started", "call_id": "c1", "occurred_at": "2026-03-02T15:00:00Z"}'
DEEP = b"[" * 100_000
LONGEST_ID = 255


def webhook() -> WebhookAdapter:
    return WebhookAdapter("main", WebhookOptions([SECRET]))


def signed(delivery: str = "d1") -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(delivery, now, BODY.decode()),
    }


def event(**fields: Any) -> bytes:
    return json.dumps({**json.loads(BODY), **fields}).encode()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("webhook-signature", "abc"),
        ("webhook-signature", "v1,abc"),
        ("webhook-signature", "v1,\xe9"),
        ("webhook-signature", "v1,a,b"),
        ("webhook-signature", " "),
        ("webhook-timestamp", "\xb2"),
        ("webhook-timestamp", "9" * 400),
        ("webhook-timestamp", "9" * 5000),
        ("webhook-id", "x" * (LONGEST_ID + 1)),
    ],
)
def test_a_malformed_header_is_refused_and_no_mistake_of_ours(header: str, value: str) -> None:
    with pytest.raises(Refused):
        webhook().verify(Delivery(BODY, datetime.now(UTC), tuple({**signed(), header: value}.items())))


def test_a_body_that_is_no_text_is_refused_and_no_mistake_of_ours() -> None:
    with pytest.raises(Refused):
        webhook().verify(Delivery(b"\xff\xfe", datetime.now(UTC), tuple(signed().items())))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!!"])
def test_an_empty_secret_is_told_with_the_name_of_the_account(secret: str) -> None:
    with pytest.raises(ValueError, match="Phone system main: "):
        adapter("webhook", "main", {"secrets": [secret]})


@pytest.mark.parametrize(
    "body",
    [
        event(call_id=""),
        event(call_id="x" * (LONGEST_ID + 1)),
        event(event_id="x" * (LONGEST_ID + 1)),
        event(leg_id=""),
        event(aliases=["c2", ""]),
        event(occurred_at="2026-03-02T15:00:00"),
        b'{"events":' + DEEP,
        BODY[:-1] + b', "more":' + DEEP,
    ],
)
def test_what_could_not_be_stored_or_compared_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        webhook().parse(RawMessage(body, datetime.now(UTC)))


@pytest.mark.parametrize(
    "bad", [event(did="x" * 9000), event(text="a\0b"), event(occurred_at="9999-12-31T23:59:59-14:00")]
)
async def test_whatever_is_stored_no_message_keeps_the_others_from_their_calls(database: Database, bad: bytes) -> None:
    async def nothing(_tenant_id: int, _call_id: int) -> None: ...

    account = PhoneAccount(1_000_001, "main", "US", webhook())
    tracker = Tracker(database, Identification(database, {}), nothing)
    messages = [RawMessage(body, datetime.now(UTC)) for body in (event(call_id="c2"), bad, event(call_id="c3"))]
    stored = await Inbox(database).append(account, messages, patient=False)
    await tracker.take(account, stored)
    async with database.connection() as connection:
        cursor = await connection.execute("select count(*) from calls.inbox where processed_at is null")
        assert await cursor.fetchone() == (0,)
        cursor = await connection.execute("select call_key from calls.calls where call_key <> 'c1' order by 1")
        assert await cursor.fetchall() == [("c2",), ("c3",)]


async def test_a_message_that_the_database_cannot_hold_is_marked_and_costs_the_others_nothing(
    database: Database,
) -> None:
    """Another adapter may be less careful: here one that says NUL, and one with an endless key."""

    class Careless(WebhookAdapter):
        def parse(self, message: RawMessage) -> list[Any]:
            (found,) = super().parse(message)
            if message.body.endswith(b'"nul"}'):
                return [msgspec.structs.replace(found, external_name="a\0b")]
            if message.body.endswith(b'"long"}'):
                key = base64.b64encode(Random(1).randbytes(9000)).decode()
                return [msgspec.structs.replace(found, call_key=key)]
            return [found]

    async def nothing(_tenant_id: int, _call_id: int) -> None: ...

    account = PhoneAccount(1_000_001, "main", "US", Careless("main", WebhookOptions([SECRET])))
    tracker = Tracker(database, Identification(database, {}), nothing)
    bodies = (event(call_id="c2"), event(text="nul"), event(text="long"), event(call_id="c3"))
    stored = await Inbox(database).append(
        account, [RawMessage(body, datetime.now(UTC)) for body in bodies], patient=False
    )
    await tracker.take(account, stored)
    async with database.connection() as connection:
        cursor = await connection.execute("select error is null, processed_at is not null from calls.inbox order by id")
        assert await cursor.fetchall() == [(True, True), (False, True), (False, True), (True, True)]
