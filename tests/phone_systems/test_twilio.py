"""What is special to Twilio: legs and whose they are, proofs over the address, and its REST API."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from litestar import Response
from vendor_rest import Asked, VendorRest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown
from trunkline.phone_systems.twilio import TwilioAdapter, TwilioOptions
from trunkline.phone_systems.twilio.legs import Line
from trunkline.phone_systems.twilio.told import REASONS, STATUSES
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.twilio import ACCOUNT_SID, SPEAKER

K = EventKind
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
JANE, DID, MOBILE = "+14375550142", "+14375550100", "+14375550123"
DANA, SAM = "client:dana", "sip:202@example.sip.twilio.com"
PARENT, CHILD, OTHER = f"CA{1:032x}", f"CA{2:032x}", f"CA{3:032x}"
TOKEN = "not-a-real-secret"
ADDRESS = "https://bridge.example.com/hooks/twilio-main"
AGENT_DANA = Party(PartyKind.AGENT, extension="201", provider_id=DANA)
AGENT_SAM = Party(PartyKind.AGENT, extension="202", provider_id=SAM)


def adapter(**options: Any) -> TwilioAdapter:
    given = {
        "account_sid": ACCOUNT_SID,
        "auth_tokens": [TOKEN],
        "address": ADDRESS,
        "numbers": [DID],
        "agents": {DANA: "201", MOBILE: "203"},
        **options,
    }
    return TwilioAdapter.configure("main", given)


def stamp(after_s: float = 0.0) -> str:
    return format_datetime(AT + timedelta(seconds=after_s))


def form(**given: str) -> bytes:
    return urlencode({"AccountSid": ACCOUNT_SID, **given}).encode()


def inbound(status: str = "completed", *, after_s: float = 0.0, **more: str) -> bytes:
    """A callback of the caller's own leg."""
    ends = {"CallSid": PARENT, "Direction": "inbound", "From": JANE, "To": DID}
    return form(**{**ends, "CallStatus": status, "Timestamp": stamp(after_s), **more})


def rung(status: str, to: str = DANA, *, after_s: float = 0.0, sid: str = CHILD, **more: str) -> bytes:
    """A callback of a phone that the caller's leg had dialled."""
    ends = {"CallSid": sid, "ParentCallSid": PARENT, "Direction": "outbound-dial", "From": JANE, "To": to}
    return form(**{**ends, "CallStatus": status, "Timestamp": stamp(after_s), **more})


def parsed(body: bytes, *, kind: str = "", **options: Any) -> list[CallEvent]:
    told = adapter(**options).parse(RawMessage(body, AT, kind=kind))
    assert all(isinstance(event, CallEvent) for event in told)
    return told  # type: ignore[return-value]


def calls(*bodies: bytes, kind: str = "", **options: Any) -> list[Call]:
    messages = [(place, RawMessage(body, AT, kind=kind)) for place, body in enumerate(bodies)]
    return in_memory(adapter(**options), messages)


# Whose leg it is ------------------------------------------------------------------------------------------------

WHO_IS_WHERE = [
    # direction, From, To -> direction, outside number, DID, party
    ("inbound", JANE, DID, Direction.INBOUND, JANE, DID, Party(PartyKind.EXTERNAL)),
    ("inbound", f"sip:{JANE}@carrier.example", DID, Direction.INBOUND, JANE, DID, Party(PartyKind.EXTERNAL)),
    ("inbound", f"{JANE}@carrier.example", DID, Direction.INBOUND, JANE, DID, Party(PartyKind.EXTERNAL)),
    ("inbound", "sip:anonymous@anonymous.invalid", DID, Direction.INBOUND, "anonymous", DID, Party(PartyKind.EXTERNAL)),
    ("inbound", DANA, "", None, None, None, AGENT_DANA),
    ("inbound", DANA, JANE, Direction.OUTBOUND, JANE, None, AGENT_DANA),
    ("inbound", DANA, SAM, Direction.INTERNAL, None, None, AGENT_DANA),
    ("inbound", SAM, "sip:14375550142@example.sip.twilio.com", Direction.OUTBOUND, "14375550142", None, AGENT_SAM),
    ("outbound-dial", JANE, DANA, Direction.INBOUND, JANE, None, AGENT_DANA),
    ("outbound-dial", JANE, f"{SAM};transport=tls", Direction.INBOUND, JANE, None, AGENT_SAM),
    ("outbound-dial", JANE, MOBILE, Direction.INBOUND, JANE, None, Party(PartyKind.AGENT, "203", None, MOBILE)),
    (
        "outbound-dial", JANE, "+14375550199", Direction.INBOUND, JANE, None,
        Party(PartyKind.AGENT, provider_id="+14375550199"),
    ),
    ("outbound-dial", DID, DANA, None, None, None, AGENT_DANA),
    ("outbound-dial", SAM, DANA, Direction.INTERNAL, None, None, AGENT_DANA),
    ("outbound-dial", DID, JANE, Direction.OUTBOUND, JANE, DID, Party(PartyKind.EXTERNAL)),
    ("outbound-dial", DANA, JANE, Direction.OUTBOUND, JANE, None, Party(PartyKind.EXTERNAL)),
    ("outbound-api", DID, JANE, Direction.OUTBOUND, JANE, DID, Party(PartyKind.EXTERNAL)),
    ("outbound-api", DID, "sim:DE0001", None, None, None, Party(PartyKind.AGENT, None, "DE0001", "sim:DE0001")),
    (
        "outbound-api", DID, "sip:sam@example.sip.twilio.com", None, None, None,
        Party(PartyKind.AGENT, None, "sam", "sip:sam@example.sip.twilio.com"),
    ),
    ("trunking-originating", JANE, DID, Direction.INBOUND, JANE, DID, None),
    ("trunking-terminating", DID, JANE, Direction.OUTBOUND, JANE, DID, Party(PartyKind.EXTERNAL)),
    ("sideways", JANE, DID, None, None, None, None),
]  # fmt: skip


