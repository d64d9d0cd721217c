"""The webhook adapter: who may speak to it, and what it makes of what they say."""

import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from trunkline.domain.call import CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.domain.fold import fold
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import LARGEST_BODY, Delivery, Refused
from trunkline.phone_systems.registry import adapter
from trunkline.phone_systems.webhook import WebhookAdapter, WebhookOptions

SECRET, OTHER, STRANGER = (f"whsec_{base64.b64encode(bytes([n]) * 24).decode()}" for n in (1, 2, 3))
BODY = b'{"kind": "started", "call_id": "c1", "occurred_at": "2026-03-02T15:00:00Z"}'
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def webhook(*secrets: str) -> WebhookAdapter:
    """The adapter of one account."""
    return WebhookAdapter("main", WebhookOptions(list(secrets or (SECRET,))))


def signed(body: bytes = BODY, secret: str = SECRET, *, delivery: str = "d1", late_s: float = 0) -> dict[str, str]:
    """The headers of a delivery that was sent `late_s` seconds ago."""
    sent = datetime.now(UTC) - timedelta(seconds=late_s)
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(int(sent.timestamp())),
        "webhook-signature": Webhook(secret).sign(delivery, sent, body.decode()),
    }


def verify(headers: dict[str, str], body: bytes = BODY, *secrets: str) -> RawMessage:
    """What the adapter takes a delivery for, now."""
    return webhook(*secrets).verify(Delivery(body, datetime.now(UTC), tuple(headers.items())))


