"""What is special about Quo: two generations of everything, orders for deliveries, calls looked for by conversation."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Response

from trunkline.calls.reading import calls_of, in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, PartyKind
from trunkline.phone_systems.base import HISTORY_KIND, RawMessage, Unreadable
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.phone_systems.quo import QuoAdapter, reading
from trunkline.phone_systems.quo.adapter import QuoOptions
from trunkline.sandbox.phones.quo.rest import API_KEY, QuoRest
from trunkline.sandbox.phones.quo.speaker import SPEAKER, listed
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled, Letter, Said

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ADDRESS = "https://bridge.example.com/hooks/main"
KEY = SPEAKER.secret
BARE_KEY = KEY.removeprefix("whsec_")


def adapter(*secrets: str, **more: Any) -> QuoAdapter:
    return QuoAdapter.configure("main", {"secrets": list(secrets), "api_token": API_KEY, **more})


def stamp(after_s: float) -> str:
    return (AT + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def current(kind: str, after_s: float = 0.0, *, external: str = "+14375550142", **resource: Any) -> RawMessage:
    sides = {"external": [external], "workspace": ["+14375550100"], "resolution": "available"}
    thing = {"id": "AC1", "direction": "incoming", "createdAt": stamp(0), **resource}
    data = {"resource": thing, "context": {"participants": sides, "userId": "US1"}}
    return RawMessage(json.dumps({"id": "EV1", "type": kind, "createdAt": stamp(after_s), "data": data}).encode(), AT)


def older(kind: str, after_s: float = 0.0, **thing: Any) -> RawMessage:
    known = {"id": "AC1", "direction": "incoming", "from": "+14375550142", "to": "+14375550100", "createdAt": stamp(0)}
    data = {"object": {**known, **thing}}
    body = {"id": "EV1", "object": "event", "apiVersion": "v3", "type": kind, "createdAt": stamp(after_s), "data": data}
    return RawMessage(json.dumps(body).encode(), AT)


def heard(message: RawMessage) -> list[CallEvent]:
    return [event for event in adapter(KEY).parse(message) if isinstance(event, CallEvent)]


def call_of(*messages: RawMessage) -> Call:
    (call,) = in_memory(adapter(KEY), list(enumerate(messages)))
    return call


def record(**more: Any) -> RawMessage:
    row = {**listed("answered", Dialled(AT)), **more}
    return RawMessage(json.dumps({"resource": row, "context": {}}).encode(), AT, kind=HISTORY_KIND)


# Words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ("call.ringing", [EventKind.RINGING]),
        ("call.answered", [EventKind.RINGING, EventKind.ANSWERED]),
        ("call.completed", [EventKind.RINGING, EventKind.ENDED]),
        ("call.missed", [EventKind.RINGING, EventKind.ENDED]),
        ("call.forwarded", [EventKind.RINGING, EventKind.TRANSFERRED]),
        ("call.menu.selected", [EventKind.UNKNOWN]),
        ("call.recording.completed", []),
        ("call.voicemail.completed", [EventKind.VOICEMAIL]),
        ("call.summary.completed", []),
        ("call.transcript.completed", []),
        ("message.received", []),
        ("contact.updated", []),
        ("call.levitated", []),
    ],
)
def test_each_type_of_both_generations_says_what_it_can(kind: str, kinds: list[EventKind]) -> None:
    for message in (current(kind), older(kind)):
        assert [event.kind for event in heard(message)] == kinds


def test_every_type_that_is_ordered_is_read() -> None:
    empty = {"call.recording.completed", "call.summary.completed", "call.transcript.completed"}
    assert {kind for kind in reading.EVENTS if not heard(current(kind))} == empty


@pytest.mark.parametrize(("word", "direction"), sorted(reading.DIRECTIONS.items()))
def test_the_outside_number_is_on_the_side_the_direction_says(word: str, direction: Direction) -> None:
    told = heard(older("call.ringing", direction=word))[0]
    inbound = direction is Direction.INBOUND
    assert told.direction is direction
    assert told.external_number == ("+14375550142" if inbound else "+14375550100")
    assert told.did == ("+14375550100" if inbound else None)


@pytest.mark.parametrize(("status", "reason"), sorted(reading.REASONS.items()))
def test_a_status_says_why_nobody_answered(status: str, reason: EndReason) -> None:
    for message in (current("call.completed", status=status), older("call.completed", status=status.upper())):
        assert heard(message)[-1].reason is reason
    (told, *_) = heard(record(status=status, answeredAt=None, answeredBy=None))
    assert told.reason is reason


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("completed", Outcome.MISSED),  # the older generation says so even where nobody answered
        ("no-answer", Outcome.MISSED),
        ("abandoned", Outcome.MISSED),
        ("failed", Outcome.FAILED),
        ("busy", Outcome.BUSY),
        ("forwarded", Outcome.UNKNOWN),
        ("pondering", Outcome.MISSED),
    ],
)
def test_a_call_that_nobody_answered_went_as_its_status_says(status: str, outcome: Outcome) -> None:
    for message in (
        older("call.completed", 20, status=status, answeredAt=None, completedAt=stamp(20)),
        current("call.completed", 20, status=status),
        record(status=status, answeredAt=None, answeredBy=None, completedAt=stamp(20)),
    ):
        call = call_of(message)
        assert (call.state, call.outcome, call.talk_s) == (CallState.ENDED, outcome, None)


# What is missing, late or odd -----------------------------------------------------------------------------------------


def test_an_end_alone_tells_the_whole_call() -> None:
    for message in (
        older("call.completed", 66, answeredAt=stamp(6), completedAt=stamp(66), userId="US1", status="completed"),
        current("call.completed", 66, answeredAt=stamp(6), completedAt=stamp(66), answeredByUserId="US1"),
        current("call.completed", 66, status="answered", duration=60, completedAt=stamp(66), answeredBy="US1"),
    ):
        call = call_of(message)
        assert (call.outcome, call.wait_s, call.talk_s) == (Outcome.ANSWERED, 6.0, 60.0)
        assert call.answered_by is not None
        assert call.answered_by.provider_id == "US1"


def test_the_owner_of_a_number_did_not_answer_a_call_that_nobody_answered() -> None:
    (ringing, ended) = heard(older("call.completed", userId="US1", status="missed"))
    assert (ringing.party, ended.party) == (None, None)


def test_an_object_without_an_id_is_known_by_its_conversation_and_begin() -> None:
    messages = [
        older(kind, id=None, conversationId="CN1", media=[{"url": "https://files.example.com/1.mp3"}])
        for kind in ("call.completed", "call.recording.completed")
    ]
    call = call_of(*messages)
    assert (call.call_key, call.recordings) == (f"CN1@{stamp(0)}", ("https://files.example.com/1.mp3",))
    with pytest.raises(Unreadable, match=r"which call.*\.$"):
        heard(older("call.completed", id=None))


def test_what_stands_at_the_top_instead_of_in_data_is_read() -> None:
    body = json.loads(current("call.ringing").body)
    data = body.pop("data")
    (told,) = heard(RawMessage(json.dumps({**body, **data}).encode(), AT))
    assert (told.call_key, told.external_number, told.did) == ("AC1", "+14375550142", "+14375550100")


@pytest.mark.parametrize(
    "message",
    [
        current("call.completed", 40, status="ai-handled"),
        current("call.completed", 40, aiHandled="ai-agent", answeredAt=stamp(3), completedAt=stamp(40)),
        current("call.answered", 3, answeredByUserId="SYU1"),
        record(aiHandled="ai-agent"),
    ],
)
def test_the_vendors_voice_agent_takes_a_call_and_nobody_answered_it(message: RawMessage) -> None:
    told = heard(message)
    assert EventKind.ROUTED in {event.kind for event in told}
    assert EventKind.ANSWERED not in {event.kind for event in told}
    assert {event.party.kind for event in told if event.kind is EventKind.ROUTED and event.party} == {PartyKind.MENU}
    assert call_of(message).answered_at is None


@pytest.mark.parametrize(
    ("to", "kind", "label"),
    [("+14375550177", PartyKind.EXTERNAL, "+14375550177"), ("US2", PartyKind.AGENT, "US2")],
)
def test_a_forwarded_call_says_where_to(to: str, kind: PartyKind, label: str) -> None:
    for forwarded in (to, [to]):
        told = heard(current("call.forwarded", forwardedTo=forwarded))[-1]
        assert told.party is not None
        assert (told.party.kind, told.party.provider_id or told.party.name) == (kind, label)
    assert heard(current("call.forwarded"))[-1].party is None


def test_a_choice_in_the_menu_is_kept_as_the_way_of_the_call() -> None:
    (told,) = heard(current("call.menu.selected", phoneMenuSelectionName="Service"))
    assert (told.kind, told.queue) == (EventKind.UNKNOWN, "Service")


def test_a_voicemail_is_read_in_each_form() -> None:
    left = {"url": "https://files.example.com/vm.mp3", "type": "audio/mpeg", "duration": 7}
    for message in (
        older("call.completed", 40, answeredAt=None, completedAt=stamp(40), voicemail=left),
        current("call.voicemail.completed", 60, id="VM1", callId="AC1", recordingUrl=left["url"]),
        record(
            id="AC1",
            status="no-answer",
            answeredAt=None,
            answeredBy=None,
            voicemail={"id": "VM1", "recordingUrl": left["url"]},
        ),
    ):
        call = call_of(older("call.ringing"), message, current("call.completed", 40, hasVoicemail=True))
        assert (call.outcome, call.recordings) == (Outcome.VOICEMAIL, (left["url"],))


def test_summaries_and_transcripts_are_read_and_empty_ones_passed_over() -> None:
    told = heard(
        current("call.summary.completed", callId="AC1", id="SU1", summary=["A leak."], nextSteps=["Call back."])
    )
    assert [(event.call_key, event.kind, event.text) for event in told] == [
        ("AC1", EventKind.CONTENT, "A leak.\nNext steps:\n- Call back.")
    ]
    turns = [
        {"content": "Hello.", "userId": "US1"},
        {"content": "It leaks.", "identifier": "+14375550142"},
        {"content": "", "userId": "US1"},
        {"content": "(noise)"},
    ]
    (told_text,) = [event.text for event in heard(older("call.transcript.completed", callId="AC1", dialogue=turns))]
    assert told_text == "US1: Hello.\n+14375550142: It leaks.\n(noise)"
    assert heard(current("call.summary.completed", summary=None, processingStatus="absent")) == []
    assert [event.text for event in heard(record(summary={"summary": ["A leak."]})) if event.text] == ["A leak."]


def test_recordings_of_both_generations_are_read_once_each() -> None:
    sound = {"id": "CR1", "url": "https://files.example.com/1.mp3"}
    call = call_of(
        older("call.completed", 66, answeredAt=stamp(6), completedAt=stamp(66), media=[sound, {"type": "none"}]),
        current("call.recording.completed", 70, recordings=[sound]),
        older("call.recording.completed", 71, media=[sound]),
    )
    assert call.recordings == ("https://files.example.com/1.mp3",)


@pytest.mark.parametrize(
    ("participants", "outside"),
    [
        (["+14375550142"], "+14375550142"),
        (["+14375550142", "+14375550143"], None),  # which is ours is a guess
        ([{"phoneNumber": "+14375550100", "actorId": "US1"}, {"phoneNumber": "+14375550142"}], "+14375550142"),
        ({"+14375550142": 1}, None),
    ],
)
def test_participants_are_read_where_there_is_no_guess(participants: Any, outside: str | None) -> None:
    assert heard(record(participants=participants))[0].external_number == outside


def test_a_call_without_a_begin_is_unreadable() -> None:
    with pytest.raises(Unreadable, match=r"began\.$"):
        heard(record(createdAt=None))


# Deliveries -----------------------------------------------------------------------------------------------------------


def verified(letter: Letter, *secrets: str, at: datetime = AT) -> RawMessage:
    return adapter(*secrets).verify(Delivery(letter.body, at, letter.headers))


def signed(message: RawMessage, at: datetime = AT) -> Letter:
    return SPEAKER.sign(Said(0.0, _compact(message.body)), KEY, at=at, delivery="msg-1", address=ADDRESS)


def _compact(body: bytes) -> bytes:
    return json.dumps(json.loads(body), separators=(",", ":")).encode()


def test_one_key_proves_both_generations_with_or_without_its_prefix() -> None:
    for secret in (KEY, BARE_KEY, BARE_KEY.rstrip("=")):
        assert verified(signed(current("call.ringing")), secret).delivery_id == "msg-1"
        assert verified(signed(older("call.ringing")), secret).delivery_id == "EV1"


def test_one_of_several_signatures_is_enough_in_both_generations() -> None:
    letter = signed(current("call.ringing"))
    given = dict(letter.headers)
    given["webhook-signature"] = f"v1,bm90IGl0 v2,x {given['webhook-signature']}"
    assert verified(Letter(letter.body, tuple(given.items())), KEY)
    letter = signed(older("call.ringing"))
    ((name, value),) = letter.headers
    assert verified(Letter(letter.body, ((name, f"hmac;1;17;bm90IGl0, {value}"),)), KEY)


def test_the_older_generation_may_count_seconds() -> None:
    body = older("call.ringing").body
    seconds = str(int(AT.timestamp()))
    digest = _digest(f"{seconds}.".encode() + body)
    assert verified(Letter(body, (("openphone-signature", f"hmac;1;{seconds};{digest}"),)), KEY)
    with pytest.raises(Refused, match="five minutes"):
        verified(
            Letter(body, (("openphone-signature", f"hmac;1;{seconds};{digest}"),)), KEY, at=AT + timedelta(hours=1)
        )


def _digest(message: bytes) -> str:
    return base64.b64encode(hmac.new(base64.b64decode(BARE_KEY), message, hashlib.sha256).digest()).decode()


def test_a_message_that_is_not_utf8_and_an_id_too_long_are_refused() -> None:
    letter = SPEAKER.sign(Said(0.0, b"\xff"), KEY, at=AT, delivery="msg-1", address=ADDRESS)
    with pytest.raises(Refused, match="UTF-8"):
        verified(letter, KEY)
    long = SPEAKER.sign(Said(0.0, b"{}"), KEY, at=AT, delivery="m" * 256, address=ADDRESS)
    with pytest.raises(Refused, match="255"):
        verified(long, KEY)


def test_without_any_key_nothing_is_believed() -> None:
    for message in (current("call.ringing"), older("call.ringing")):
        with pytest.raises(Refused, match="any key"):
            verified(signed(message))


@pytest.mark.parametrize("secret", ["whsec_", "", "whsec_not base64", "é"])
def test_a_key_that_is_none_is_told_and_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^Phone system main: a signing key in secrets is base64") as caught:
        adapter(secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(caught.value)


def test_options_show_no_secret() -> None:
    assert repr(QuoOptions(API_KEY, [KEY])) == "QuoOptions(1 secrets, https://api.quo.com)"


# Orders ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def hook(**more: Any) -> dict[str, Any]:
    return {"id": "h1", "url": ADDRESS, "status": "enabled", "events": list(reading.EVENTS), **more}


async def test_without_a_key_a_webhook_is_ordered_and_its_key_believed(http: httpx.AsyncClient) -> None:
    quo = QuoRest(hooks=[hook(id="h0", url="https://other.example.com/hooks"), hook(id="h1")])
    async with served(quo.app()) as base:
        made = adapter(api_base=base)
        assert (await made.supervise(http, ADDRESS)).state == "connected"
        assert [(one["id"], one["url"]) for one in quo.hooks] == [
            ("h0", "https://other.example.com/hooks"),
            ("1", ADDRESS),
        ]
        order = quo.hooks[1]
        assert (order["events"], order["resourceIds"], order["status"]) == (list(reading.EVENTS), ["*"], "enabled")
        letter = SPEAKER.sign(Said(0.0, b"{}"), quo.key(), at=AT, delivery="msg-1", address=ADDRESS)
        assert made.verify(Delivery(letter.body, AT, letter.headers))
        await made.supervise(http, ADDRESS)
        assert quo.made == 1, "it still works"
        quo.hooks[1]["status"] = "disabled"
        await made.supervise(http, ADDRESS)
        assert (quo.made, len(quo.hooks)) == (2, 2)
        with pytest.raises(Refused):
            made.verify(Delivery(letter.body, AT, letter.headers))


async def test_an_order_whose_reply_was_lost_is_replaced_by_one_whose_key_is_known(http: httpx.AsyncClient) -> None:
    quo = QuoRest(lost_replies=1)
    async with served(quo.app()) as base:
        made = adapter(api_base=base)
        with pytest.raises(OutcomeUnknown):
            await made.supervise(http, ADDRESS)
        await made.supervise(http, ADDRESS)
    assert [one["id"] for one in quo.hooks] == ["2"]


@pytest.mark.parametrize("broken", [{"status": "disabled"}, {"events": ["call.completed", "message.received"]}])
async def test_with_a_key_a_webhook_that_lapsed_is_revived_and_never_replaced(
    http: httpx.AsyncClient, broken: dict[str, Any]
) -> None:
    quo = QuoRest(
        hooks=[hook(id="h0", url="https://other.example.com"), *[hook(id=f"h{n}") for n in (1, 2)], hook(**broken)]
    )
    quo.hooks[3]["id"] = "h3"
    async with served(quo.app()) as base:
        made = adapter(KEY, api_base=base)
        for _ in range(2):
            assert (await made.supervise(http, ADDRESS)).state == "connected"
    assert quo.made == 0
    assert quo.hooks[3]["status"] == "enabled"
    assert set(quo.hooks[3]["events"]) == {*broken.get("events", []), *reading.EVENTS}
    assert [asked for asked in quo.asked if asked.startswith("PATCH")] == ["PATCH /webhooks/h3"]


async def test_a_webhook_that_is_gone_needs_a_person_where_the_key_was_given(http: httpx.AsyncClient) -> None:
    quo = QuoRest()
    async with served(quo.app()) as base:
        with pytest.raises(NeedsFixing, match="no webhook"):
            await adapter(KEY, api_base=base).supervise(http, ADDRESS)
        link = await adapter(BARE_KEY, api_base=base).supervise(http, ADDRESS)
        assert (link.state, quo.made) == ("connected", 0)
        assert link.detail is not None, "webhooks of the app cannot be seen"
        with pytest.raises(NeedsFixing, match="401"):
            await adapter(api_base=base, api_token="another").supervise(http, ADDRESS)


# History --------------------------------------------------------------------------------------------------------------


def calls(count: int) -> list[dict[str, Any]]:
    return [
        listed("answered", Dialled(AT + timedelta(minutes=serial), serial=serial)) for serial in range(1, count + 1)
    ]


async def pages(
    quo: QuoRest, http: httpx.AsyncClient, since: datetime = AT, until: datetime = AT + timedelta(days=1)
) -> list[list[RawMessage]]:
    async with served(quo.app()) as base:
        return [page async for page in adapter(KEY, api_base=base).history(http, since, until)]


def told_by(found: list[list[RawMessage]]) -> list[Call]:
    return calls_of(event for page in found for message in page for event in adapter(KEY).parse(message))


async def test_all_calls_of_the_workspace_are_read_to_the_last_page(http: httpx.AsyncClient) -> None:
    quo = QuoRest(calls(5))
    found = await pages(quo, http)
    assert [len(page) for page in found] == [2, 2, 1]
    assert {call.did for call in told_by(found)} == {"+14375550100"}
    assert len({message.delivery_id for page in found for message in page}) == 5
    assert len(quo.asked) == 3


async def test_calls_that_go_on_or_began_outside_the_window_are_left_out(http: httpx.AsyncClient) -> None:
    rows = calls(4)
    rows[1] |= {"completedAt": None, "status": "in-progress"}
    found = await pages(QuoRest(rows), http, AT + timedelta(minutes=2), AT + timedelta(minutes=4))
    assert [call.call_key for call in told_by(found)] == ["AC00000003"]


async def test_an_older_workspace_is_asked_by_conversation_each_pair_once(http: httpx.AsyncClient) -> None:
    rows = []
    for call in calls(5):
        outside = "+14375550143" if call["id"].endswith("5") else "+14375550142"
        rows.append({**call, "participants": [outside]})
    rows.append({**rows[0], "id": "AC00000009", "phoneNumberId": "PN00000002"})
    talks = [
        {"id": "CN1", "phoneNumberId": "PN00000001", "participants": ["+14375550142"], "updatedAt": stamp(300)},
        {"id": "CN2", "phoneNumberId": "PN00000001", "participants": ["+14375550143"], "updatedAt": stamp(300)},
        {
            "id": "CN3",
            "phoneNumberId": "PN00000001",
            "participants": ["+14375550142", "+14375550143"],
            "updatedAt": stamp(9),
        },
        {"id": "CN4", "phoneNumberId": "PN00000002", "participants": ["+14375550142"], "updatedAt": stamp(-99)},
    ]
    numbers = [{"id": "PN00000001", "number": "+14375550100"}]
    quo = QuoRest(rows, talks, numbers, is_older=True)
    found = told_by(await pages(quo, http))
    assert [(call.call_key[-1], call.external_number, call.did) for call in found] == [
        *[(str(serial), "+14375550142", "+14375550100") for serial in range(1, 5)],
        ("5", "+14375550143", "+14375550100"),
    ]
    asked = [path for path in quo.asked if path.startswith("GET /v1/calls") and "pageToken" not in path]
    assert len(asked) == 2
    assert sum(path.startswith("GET /v1/conversations") for path in quo.asked) == 2


async def test_a_record_changes_its_delivery_with_its_content(http: httpx.AsyncClient) -> None:
    ((first,),) = await pages(QuoRest(calls(1)), http)
    ((again,),) = await pages(QuoRest(calls(1)), http)
    ((changed,),) = await pages(QuoRest([{**calls(1)[0], "summary": {"summary": ["A leak."]}}]), http)
    assert first.delivery_id == again.delivery_id != changed.delivery_id


async def test_trouble_is_tried_again_and_a_wrong_key_told(http: httpx.AsyncClient) -> None:
    faults: list[Response[Any]] = [
        Response({}, status_code=429, headers={"Retry-After": "1"}),
        Response({}, status_code=500),
    ]
    quo = QuoRest(calls(1), faults=faults)
    assert len(told_by(await pages(quo, http))) == 1
    assert len(quo.asked) == 3
    refusals: list[Response[Any]] = [Response({}, status_code=403)]
    with pytest.raises(NeedsFixing, match="403"):
        await pages(QuoRest(faults=refusals), http)


async def test_a_list_that_leads_back_is_not_read_for_ever(http: httpx.AsyncClient) -> None:
    with pytest.raises(GivenUp, match="already"):
        await pages(QuoRest(calls(3), loops=True), http)


# Recordings -----------------------------------------------------------------------------------------------------------


async def test_our_key_goes_to_the_vendors_own_host_only(http: httpx.AsyncClient) -> None:
    async with served(QuoRest().app()) as base:
        found = await adapter(KEY, api_base=base).recording(http, f"{base}/recordings/1.mp3")
        assert (found.media_type, b"".join([chunk async for chunk in found.chunks])) == ("audio/mpeg", b"ID3 sound")

    seen: list[httpx.Request] = []

    def elsewhere(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"ID3 sound", headers={"content-type": "audio/mpeg"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(elsewhere)) as client:
        await adapter(KEY).recording(client, "https://files.example.com/1.mp3")
    assert [(request.url.host, request.headers.get("authorization")) for request in seen] == [
        ("files.example.com", None)
    ]


@pytest.mark.parametrize(
    "url", ["http://files.example.com/1.mp3", "file:///1.mp3", "1.mp3", "", "https://files.example.com:x/"]
)
async def test_an_address_that_is_no_https_is_not_asked(http: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(GivenUp, match="address of the recording"):
        await adapter(KEY).recording(http, url)


async def test_a_recording_out_of_reach_may_come_later(http: httpx.AsyncClient) -> None:
    with pytest.raises(RetryLater):
        await adapter(KEY, api_base="http://127.0.0.1:9").recording(http, "http://127.0.0.1:9/recordings/1.mp3")