@pytest.mark.parametrize("case", WHO_IS_WHERE, ids=lambda case: " ".join(case[:3]))
def test_direction_is_where_the_outside_party_is(case: tuple[Any, ...]) -> None:
    made, caller, called, *expected = case
    event = parsed(form(CallSid=CHILD, CallStatus="ringing", Direction=made, From=caller, To=called))[0]
    assert [event.direction, event.external_number, event.did, event.party] == expected


EXPECTED = {
    Line.CALLER: ("inbound", JANE, DID),
    Line.DIALLER: ("inbound", DANA, JANE),
    Line.AGENT: ("outbound-dial", JANE, DANA),
    Line.OUTSIDE: ("outbound-dial", DID, JANE),
}


@pytest.mark.parametrize(
    ("line", "status", "kind"),
    [(line, status, kind) for line, table in STATUSES.items() for status, kind in table.items()],
)
def test_what_a_status_means_depends_on_whose_leg_it_is(line: Line, status: str, kind: EventKind) -> None:
    direction, caller, called = EXPECTED[line]
    ends = {"CallSid": CHILD, "Direction": direction, "From": caller, "To": called}
    body = form(**ends, CallStatus=status, Timestamp=stamp())
    event = parsed(body)[0]
    assert (event.kind, event.leg_key, event.occurred_at) == (kind, CHILD, AT)
    assert event.reason == (REASONS.get(status) if kind in (K.ENDED, K.LEFT, K.RING_ENDED) else None)


def test_that_twilio_picks_up_is_no_answer() -> None:
    (call,) = calls(inbound("ringing"), inbound("in-progress", after_s=1))
    assert (call.state, call.answered_at) == (CallState.ROUTED, None)
    (call,) = calls(inbound("completed", after_s=30, CallDuration="29"))
    assert (call.outcome, call.wait_s) == (Outcome.ABANDONED, 29.0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("no-answer", Outcome.MISSED),
        ("canceled", Outcome.MISSED),
        ("busy", Outcome.BUSY),
        ("failed", Outcome.ABANDONED),
    ],
)
def test_a_phone_whose_ring_was_not_told_rang_all_the_same(status: str, outcome: Outcome) -> None:
    (call,) = calls(rung(status, after_s=20), inbound(after_s=21, CallDuration="21"))
    assert call.outcome is outcome


def test_a_call_stays_open_after_a_phone_that_nobody_picked_up() -> None:
    (call,) = calls(rung("ringing", after_s=2), rung("no-answer", after_s=20))
    assert call.state is CallState.RINGING
    (call,) = calls(rung("in-progress", after_s=2), rung("completed", after_s=20, CallDuration="18"))
    assert call.state is CallState.ANSWERED


def test_the_last_callback_alone_tells_that_a_phone_was_picked_up() -> None:
    (call,) = calls(rung("completed", after_s=66, CallDuration="60"), inbound(after_s=66, CallDuration="65"))
    assert (call.outcome, call.answered_by, call.wait_s, call.talk_s) == (Outcome.ANSWERED, AGENT_DANA, 5.0, 60.0)


def test_a_mailbox_on_a_colleagues_mobile_is_no_answer() -> None:
    detected = rung("in-progress", MOBILE, after_s=9, AnsweredBy="machine_start")
    ended = rung("completed", MOBILE, after_s=30, CallDuration="21", AnsweredBy="machine_end_beep")
    (call,) = calls(rung("ringing", MOBILE, after_s=2), detected, ended, inbound(after_s=31, CallDuration="31"))
    assert (call.outcome, call.answered_by) == (Outcome.MISSED, None)


def test_an_own_number_shown_on_the_phones_does_not_say_who_calls() -> None:
    shown = rung("ringing", From=DID)
    (call,) = calls(shown)
    assert (call.direction, call.external_number) == (None, None)
    (call,) = calls(shown, inbound(after_s=20, CallDuration="20"))
    assert (call.direction, call.external_number) == (Direction.INBOUND, JANE)