def parse(body: object) -> list[CallEvent]:
    """The events in a body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    events = webhook().parse(RawMessage(content, AT))
    assert all(isinstance(event, CallEvent) for event in events)
    return events  # type: ignore[return-value]


def event(**fields: Any) -> dict[str, Any]:
    """An event with what is required."""
    return {"kind": "ringing", "call_id": "c1", "occurred_at": "2026-03-02T15:00:00Z", **fields}


# Who may speak ------------------------------------------------------------------------------------------------------


def test_a_signed_delivery_is_taken_as_it_is() -> None:
    message = verify(signed(delivery="d7"))
    assert (message.body, message.delivery_id) == (BODY, "d7")


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_delivery_without_a_header_is_refused_by_its_name(missing: str, value: str | None) -> None:
    headers = signed()
    headers.pop(missing)
    if value is not None:
        headers[missing] = value
    with pytest.raises(Refused, match=f"The header {missing} is missing") as caught:
        verify(headers)
    assert caught.value.status == 401


def test_a_delivery_signed_with_another_secret_is_refused() -> None:
    with pytest.raises(Refused, match="does not match any secret") as caught:
        verify(signed(secret=STRANGER))
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "d2"},
        {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()},
        {"webhook-signature": "v1," + base64.b64encode(b"").decode()},
        {"webhook-signature": "v2," + base64.b64encode(b"x" * 32).decode()},
    ],
)
def test_a_header_that_was_changed_on_its_way_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Refused, match="does not match any secret"):
        verify({**signed(), **change})


def test_a_delivery_cannot_be_made_younger_without_the_secret() -> None:
    old = signed(late_s=3600)
    with pytest.raises(Refused, match="does not match any secret"):
        verify({**old, "webhook-timestamp": signed()["webhook-timestamp"]})


@given(st.integers(0, len(BODY) - 1), st.integers(1, 127))
def test_a_body_that_was_changed_on_its_way_is_refused(place: int, difference: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= difference
    with pytest.raises(Refused):
        verify(signed(), bytes(changed))


@pytest.mark.parametrize("late_s", [301, 3600, 10**9, -303, -3600])
def test_a_stale_or_early_delivery_is_refused_though_its_signature_is_right(late_s: float) -> None:
    with pytest.raises(Refused, match="more than five minutes from our clock"):
        verify(signed(late_s=late_s))


@pytest.mark.parametrize("late_s", [290, -290])
def test_clocks_may_differ_by_some_minutes(late_s: float) -> None:
    assert verify(signed(late_s=late_s)).body == BODY


@pytest.mark.parametrize("stamp", ["soon", "-5", "1e9", "12.5", "0x10", " "])
def test_a_timestamp_that_is_no_number_of_seconds_is_refused(stamp: str) -> None:
    with pytest.raises(Refused):
        verify({**signed(), "webhook-timestamp": stamp})


def test_the_largest_body_is_taken() -> None:
    body = b"x" * LARGEST_BODY
    assert verify(signed(body), body).body == body


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_each_of_several_secrets_is_accepted_while_one_replaces_the_other(secret: str) -> None:
    assert verify(signed(secret=secret), BODY, SECRET, OTHER).body == BODY
    with pytest.raises(Refused):
        verify(signed(secret=STRANGER), BODY, SECRET, OTHER)


def test_a_secret_that_was_taken_out_is_refused() -> None:
    with pytest.raises(Refused):
        verify(signed(secret=SECRET), BODY, OTHER)


def test_a_sender_that_signs_with_old_and_new_secret_is_accepted_by_either() -> None:
    old, new = signed(secret=OTHER), signed(secret=SECRET)
    both = {**new, "webhook-signature": f"{old['webhook-signature']} {new['webhook-signature']}"}
    assert verify(both).body == BODY
    assert verify(both, BODY, OTHER).body == BODY


def test_the_same_delivery_verifies_again_because_the_inbox_tells_replays() -> None:
    headers = signed(delivery="d7")
    assert verify(headers).delivery_id == verify(headers).delivery_id == "d7"


# An app key in place of the secret may well decode as base64; its beginning gives it away.
@pytest.mark.parametrize(
    "options",
    [{}, {"secrets": []}, {"secrets": ["whsec_a"]}, {"secrets": "whsec_AAAA"}, {"secrets": ["ak1.example"]},
     {"secrets": [SECRET.removeprefix("whsec_")]}],
)  # fmt: skip
def test_options_that_cannot_work_are_told_with_the_name_of_the_account(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Phone system main: "):
        adapter("webhook", "main", options)


def test_an_option_that_does_not_exist_is_told_by_its_name() -> None:
    with pytest.raises(ValueError, match="secretz"):
        adapter("webhook", "main", {"secretz": [SECRET]})


def test_options_show_no_secret() -> None:
    options = WebhookOptions([SECRET, OTHER])
    assert repr(options) == "WebhookOptions(2 secrets)"
    with pytest.raises(ValueError, match="followed by base64") as caught:
        WebhookAdapter("main", WebhookOptions([SECRET, "whsec_hushh"]))
    assert "hushh" not in str(caught.value)
    assert SECRET not in str(caught.value)


# What they say ------------------------------------------------------------------------------------------------------


def test_an_event_is_translated_field_by_field() -> None:
    (found,) = parse(
        event(
            kind="answered", event_id="e1", leg_id="l1", aliases=["c2", "c3"], direction="inbound",
            external_number="(437) 555-0142", external_name="JANE EXAMPLE", did="4375550100", queue="Service",
            agent={"extension": "201", "name": "Dana Desk", "email": "dana@example.com", "id": "u-7"},
            reason="normal", recording_url="https://pbx.example/1.wav", text="A note.",
        )
    )  # fmt: skip
    assert found == CallEvent(
        system="webhook", account="main", call_key="c1", kind=EventKind.ANSWERED, occurred_at=AT, event_id="e1",
        leg_key="l1", aliases=("c2", "c3"), direction=Direction.INBOUND, external_number="(437) 555-0142",
        external_name="JANE EXAMPLE", did="4375550100", queue="Service", reason=EndReason.NORMAL,
        party=Party(PartyKind.AGENT, "201", "Dana Desk", "u-7", "dana@example.com"),
        vendor_kind="answered", media_url="https://pbx.example/1.wav", text="A note.",
    )  # fmt: skip


def test_several_events_keep_their_order() -> None:
    body = {"events": [event(event_id=str(number), call_id=f"c{number % 2}") for number in range(5)]}
    assert [(one.event_id, one.call_key) for one in parse(body)] == [
        ("0", "c0"), ("1", "c1"), ("2", "c0"), ("3", "c1"), ("4", "c0"),
    ]  # fmt: skip
    assert parse({"events": []}) == []


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_is_understood(kind: EventKind) -> None:
    (found,) = parse(event(kind=kind.value))
    assert (found.kind, found.vendor_kind) == (kind, kind.value)


@pytest.mark.parametrize("kind", ["call.ringing", "RINGING", "", "\N{PILE OF POO}"])
def test_a_kind_that_nobody_knows_is_kept_as_an_unknown_event(kind: str) -> None:
    (found,) = parse(event(kind=kind, external_number="4375550142"))
    assert (found.kind, found.vendor_kind, found.external_number) == (EventKind.UNKNOWN, kind, "4375550142")


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_reason_is_understood(reason: EndReason) -> None:
    assert parse(event(reason=reason.value))[0].reason is reason


def test_a_reason_that_nobody_knows_is_an_unknown_one() -> None:
    assert parse(event(reason="line cut by a digger"))[0].reason is EndReason.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "party"), [("routed", Party(PartyKind.QUEUE, name="Service")), ("ringing", None), ("ended", None)]
)
def test_a_queue_is_a_party_only_where_the_call_goes_to_it(kind: str, party: Party | None) -> None:
    (found,) = parse(event(kind=kind, queue="Service"))
    assert (found.party, found.queue) == (party, "Service")


def test_times_with_an_offset_are_the_same_moment() -> None:
    assert parse(event(occurred_at="2026-03-02T10:00:00-05:00"))[0].occurred_at == AT


def test_fields_that_nobody_announced_are_passed_over() -> None:
    assert parse(event(brand_new={"deep": [1]}, agent={"shoe_size": 43})) == parse(event(agent={}))


@pytest.mark.parametrize("number", ["9" * 10_000, "not a number", "+", "911", "\N{PILE OF POO}", "' or 1=1 --", ""])
def test_an_absurd_number_is_kept_and_identifies_nobody(number: str) -> None:
    (found,) = parse(event(external_number=number, direction="inbound"))
    assert found.external_number == number
    assert fold([found]).external_number is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"not json", b"\xff\xfe", b"null", b"[]", b"7", b'"text"', b'{"events": {}}', b'{"events": [7]}', b"{}",
        BODY[:-5], BODY + b"}", b"<html>", b"kind=started&call_id=c1",
    ],
)  # fmt: skip
def test_what_is_no_such_json_is_unreadable_and_told_in_one_sentence(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^The webhook's JSON cannot be read: .*\.$"):
        parse(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": None}, {"call_id": None}, {"call_id": 7}, {"occurred_at": None}, {"occurred_at": "yesterday"},
        {"occurred_at": 1772463600}, {"direction": "sideways"}, {"agent": "Dana"}, {"agent": {"extension": 201}},
        {"aliases": "c2"}, {"external_number": 4375550142},
    ],
)  # fmt: skip
def test_a_field_of_another_type_makes_the_whole_delivery_unreadable(fields: dict[str, object]) -> None:
    with pytest.raises(Unreadable):
        parse({"events": [event(), event(**fields)]})


@pytest.mark.parametrize("missing", ["kind", "call_id", "occurred_at"])
def test_what_is_required_is_told_by_its_name(missing: str) -> None:
    body = event()
    del body[missing]
    with pytest.raises(Unreadable, match=missing):
        parse(body)


@given(st.binary(max_size=200))
def test_no_body_does_anything_but_parse_or_be_unreadable(body: bytes) -> None:
    with contextlib.suppress(Unreadable):
        assert all(one.call_key is not None for one in parse(body))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(event())), inner, max_size=3),
        max_leaves=10,
    )
)
def test_no_json_does_anything_but_parse_or_be_unreadable(body: object) -> None:
    with contextlib.suppress(Unreadable):
        assert all(one.call_key is not None for one in parse(body))


def test_the_same_message_gives_the_same_events_again() -> None:
    body = json.dumps({"events": [event(), event(kind="ended", reason="busy")]}).encode()
    assert msgspec.json.encode(parse(body)) == msgspec.json.encode(parse(body))


def test_an_outbound_call_is_answered_when_the_outside_party_answers() -> None:
    agent = {"extension": "201", "name": "Dana Desk"}
    told = [
        event(kind="started", direction="outbound", external_number="4375550142", agent=agent, event_id="1"),
        event(kind="answered", agent=agent, event_id="2", occurred_at="2026-03-02T15:00:01Z"),
        event(kind="ringing", event_id="3", occurred_at="2026-03-02T15:00:02Z"),
    ]
    assert fold(parse({"events": told})).answered_at is None
    told += [
        event(kind="answered", event_id="4", occurred_at="2026-03-02T15:00:09Z"),
        event(kind="ended", event_id="5", occurred_at="2026-03-02T15:01:09Z"),
    ]
    call = fold(parse({"events": told}))
    assert (call.state, call.outcome, call.talk_s) == (CallState.ENDED, Outcome.ANSWERED, 60.0)
    assert call.answered_by is not None
    assert call.answered_by.extension == "201"