def test_an_automatic_call_is_over_when_its_only_leg_is() -> None:
    to_jane = {"CallSid": PARENT, "Direction": "outbound-api", "From": DID, "To": JANE}
    ended = form(**to_jane, CallStatus="completed", CallDuration="9", Timestamp=stamp(12))
    (call,) = calls(form(**to_jane, CallStatus="ringing", Timestamp=stamp(1)), ended)
    assert (call.direction, call.outcome, call.talk_s) == (Direction.OUTBOUND, Outcome.ANSWERED, 9.0)
    (call,) = calls(form(**to_jane, CallStatus="busy", Timestamp=stamp(2)))
    assert (call.state, call.outcome) == (CallState.ENDED, Outcome.BUSY)


def test_what_dial_came_to_is_understood_where_it_is_told() -> None:
    told = {"DialCallSid": CHILD, "DialCallDuration": "40", "DialCallStatus": "completed"}
    (call,) = calls(inbound("in-progress", after_s=50, **told), inbound(after_s=50, CallDuration="49"))
    assert (call.outcome, call.talk_s) == (Outcome.ANSWERED, 40.0)
    nobody = {"DialCallSid": CHILD, "DialCallStatus": "no-answer"}
    (call,) = calls(inbound("in-progress", after_s=50, **nobody), inbound(after_s=50, CallDuration="49"))
    assert call.outcome is Outcome.MISSED
    assert parsed(inbound("in-progress", DialCallStatus="levitated"))[0].kind is K.UNKNOWN


# Recordings, texts, conferences ---------------------------------------------------------------------------------

URL = "https://api.twilio.com/2010-04-01/Accounts/AC0001/Recordings/RE0001"


@pytest.mark.parametrize(
    ("source", "status", "kind"),
    [
        ("RecordVerb", "completed", K.VOICEMAIL),
        ("DialVerb", "completed", K.RECORDING),
        ("Conference", "completed", K.RECORDING),
        ("OutboundAPI", "completed", K.RECORDING),
        ("Trunking", "completed", K.RECORDING),
        ("StartCallRecordingAPI", "completed", K.RECORDING),
        ("StartConferenceRecordingAPI", "completed", K.RECORDING),
        ("RecordVerb", "absent", K.UNKNOWN),
        ("DialVerb", "in-progress", K.UNKNOWN),
        ("DialVerb", "failed", K.UNKNOWN),
    ],
)
def test_only_record_takes_messages(source: str, status: str, kind: EventKind) -> None:
    recorded = {"CallSid": PARENT, "RecordingSid": "RE0001", "RecordingUrl": URL, "RecordingStatus": status}
    (event,) = parsed(form(**recorded, RecordingSource=source, RecordingStartTime=stamp(9)))
    assert (event.kind, event.call_key, event.occurred_at) == (kind, PARENT, AT + timedelta(seconds=9))
    assert event.media_url == (URL if kind is not K.UNKNOWN else None)


def test_a_recording_of_a_phones_own_leg_belongs_to_the_call() -> None:
    recorded = form(CallSid=CHILD, RecordingUrl=URL, RecordingStatus="completed", RecordingStartTime=stamp(5))
    (call,) = calls(rung("completed", after_s=9, CallDuration="5"), recorded)
    assert (call.call_key, call.recordings) == (PARENT, (URL,))


def test_a_last_callback_may_name_a_recording() -> None:
    (call,) = calls(inbound(after_s=9, CallDuration="9", RecordingUrl=URL))
    assert call.recordings == (URL,)


def test_a_transcription_that_failed_holds_no_text() -> None:
    (event,) = parsed(form(CallSid=PARENT, TranscriptionStatus="failed", TranscriptionText=""))
    assert (event.kind, event.text) == (K.UNKNOWN, None)


def test_legs_that_meet_in_a_conference_are_one_call() -> None:
    room = f"CF{1:032x}"
    leg = {"Direction": "outbound-api", "From": DID}

    def in_room(event: str, sid: str, after_s: float) -> bytes:
        return form(ConferenceSid=room, CallSid=sid, StatusCallbackEvent=event, Timestamp=stamp(after_s))

    (call,) = calls(
        inbound("in-progress"),
        in_room("participant-join", PARENT, 1),
        form(**leg, CallSid=CHILD, To=DANA, CallStatus="ringing", Timestamp=stamp(2)),
        form(**leg, CallSid=CHILD, To=DANA, CallStatus="in-progress", Timestamp=stamp(6)),
        in_room("participant-join", CHILD, 6),
        in_room("participant-hold", PARENT, 20),
        form(**leg, CallSid=OTHER, To=SAM, CallStatus="in-progress", Timestamp=stamp(25)),
        in_room("participant-join", OTHER, 25),
        in_room("participant-unhold", PARENT, 26),
        form(**leg, CallSid=CHILD, To=DANA, CallStatus="completed", CallDuration="24", Timestamp=stamp(30)),
        in_room("participant-leave", CHILD, 30),
        form(**leg, CallSid=OTHER, To=SAM, CallStatus="completed", CallDuration="65", Timestamp=stamp(90)),
        inbound(after_s=90, CallDuration="90"),
        form(ConferenceSid=room, StatusCallbackEvent="conference-end", Timestamp=stamp(90)),
    )
    assert (call.outcome, call.direction, call.external_number) == (Outcome.ANSWERED, Direction.INBOUND, JANE)
    assert (call.answered_by, call.last_agent) == (AGENT_DANA, AGENT_SAM)
    assert call.state is CallState.ENDED


# What cannot be relied on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "time", ["Mon, 02 Mar 2026 15:00:00 +0000", "2026-03-02T15:00:00Z", "2026-03-02 10:00:00-05:00"]
)
def test_times_are_read_in_both_ways(time: str) -> None:
    assert {event.occurred_at for event in parsed(rung("ringing", Timestamp=time))} == {AT}


@pytest.mark.parametrize("time", ["", "soon", "Mon, 99 Mar 2026 15:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 +0000"])
def test_without_a_time_that_of_the_receipt_counts(time: str) -> None:
    assert {event.occurred_at for event in parsed(rung("ringing", Timestamp=time))} == {AT}
    assert parsed(rung("completed", Timestamp=time, CallDuration="60"))[0].occurred_at == AT


def test_a_callback_has_its_place_among_those_of_its_leg() -> None:
    events = parsed(rung("ringing", SequenceNumber="1"))
    assert {event.sequence for event in events} == {1}
    assert len({event.event_id for event in events}) == len(events)
    assert events[0].event_id == f"{CHILD}/ringing/1/0"
    assert {event.event_id for event in parsed(rung("ringing", SequenceNumber="first"))} == {""}
    longest = {event.event_id for event in parsed(rung("x" * 999, SequenceNumber="1"))}
    assert len(longest) == 2
    assert max(len(event_id) for event_id in longest) < 255


@pytest.mark.parametrize("body", [b"", b"hello", b"Digits=1", b"\xff\xfe", b"{", b"[1]", b"{}"])
def test_what_names_no_call_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        parsed(body)


@pytest.mark.parametrize("row", [{}, {"sid": PARENT, "status": "completed"}, {"start_time": stamp()}])
def test_a_row_without_id_or_time_is_unreadable(row: dict[str, str]) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        parsed(json.dumps({"call": row}).encode(), kind="history")


# Proofs ---------------------------------------------------------------------------------------------------------


def delivery(
    body: bytes, url: str, *, kind: str = "", query: str = "", digest: Any = hashlib.sha1, **headers: str
) -> Delivery:
    """A delivery to the adapter, signed for `url`."""
    text = (
        ""
        if "bodySHA256=" in url
        else "".join(name + value for name, value in sorted(set(parse_qsl(body.decode(), keep_blank_values=True))))
    )
    proof = base64.b64encode(hmac.new(TOKEN.encode(), (url + text).encode(), digest).digest()).decode()
    given = {"x-twilio-signature": proof, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Delivery(body, AT, tuple(given.items()), query, kind)


@pytest.mark.parametrize(
    "signed_for",
    [
        ADDRESS,
        "https://bridge.example.com:443/hooks/twilio-main",
    ],
)
def test_the_standard_port_may_stand_in_the_address(signed_for: str) -> None:
    assert adapter().verify(delivery(inbound(), signed_for))


@pytest.mark.parametrize(
    "signed_for",
    [
        "https://internal.example.com/hooks/twilio-main",
        "http://bridge.example.com/hooks/twilio-main",
        "https://bridge.example.com:8443/hooks/twilio-main",
        "https://bridge.example.com/hooks/twilio-other",
        f"{ADDRESS}/",
        f"{ADDRESS}?agent=201",
    ],
)
def test_what_was_signed_for_another_address_is_refused(signed_for: str) -> None:
    with pytest.raises(Refused):
        adapter().verify(delivery(inbound(), signed_for))


def test_the_address_is_as_twilio_sees_it_with_kind_and_query() -> None:
    """The host under which a proxy passes the request on is not looked at."""
    told = delivery(inbound(), f"{ADDRESS}/legs?shop=1", kind="legs", query="shop=1", host="10.0.0.7:8080")
    message = adapter().verify(told)
    assert (message.kind, message.body) == ("legs", inbound())


@pytest.mark.parametrize("suffix", ["", "#rc=3&rp=all"])
def test_connection_settings_may_be_signed_or_not(suffix: str) -> None:
    assert adapter(address=f"{ADDRESS}#rc=3&rp=all").verify(delivery(inbound(), f"{ADDRESS}{suffix}"))


def test_a_json_body_is_proved_by_its_digest_in_the_address() -> None:
    body = json.dumps({"CallSid": PARENT, "AccountSid": ACCOUNT_SID}).encode()
    query = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    told = delivery(body, f"{ADDRESS}?{query}", query=query, content_type="application/json")
    assert adapter().verify(told).body == body
    changed = Delivery(body.replace(b"1", b"2"), AT, told.headers, query)
    with pytest.raises(Refused):
        adapter().verify(changed)


def test_a_json_body_without_a_digest_is_not_proved() -> None:
    with pytest.raises(Refused) as caught:
        adapter().verify(delivery(b"{}", ADDRESS, content_type="application/json; charset=utf-8"))
    assert caught.value.status == 415


def test_of_a_repeated_parameter_all_values_are_signed() -> None:
    body = inbound() + b"&Tag=b&Tag=a&Tag=b&Empty="
    told = delivery(body, ADDRESS, content_type="application/x-www-form-urlencoded; charset=UTF-8")
    assert adapter().verify(told).body == body
    with pytest.raises(Refused):
        adapter().verify(Delivery(body.replace(b"Tag=a", b"Tag=c"), AT, told.headers))


def test_a_shared_key_may_sign_with_a_longer_digest() -> None:
    settings = "key=webhooks_sharedkey_0001,algorithm=HMAC_SHA256"
    longer = {"digest": hashlib.sha256, "x_twilio_webhooks_signature_settings": settings}
    assert adapter().verify(delivery(inbound(), ADDRESS, **longer))  # type: ignore[arg-type]
    with pytest.raises(Refused):
        adapter().verify(delivery(inbound(), ADDRESS, digest=hashlib.sha256))


def test_without_an_id_a_delivery_is_known_by_what_it_tells() -> None:
    def known_as(body: bytes, **headers: str) -> str | None:
        return adapter().verify(delivery(body, ADDRESS, **headers)).delivery_id  # type: ignore[arg-type]

    assert known_as(inbound(), i_twilio_idempotency_token="token-0001") == "token-0001"
    assert known_as(rung("ringing")) == known_as(rung("ringing", Unrelated="1"))
    assert len({known_as(rung(status)) for status in ("initiated", "ringing", "busy")}) == 3
    assert known_as(inbound(), i_twilio_idempotency_token="x" * 300) == known_as(inbound())


def test_a_mark_in_the_signed_address_goes_with_the_message() -> None:
    query = "agent=201&unrelated=1"
    message = adapter().verify(delivery(rung("ringing"), f"{ADDRESS}?{query}", query=query))
    assert message.body == rung("ringing") + b"&Trunkline.agent=201"


def marked(status: str, after_s: float, *, child: bool = False, **more: str) -> bytes:
    """A callback of a call that was set up for extension 201."""
    if child:
        ends = {"CallSid": CHILD, "ParentCallSid": PARENT, "Direction": "outbound-dial", "From": DID, "To": JANE}
    else:
        ends = {"CallSid": PARENT, "Direction": "outbound-api", "From": DID, "To": DANA}
    return form(**ends, CallStatus=status, Timestamp=stamp(after_s), **{"Trunkline.agent": "201"}, **more)


def test_a_call_set_up_for_an_agent_is_answered_by_the_outside_party() -> None:
    begun = [marked("ringing", 1), marked("in-progress", 5)]
    (call,) = calls(*begun, numbers=[])
    assert (call.direction, call.state, call.answered_at) == (Direction.OUTBOUND, CallState.NEW, None)
    (call,) = calls(
        *begun,
        marked("ringing", 7, child=True),
        marked("in-progress", 12, child=True),
        marked("completed", 60, child=True, CallDuration="48"),
        marked("completed", 60, CallDuration="55"),
        numbers=[],
    )
    assert (call.outcome, call.direction, call.external_number) == (Outcome.ANSWERED, Direction.OUTBOUND, JANE)
    assert (call.answered_by, call.talk_s) == (AGENT_DANA, 48.0)


@pytest.mark.parametrize(
    ("status", "outcome"), [("busy", Outcome.BUSY), ("no-answer", Outcome.MISSED), ("failed", Outcome.FAILED)]
)
def test_how_a_call_set_up_for_an_agent_failed(status: str, outcome: Outcome) -> None:
    (call,) = calls(
        marked("in-progress", 5), marked(status, 20, child=True), marked("completed", 21, CallDuration="16")
    )
    assert (call.outcome, call.direction) == (outcome, Direction.OUTBOUND)


def test_a_mark_says_for_whose_call_a_leg_was_made() -> None:
    leg = {"CallSid": OTHER, "Direction": "outbound-api", "From": DID, "To": DANA, "Trunkline.call": PARENT}
    (call,) = calls(inbound("in-progress"), form(**leg, CallStatus="ringing", Timestamp=stamp(3)))
    assert (call.state, call.external_number, call.legs[1].party) == (CallState.RINGING, JANE, AGENT_DANA)


@pytest.mark.parametrize("written", ["%2B14375550100", "+14375550100", "14375550100"])
def test_a_mark_says_which_number_was_dialled(written: str) -> None:
    query = f"did={written}"
    message = adapter().verify(delivery(rung("ringing"), f"{ADDRESS}?{query}", query=query))
    (call,) = calls(message.body)
    assert (call.state, call.did) == (CallState.RINGING, DID)


def test_an_agent_named_by_address_has_no_extension() -> None:
    ends = {"CallSid": PARENT, "Direction": "outbound-api", "From": DID, "To": SAM}
    event = parsed(form(**ends, CallStatus="ringing", **{"Trunkline.agent": "sip:sam@example.com"}))[0]
    assert event.party == AGENT_SAM


# Settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"auth_tokens": []}, "auth_tokens"),
        ({"auth_tokens": [""]}, "auth_tokens"),
        ({"address": "bridge.example.com/hooks"}, "address"),
        ({"address": f"{ADDRESS}?agent=201"}, "address"),
        ({"api_key_sid": "SK0001"}, "api_key_secret"),
        ({"api_base": "api.twilio.com"}, "api_base"),
        ({"numbers": "one"}, "numbers"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^Phone system main: .*{says}"):
        adapter(**options)


def test_secrets_are_not_shown() -> None:
    shown = repr(TwilioOptions(ACCOUNT_SID, [TOKEN], ADDRESS, api_key_sid="SK1", api_key_secret="hidden"))
    assert TOKEN not in shown
    assert "hidden" not in shown


def test_only_the_validator_is_imported_and_only_when_it_is_wanted() -> None:
    script = (
        "import sys; from trunkline.phone_systems import registry; registry.names();"
        "assert 'twilio' not in sys.modules;"
        "registry.adapter_class('twilio');"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('twilio', 'aiohttp', 'requests')))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['twilio', 'twilio.request_validator']"


# The REST API ---------------------------------------------------------------------------------------------------

ROOT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
BASIC = "Basic " + base64.b64encode(f"{ACCOUNT_SID}:{TOKEN}".encode()).decode()


class Twilio(VendorRest):
    """The lists of calls and recordings, in pages of `page_size`."""

    def __init__(self, authorization: str = BASIC) -> None:
        super().__init__(authorization, {})
        self.rows: list[dict[str, Any]] = []
        self.sounds: list[dict[str, Any]] = []
        self.unfinished: dict[str, list[str]] = {}
        self.page_size = 2
        self.loops = False
        self.replies = {
            f"GET {ROOT}/Calls.json": self._calls,
            f"GET {ROOT}/Recordings.json": self._recordings,
            f"POST {ROOT}/Calls.json": lambda _: Response({"sid": PARENT, "status": "queued"}, status_code=201),
            f"GET {ROOT}/Recordings/RE0001.mp3": lambda _: Response(b"ID3 sound", media_type="audio/mpeg"),
        }

    def _calls(self, asked: Asked) -> Response[Any]:
        if status := asked.one("Status"):
            return self._page(asked, "calls", [{"sid": sid} for sid in self.unfinished.get(status, [])])
        return self._page(asked, "calls", self.rows)

    def _recordings(self, asked: Asked) -> Response[Any]:
        return self._page(asked, "recordings", self.sounds)

    def _page(self, asked: Asked, what: str, found: list[dict[str, Any]]) -> Response[Any]:
        number = int(asked.one("Page") or 0)
        first, last = number * self.page_size, (number + 1) * self.page_size
        further = f"{ROOT}/{what.capitalize()}.json?Page={0 if self.loops else number + 1}&PageSize=2"
        has_more = self.loops or last < len(found)
        return Response({what: found[first:last], "next_page_uri": further if has_more else None, "page": number})

    def paths(self) -> list[str]:
        return [f"{one.method} {one.path.removeprefix(ROOT)}" for one in self.asked]


@asynccontextmanager
async def asking(rest: Twilio, **options: Any) -> AsyncIterator[tuple[TwilioAdapter, httpx.AsyncClient]]:
    """The adapter, asking this look-alike."""
    async with served(rest.app()) as url, httpx.AsyncClient() as http:
        yield adapter(api_base=f"{url}/2010-04-01", **options), http


def row(sid: str, *, parent: str | None = None, after_s: float = 0.0, **more: Any) -> dict[str, Any]:
    ends = (
        {"direction": "outbound-dial", "from": JANE, "to": DANA}
        if parent
        else {"direction": "inbound", "from": JANE, "to": DID}
    )
    times = {"start_time": stamp(after_s), "end_time": stamp(after_s + 60), "date_created": stamp(after_s)}
    fixed = {"sid": sid, "parent_call_sid": parent, "status": "completed", "duration": "60", "price": None}
    return {**fixed, **ends, **times, **more}


async def read(rest: Twilio, since: datetime = AT, until: datetime = AT + timedelta(hours=1)) -> list[RawMessage]:
    async with asking(rest) as (asked, http):
        return [message async for page in asked.history(http, since, until) for message in page]


async def test_the_history_is_read_page_by_page_with_the_recordings_of_each_leg() -> None:
    rest = Twilio()
    rest.rows = [row(CHILD, parent=PARENT, after_s=5), row(PARENT), row(OTHER, after_s=9)]
    uri = f"{ROOT}/Recordings/RE0001.json"
    rest.sounds = [
        {"sid": "RE0001", "call_sid": PARENT, "source": "RecordVerb", "status": "completed", "uri": uri},
        {"sid": "RE0002", "call_sid": PARENT, "source": "DialVerb", "status": "processing", "uri": uri},
        {"sid": "RE0003", "call_sid": "CA9", "source": "DialVerb", "status": "completed", "uri": uri},
    ]
    messages = await read(rest)
    assert [json.loads(message.body)["call"]["sid"] for message in messages] == [CHILD, PARENT, OTHER]
    assert {message.kind for message in messages} == {"history"}
    first = next(asked for asked in rest.asked if asked.path.endswith("/Calls.json") and not asked.one("Status"))
    assert (first.one("StartTime>"), first.one("StartTime<"), first.one("PageSize")) == (
        "2026-03-02",
        "2026-03-03",
        "1000",
    )
    joined, other = in_memory(adapter(), list(enumerate(messages)))
    assert (joined.call_key, joined.outcome, joined.answered_by) == (PARENT, Outcome.ANSWERED, AGENT_DANA)
    assert [url.partition("/2010")[2] for url in joined.recordings] == [
        f"-04-01/Accounts/{ACCOUNT_SID}/Recordings/RE0001"
    ]
    assert other.outcome is Outcome.ABANDONED


async def test_the_history_leaves_out_what_began_at_another_time_and_what_goes_on() -> None:
    rest = Twilio()
    rest.unfinished = {"in-progress": [PARENT], "queued": [], "ringing": []}
    rest.rows = [
        row("CA-early", after_s=-1),
        row("CA-late", after_s=3600),
        row(CHILD, parent=PARENT, status="no-answer", duration="0"),
        row(PARENT, status="in-progress", end_time=None, duration=None),
        row("CA-new", status="ringing", end_time=None),
        row(OTHER),
    ]
    assert [json.loads(message.body)["call"]["sid"] for message in await read(rest)] == [OTHER]


async def test_a_records_id_changes_with_what_it_tells_and_not_with_its_price() -> None:
    ids = []
    for changed in ({}, {"price": "-0.013"}, {"duration": "61"}):
        rest = Twilio()
        rest.rows = [row(PARENT, **changed)]
        ids += [message.delivery_id for message in await read(rest)]
    assert ids[0] == ids[1] != ids[2]
    assert str(ids[0]).startswith(f"history:{PARENT}:")


async def test_a_list_that_leads_back_is_given_up() -> None:
    rest = Twilio()
    rest.loops = True
    with pytest.raises(GivenUp, match="leads back"):
        await read(rest)


async def test_what_a_retry_mends_is_retried() -> None:
    rest = Twilio()
    rest.rows = [row(PARENT)]
    rest.faults = [
        Response({"code": 20429}, status_code=429, headers={"retry-after": "0"}),
        Response({}, status_code=503),
    ]
    rest.lost = 1
    assert len(await read(rest)) == 1


async def test_refused_credentials_are_for_a_person() -> None:
    with pytest.raises(NeedsFixing):
        await read(Twilio("Basic another"))


@pytest.mark.parametrize(
    ("status", "outcome", "direction"),
    [
        ("no-answer", Outcome.MISSED, Direction.INBOUND),
        ("busy", Outcome.BUSY, Direction.INBOUND),
        ("failed", Outcome.ABANDONED, Direction.INBOUND),
        ("canceled", Outcome.MISSED, Direction.INBOUND),
    ],
)
def test_rows_tell_of_phones_that_nobody_picked_up(status: str, outcome: Outcome, direction: Direction) -> None:
    rows = [row(PARENT, duration="20"), row(CHILD, parent=PARENT, status=status, duration="0", end_time=None)]
    (call,) = calls(*(json.dumps({"call": one}).encode() for one in rows), kind="history")
    assert (call.outcome, call.direction, call.answered_at) == (outcome, direction, None)


def test_a_row_of_a_mailbox_is_no_answer() -> None:
    rows = [row(PARENT), row(CHILD, parent=PARENT, to=MOBILE, answered_by="machine_start")]
    (call,) = calls(*(json.dumps({"call": one}).encode() for one in rows), kind="history")
    assert call.answered_at is None


@pytest.mark.parametrize(
    ("status", "duration", "outcome"), [("completed", "48", Outcome.ANSWERED), ("no-answer", "0", Outcome.MISSED)]
)
def test_in_the_history_the_agents_pick_up_of_a_click_to_call_is_no_answer(
    status: str, duration: str, outcome: Outcome
) -> None:
    rows = [
        row(PARENT, **{"direction": "outbound-api", "from": DID, "to": DANA}),
        row(CHILD, parent=PARENT, status=status, duration=duration, **{"from": DID, "to": JANE}),
    ]
    (call,) = calls(*(json.dumps({"call": one}).encode() for one in rows), kind="history")
    assert (call.direction, call.outcome, call.external_number) == (Direction.OUTBOUND, outcome, JANE)
    assert (call.last_agent, call.talk_s) == (AGENT_DANA, 48.0 if call.answered_at else None)


async def test_a_call_is_set_up_for_an_agent() -> None:
    rest = Twilio()
    async with asking(rest, address=f"{ADDRESS}#rc=3&rp=all") as (asked, http):
        made = await asked.originate(http, "201", JANE)
    assert made.call_key == PARENT
    (one,) = rest.asked
    assert (one.form["To"], one.form["From"]) == ([DANA], [DID])
    assert one.form["StatusCallback"] == [f"{ADDRESS}?agent=201#rc=3&rp=all"]
    assert one.form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert one.form["Twiml"] == [
        (
            f'<Response><Dial callerId="{DID}"><Number statusCallback="{ADDRESS}?agent=201#rc=3&amp;rp=all" '
            f'statusCallbackEvent="initiated ringing answered completed">{JANE}</Number></Dial></Response>'
        )
    ]


async def test_an_agent_may_be_named_by_address_and_shows_the_number_asked_for() -> None:
    rest = Twilio()
    async with asking(rest, numbers=[]) as (asked, http):
        await asked.originate(http, SAM, JANE, caller_id="+14375550101")
    assert (rest.asked[0].form["To"], rest.asked[0].form["From"]) == ([SAM], ["+14375550101"])


@pytest.mark.parametrize(("agent", "numbers", "says"), [("299", [DID], "agents"), ("201", [], "numbers")])
async def test_what_is_missing_for_click_to_call_is_named(agent: str, numbers: list[str], says: str) -> None:
    rest = Twilio()
    async with asking(rest, numbers=numbers) as (asked, http):
        with pytest.raises(NeedsFixing, match=says):
            await asked.originate(http, agent, JANE)
    assert rest.asked == []


async def test_a_call_whose_setting_up_nobody_knows_of_is_not_asked_for_again() -> None:
    rest = Twilio()
    rest.lost = 1
    async with asking(rest) as (asked, http):
        with pytest.raises(OutcomeUnknown):
            await asked.originate(http, "201", JANE)
    assert rest.paths() == ["POST /Calls.json"]


async def test_an_api_key_is_used_where_there_is_one() -> None:
    rest = Twilio("Basic " + base64.b64encode(b"SK0001:not-a-real-key").decode())
    async with asking(rest, api_key_sid="SK0001", api_key_secret="not-a-real-key") as (asked, http):
        assert await asked.originate(http, "201", JANE)


async def test_recordings_are_fetched_as_mp3_with_our_credentials() -> None:
    rest = Twilio()
    async with served(rest.app()) as url, httpx.AsyncClient() as http:
        made = adapter(api_base=f"{url}/2010-04-01")
        for address in (f"{url}{ROOT}/Recordings/RE0001", f"{url}{ROOT}/Recordings/RE0001.mp3"):
            recording = await made.recording(http, address)
            assert recording.media_type == "audio/mpeg"
            assert b"".join([chunk async for chunk in recording.chunks]) == b"ID3 sound"
        with pytest.raises(GivenUp):
            await made.recording(http, f"{url}{ROOT}/Recordings/RE0009")


@pytest.mark.parametrize(
    "url",
    [
        "https://twilio.com.example.net/RE0001",
        "http://api.twilio.com/RE0001",
        "https://nottwilio.com/RE0001",
        "file:///etc/passwd",
        "https://[",
    ],
)
async def test_our_credentials_go_to_twilio_only(url: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(GivenUp, match="not Twilio's"):
            await adapter().recording(http, url)


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
async def test_the_speakers_history_is_what_the_adapter_brings_home(scenario: str) -> None:
    records = [json.loads(said.body) for said in SPEAKER.history(scenario, Dialled(AT))]
    rest = Twilio()
    rest.rows = [{**record["call"], "price": "-0.013"} for record in records]
    rest.sounds = [
        {**sound, "call_sid": record["call"]["sid"], "status": "completed"}
        for record in records
        for sound in record["recordings"]
    ]
    assert [json.loads(message.body) for message in await read(rest)] == records


def test_a_lost_answer_is_told_by_the_end_of_the_phone() -> None:
    (call,) = calls(rung("ringing", after_s=2), rung("completed", after_s=66, CallDuration="60"))
    assert (call.state, call.answered_by) == (CallState.ANSWERED, AGENT_DANA)


def test_reasons_of_the_phones_of_a_group() -> None:
    (call,) = calls(
        rung("ringing", after_s=2),
        rung("ringing", SAM, after_s=2, sid=OTHER),
        rung("in-progress", SAM, after_s=7, sid=OTHER),
        rung("canceled", after_s=7),
        rung("completed", SAM, after_s=60, sid=OTHER, CallDuration="53"),
        inbound(after_s=60, CallDuration="60"),
    )
    assert {leg.leg_key: leg.reason for leg in call.legs} == {
        PARENT: None,
        CHILD: EndReason.ELSEWHERE,
        OTHER: EndReason.NORMAL,
    }
