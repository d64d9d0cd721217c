"""What is special about Zoom Phone: its words, its gaps, its handshake, its REST API."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Response

from trunkline.calls.reading import calls_of, in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, PartyKind
from trunkline.phone_systems.base import HISTORY_KIND, RawMessage, Unreadable
from trunkline.phone_systems.delivery import Answer, Delivery, Refused
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, RetryLater
from trunkline.phone_systems.zoom import ZoomAdapter, words
from trunkline.phone_systems.zoom.adapter import ZoomOptions
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled, Letter, Said
from trunkline.sandbox.phones.zoom import SPEAKER
from trunkline.sandbox.phones.zoom.rest import ZoomRest

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ADDRESS = "https://bridge.example.com/hooks/main"
CALL = Dialled(AT)
DANA: dict[str, Any] = {"extension_id": "ext-201", "extension_type": "user", "user_id": "user-201", "name": "Dana Desk"}
JANE: dict[str, Any] = {"phone_number": "+14375550142", "name": "JANE EXAMPLE"}


def adapter(**more: Any) -> ZoomAdapter:
    return ZoomAdapter.configure("main", {**SPEAKER.options(SPEAKER.secret, address=ADDRESS), **more})


def stamp(after_s: float) -> str:
    return (AT + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def message(event: str, thing: Any, *, after_s: float = 0.0) -> RawMessage:
    body = {"event": f"phone.{event}", "event_ts": int((AT.timestamp() + after_s) * 1000), "payload": {"object": thing}}
    return RawMessage(json.dumps(body).encode(), AT + timedelta(seconds=after_s))


def heard(event: str, **thing: Any) -> list[CallEvent]:
    told = adapter().parse(message(event, {"call_id": "737", "caller": JANE, "callee": DANA, **thing}))
    return [event for event in told if isinstance(event, CallEvent)]


def call_of(*messages: RawMessage) -> Call:
    (call,) = in_memory(adapter(), list(enumerate(messages)))
    return call


def row(**more: Any) -> RawMessage:
    known = {"id": "log-1", "call_id": "737", "direction": "inbound", "start_time": stamp(0), "end_time": stamp(60)}
    body = json.dumps({**known, "caller_did_number": "+14375550142", **more}).encode()
    return RawMessage(body, AT, kind=HISTORY_KIND)


# Words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("event", "kind"), sorted(words.SIDE_EVENTS.items()))
def test_each_event_of_a_side_ends_with_its_own_kind(event: str, kind: EventKind) -> None:
    sides = {"caller": DANA, "callee": JANE} if event.startswith("caller_") else {}
    assert heard(event, **sides)[-1].kind is kind


@pytest.mark.parametrize(("word", "reason"), sorted(words.RESULTS.items()))
def test_results_are_reasons_in_any_spelling(word: str, reason: EndReason) -> None:
    for spelt in (word, word.upper(), f" {word[:3]} {word[3:]}", f"{word[:4]}_{word[4:]}"):
        ends = [event for event in heard("callee_missed", handup_result=spelt) if event.kind is EventKind.RING_ENDED]
        assert [event.reason for event in ends] == [reason]


def test_a_result_nobody_has_documented_is_no_answer() -> None:
    assert heard("callee_missed", handup_result="Struck by lightning")[-1].reason is EndReason.NO_ANSWER


def test_a_phone_that_is_gone_without_an_answer_and_without_a_word_lost_or_was_given_up() -> None:
    told = heard("callee_ended", ringing_start_time=stamp(2), call_end_time=stamp(9))
    assert [(event.kind, event.reason) for event in told] == [
        (EventKind.RINGING, None),
        (EventKind.RING_ENDED, EndReason.CANCELLED),
        (EventKind.LEFT, EndReason.CANCELLED),
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind, EventKind.RINGING) for kind, party in words.PARTY_KINDS.items() if party is PartyKind.AGENT),
        *((kind, EventKind.ROUTED) for kind, party in words.PARTY_KINDS.items() if party is not PartyKind.AGENT),
        ("call_queue", EventKind.ROUTED),
        ("Auto Receptionist", EventKind.ROUTED),
        ("hologram", EventKind.ROUTED),
        (None, EventKind.RINGING),
    ],
)
def test_only_people_ring_and_answer(kind: str | None, expected: EventKind) -> None:
    callee = {"extension_id": "ext-800", "extension_type": kind, "name": "Service"}
    assert {event.kind for event in heard("callee_ringing", callee=callee)} == {expected}
    answered = {event.kind for event in heard("callee_answered", callee=callee)}
    assert (EventKind.ANSWERED in answered) == (expected is EventKind.RINGING)


def test_an_unknown_kind_of_extension_with_a_user_is_a_person() -> None:
    assert heard("callee_answered", callee={**DANA, "extension_type": "hologram"})[-1].kind is EventKind.ANSWERED


@pytest.mark.parametrize("event", ["callee_mute", "caller_unmute", "recording_started", "sms_sent", "call_log_deleted"])
def test_what_is_no_news_of_the_call_is_passed_over(event: str) -> None:
    assert heard(event) == []


# What is missing, late or odd -----------------------------------------------------------------------------------------


def test_a_call_whose_ringing_was_never_told_is_known_from_its_answer() -> None:
    call = call_of(
        message(
            "callee_answered",
            {
                "call_id": "737",
                "caller": JANE,
                "callee": DANA,
                "ringing_start_time": stamp(2),
                "answer_start_time": stamp(6),
            },
            after_s=6,
        )
    )
    assert (call.state, call.wait_s, call.external_number) == (CallState.ANSWERED, 4.0, "+14375550142")


def test_an_end_alone_tells_who_talked_and_how_long() -> None:
    times = {"ringing_start_time": stamp(2), "answer_start_time": stamp(6), "call_end_time": stamp(66)}
    call = call_of(message("callee_ended", {"call_id": "737", "caller": JANE, "callee": DANA, **times}, after_s=66))
    assert (call.outcome, call.wait_s, call.talk_s) == (Outcome.ANSWERED, 4.0, 60.0)
    assert call.answered_by is not None
    assert call.answered_by.name == "Dana Desk"


def test_a_queue_and_a_receptionist_route_and_a_caller_who_gives_up_there_was_not_missed_by_anybody() -> None:
    menu = {"extension_id": "ext-1", "extension_type": "autoReceptionist", "name": "Main"}
    queue = {"extension_id": "ext-2", "extension_type": "callQueue", "name": "Service"}
    told = {"call_id": "737", "caller": JANE}
    call = call_of(
        message("callee_answered", {**told, "callee": menu, "answer_start_time": stamp(1)}, after_s=1),
        message("callee_ended", {**told, "callee": menu, "call_end_time": stamp(9)}, after_s=9),
        message("callee_ringing", {**told, "callee": queue, "ringing_start_time": stamp(8)}, after_s=9),
        message("callee_missed", {**told, "callee": queue, "call_end_time": stamp(30)}, after_s=30),
    )
    assert (call.state, call.outcome, call.queues) == (CallState.ENDED, Outcome.ABANDONED, ("Service",))


def test_a_queue_that_comes_back_to_a_member_is_one_call_that_still_rings() -> None:
    told = {"call_id": "737", "caller": JANE, "callee": DANA}
    first = {**told, "ringing_start_time": stamp(2), "call_end_time": stamp(20), "handup_result": "No Answer"}
    again = {**told, "ringing_start_time": stamp(30)}
    messages = [message("callee_missed", first, after_s=20), message("callee_ringing", again, after_s=30)]
    assert call_of(*messages).state is CallState.RINGING
    answer = {**again, "answer_start_time": stamp(34), "call_end_time": stamp(90)}
    call = call_of(*messages, message("callee_ended", answer, after_s=90))
    assert (call.outcome, call.wait_s, call.talk_s) == (Outcome.ANSWERED, 32.0, 56.0)


def test_who_is_passed_on_by_a_receptionist_is_not_taken_for_a_colleague() -> None:
    """Seen in the wild: the receptionist stands where the caller should."""
    menu = {"extension_type": "autoReceptionist", "phone_number": "+14375550100", "extension_number": 14375550100}
    (ringing,) = heard("callee_ringing", caller=menu)
    assert (ringing.direction, ringing.external_number) == (None, None)


def test_the_number_dialled_is_the_one_that_passed_the_call_on_and_not_the_members_own() -> None:
    own = {**DANA, "phone_number": "+14375550101"}
    queue = {"name": "Service", "extension_type": "callQueue"}
    assert [event.did for event in heard("callee_ringing", callee=own)] == ["+14375550101"]
    assert [event.did for event in heard("callee_ringing", callee=own, forwarded_by=queue)] == [None]
    redirected = heard("callee_ringing", callee=own, redirect_forwarded_by={"phone_number": "+14375550100"})
    assert [event.did for event in redirected] == ["+14375550100"]


def test_an_outbound_call_that_was_busy_says_so() -> None:
    times = {"ringing_start_time": stamp(0), "call_end_time": stamp(5)}
    thing = {"call_id": "737", "caller": DANA, "callee": JANE, **times, "handup_result": "Busy"}
    call = call_of(message("caller_ended", thing, after_s=5))
    assert (call.direction, call.outcome, call.answered_at) == (Direction.OUTBOUND, Outcome.BUSY, None)


def test_a_transfer_that_failed_is_none_and_one_to_voicemail_goes_there() -> None:
    assert heard("blind_transfer_initiated", transfer_phone_number="202", failure_reason="Not allowed") == []
    (routed,) = heard("transfer_call_to_voicemail_initiated", transfer_phone_number="202")
    assert (routed.kind, routed.party and routed.party.kind) == (EventKind.ROUTED, PartyKind.VOICEMAIL)


@pytest.mark.parametrize(
    ("thing", "kind", "label"),
    [
        ({"transfer_phone_number": "202"}, PartyKind.AGENT, "202"),
        ({"transfer_phone_number": "+14375550177"}, PartyKind.EXTERNAL, "+14375550177"),
        ({"recipient": {"name": "Sam Second", "extension_number": 202}}, PartyKind.AGENT, "202"),
    ],
)
def test_a_transfer_says_to_whom(thing: dict[str, Any], kind: PartyKind, label: str) -> None:
    (told,) = heard("warm_transfer_completed", date_time=stamp(30), **thing)
    assert told.kind is EventKind.TRANSFERRED
    assert told.party is not None
    assert (told.party.kind, told.party.extension or told.party.name) == (kind, label)


def test_a_recording_told_to_two_people_is_one() -> None:
    recording = {"id": "r1", "call_id": "737", "direction": "inbound", "download_url": "https://zoom.us/r1"}
    both = [message(event, {"recordings": [recording]}) for event in sorted(words.RECORDING_EVENTS)]
    assert call_of(*both).recordings == ("https://zoom.us/r1",)


def test_a_voicemail_without_a_call_id_joins_its_call_by_the_record() -> None:
    left = message("voicemail_received", {"id": "v1", "call_log_id": "log-1", "date_time": stamp(50)}, after_s=50)
    call = call_of(left, row(call_result="voicemail"))
    assert (call.outcome, call.call_key, call.aliases) == (Outcome.VOICEMAIL, "737", ("log:log-1",))


@pytest.mark.parametrize("said", [{"content": "Call me."}, {"text": "Call me."}, "Call me."])
def test_a_transcript_is_read_in_each_form(said: Any) -> None:
    for name in ("transcription", "transcript"):
        (told,) = heard("voicemail_transcript_completed", **{name: said})
        assert (told.kind, told.text) == (EventKind.CONTENT, "Call me.")


def test_a_recordings_transcript_that_is_a_link_only_says_nothing_yet() -> None:
    """It is fetched when the history is read."""
    linked = {"recordings": [{"call_id": "737", "transcript_download_url": "https://zoom.us/t1"}]}
    assert adapter().parse(message("recording_transcript_completed", linked)) == []


def test_a_users_log_that_comes_by_webhook_does_not_end_the_call() -> None:
    """A member who lost gets one, too, while another still talks."""
    queue = {"callee_ext_type": "call_queue", "callee_name": "Service", "callee_did_number": "+14375550100"}
    log = {**json.loads(row().body), "call_result": "no_answer", "end_time": stamp(7), **queue}
    for event, name in (
        ("callee_call_history_completed", "call_logs"),
        ("callee_call_log_completed", "call_logs"),
        ("callee_call_element_completed", "call_elements"),
    ):
        talking = message(
            "callee_answered",
            {"call_id": "737", "caller": JANE, "callee": DANA, "answer_start_time": stamp(7)},
            after_s=7,
        )
        call = call_of(talking, message(event, {name: [log]}, after_s=8))
        assert (call.state, call.did, call.queues) == (CallState.ANSWERED, "+14375550100", ("Service",))


@pytest.mark.parametrize(
    ("event", "thing"),
    [("callee_ringing", {"caller": JANE}), ("recording_completed", {"recordings": [{"id": "r1"}]})],
)
def test_an_event_that_names_no_call_is_unreadable(event: str, thing: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match=r"call.*\.$"):
        adapter().parse(message(event, thing))


def test_a_key_too_long_for_an_index_is_none() -> None:
    with pytest.raises(Unreadable):
        adapter().parse(message("callee_ringing", {"call_id": "7" * 256, "callee": DANA}))


# History --------------------------------------------------------------------------------------------------------------


def test_a_row_of_the_old_format_is_understood() -> None:
    old = {
        "id": "log-1",
        "call_id": "737",
        "direction": "inbound",
        "caller_number": "+14375550142",
        "caller_number_type": 2,
        "callee_number": "201",
        "callee_name": "Dana Desk",
        "callee_did_number": "+14375550100",
        "date_time": stamp(0),
        "answer_start_time": stamp(5),
        "call_end_time": stamp(65),
        "result": "Call connected",
    }
    call = call_of(RawMessage(json.dumps(old).encode(), AT, kind=HISTORY_KIND))
    assert (call.outcome, call.wait_s, call.talk_s, call.did) == (Outcome.ANSWERED, 5.0, 60.0, "+14375550100")
    assert call.answered_by is not None
    assert call.answered_by.name == "Dana Desk"


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"call_result": "answered", "answer_time": stamp(5)}, Outcome.ANSWERED),
        ({"call_result": "never seen before", "answer_time": stamp(5)}, Outcome.ANSWERED),
        ({"call_result": "Call connected", "duration": 50}, Outcome.ANSWERED),
        ({"result": "connected", "talk_time": 50, "wait_time": 10}, Outcome.ANSWERED),
        ({"call_result": "no_answer"}, Outcome.MISSED),
        ({"call_result": "no_answer", "answer_time": stamp(5)}, Outcome.MISSED),
        ({"call_result": "busy"}, Outcome.BUSY),
        ({"call_result": "rejected"}, Outcome.REJECTED),
        ({"call_result": "failed"}, Outcome.FAILED),
        ({"call_result": "voicemail", "answer_time": stamp(20)}, Outcome.VOICEMAIL),
        ({"call_result": "missed", "voicemail_id": "v1"}, Outcome.VOICEMAIL),
        ({"has_voicemail": True}, Outcome.VOICEMAIL),
        ({"callee_ext_type": "auto_receptionist", "callee_ext_id": "e1", "answer_time": stamp(1)}, Outcome.MISSED),
    ],
)
def test_a_row_says_how_the_call_went(more: dict[str, Any], outcome: Outcome) -> None:
    call = call_of(row(**more))
    assert (call.state, call.outcome) == (CallState.ENDED, outcome)


def test_the_operator_of_a_row_answered_and_not_the_queue() -> None:
    queue = {
        "callee_ext_id": "q1",
        "callee_ext_type": "call_queue",
        "callee_name": "Service",
        "callee_ext_number": "800",
    }
    sam = {"operator_ext_id": "ext-202", "operator_ext_type": "user", "operator_name": "Sam Second"}
    call = call_of(row(call_result="answered", answer_time=stamp(5), **queue, **sam))
    assert (call.queues, call.answered_by and call.answered_by.name) == (("Service",), "Sam Second")
    unnamed = call_of(row(call_result="answered", answer_time=stamp(5), **queue))
    assert (unnamed.outcome, unnamed.answered_by) == (Outcome.ANSWERED, None)


def test_rows_of_one_record_with_two_call_ids_are_one_call() -> None:
    """After a transfer Zoom may give another call id; the record's own holds the two together."""
    first = row(id="e1", call_history_uuid="h1", call_result="answered", answer_time=stamp(5), end_time=stamp(30))
    second = row(
        id="e2", call_history_uuid="h1", call_id="738", start_time=stamp(30), answer_time=stamp(34), end_time=stamp(90)
    )
    call = call_of(first, second)
    assert (call.call_key, "738" in call.aliases, call.ended_at) == ("737", True, AT + timedelta(seconds=90))


@pytest.mark.parametrize(
    "more", [{"connect_type": "internal"}, {"caller_number_type": 1}, {"caller_ext_id": "ext-202"}]
)
def test_a_row_between_colleagues_is_internal(more: dict[str, Any]) -> None:
    call = call_of(row(call_result="answered", answer_time=stamp(5), **more))
    assert (call.direction, call.external_number) == (Direction.INTERNAL, None)


def test_a_row_without_a_begin_is_unreadable() -> None:
    with pytest.raises(Unreadable, match=r"began\.$"):
        adapter().parse(RawMessage(b'{"id":"log-1","call_id":"737"}', AT, kind=HISTORY_KIND))


# Deliveries -----------------------------------------------------------------------------------------------------------


def delivered(letter: Letter, at: datetime = AT) -> RawMessage | Answer:
    return adapter().verify(Delivery(letter.body, at, letter.headers))


def signed(body: bytes, at: datetime = AT) -> Letter:
    return SPEAKER.sign(Said(0.0, body), SPEAKER.secret, at=at, delivery="", address=ADDRESS)


def test_the_handshake_is_answered_with_the_documented_digest_every_time() -> None:
    asked = SPEAKER.handshake(SPEAKER.secret, at=AT, address=ADDRESS)
    assert asked is not None
    for _ in range(2):
        answer = delivered(asked.letter)
        assert isinstance(answer, Answer)
        assert json.loads(answer.body) == {
            "plainToken": "plain-token-1",
            "encryptedToken": "11036d446d3d2aa5fed57200ebe3f41826502f060a1a8224ad9c40dda4c6f26f",
        }
        assert answer.media_type == "application/json"


def test_a_handshake_is_proved_before_it_is_answered() -> None:
    asked = SPEAKER.handshake(SPEAKER.another_secret, at=AT, address=ADDRESS)
    assert asked is not None
    with pytest.raises(Refused, match="signature"):
        delivered(asked.letter)
    with pytest.raises(Refused, match="plainToken"):
        delivered(signed(b'{"event":"endpoint.url_validation","payload":{}}'))


def test_a_genuine_message_that_nobody_can_read_is_kept() -> None:
    kept = delivered(signed(b"\xff not json"))
    assert isinstance(kept, RawMessage)
    assert kept.delivery_id


def test_a_delivery_tried_again_later_is_the_same_and_another_members_is_not() -> None:
    ids: list[str | None] = []
    for who, event_ts in (("ext-201", 1), ("ext-201", 1), ("ext-202", 1), ("ext-201", 2)):
        thing = {"call_id": "737", "callee": {"extension_id": who}}
        body = json.dumps(
            {"event": "phone.callee_ringing", "event_ts": event_ts, "payload": {"object": thing}}
        ).encode()
        kept = delivered(signed(body, AT + timedelta(seconds=len(ids))))
        assert isinstance(kept, RawMessage)
        ids.append(kept.delivery_id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_options_show_no_secret_and_need_one() -> None:
    shown = repr(ZoomOptions(["a-secret"], "account-0001", "client-0001", "another-secret"))
    assert "account-0001" in shown
    assert "-secret" not in shown
    with pytest.raises(ValueError, match=r"^Phone system main: give at least one secret token in secrets\.$"):
        adapter(secrets=[])
    with pytest.raises(ValueError, match="client_secret"):
        ZoomAdapter.configure("main", {"secrets": ["s"], "account_id": "a", "client_id": "c"})


# REST -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


Asks = Callable[[ZoomAdapter], Any]


async def at_zoom(zoom: ZoomRest, asks: Asks, **more: Any) -> Any:
    async with served(zoom.app()) as base:
        return await asks(adapter(**{"api_base": f"{base}/v2", "login_base": base, **more}))


def history_rows(count: int) -> list[dict[str, Any]]:
    rows = []
    for serial in range(1, count + 1):
        (said,) = SPEAKER.history("answered", Dialled(AT + timedelta(minutes=serial), serial=serial))
        rows.append(json.loads(said.body))
    return rows


async def pages(
    zoom: ZoomRest, http: httpx.AsyncClient, since: datetime = AT, until: datetime = AT + timedelta(days=1), **more: Any
) -> list[list[RawMessage]]:
    async def ask(asked: ZoomAdapter) -> list[list[RawMessage]]:
        return [page async for page in asked.history(http, since, until)]

    found: list[list[RawMessage]] = await at_zoom(zoom, ask, **more)
    return found


def asked_for(zoom: ZoomRest, what: str) -> list[str]:
    return [asked for asked in zoom.asked if asked.startswith(f"GET /v2/phone/{what}?")]


@pytest.mark.parametrize("own_words", ["call_logs", "call_history"])
async def test_history_is_read_to_its_last_page(http: httpx.AsyncClient, own_words: str) -> None:
    zoom = ZoomRest(history_rows(5), own_words=own_words)
    found = await pages(zoom, http)
    assert [len(page) for page in found] == [2, 2, 1]
    messages = [message for page in found for message in page]
    assert len({message.delivery_id for message in messages}) == 5
    assert {message.kind for message in messages} == {HISTORY_KIND}
    calls = calls_of(event for message in messages for event in adapter().parse(message))
    assert len(calls) == 5
    assert zoom.signed_in == 1
    assert "page_size=300" in zoom.asked[0]


async def test_a_row_that_changed_is_another_delivery_and_one_that_did_not_is_none(http: httpx.AsyncClient) -> None:
    rows = history_rows(1)
    ((first,),) = await pages(ZoomRest(rows), http)
    ((again,),) = await pages(ZoomRest(rows), http)
    ((changed,),) = await pages(ZoomRest([{**rows[0], "end_time": stamp(500)}]), http)
    assert first.delivery_id == again.delivery_id != changed.delivery_id


async def test_whole_days_are_cut_to_the_window_and_long_spans_are_asked_in_parts(http: httpx.AsyncClient) -> None:
    zoom = ZoomRest(history_rows(4))
    found = await pages(zoom, http, AT + timedelta(minutes=2), AT + timedelta(minutes=4))
    assert sum(len(page) for page in found) == 2
    zoom = ZoomRest(history_rows(1))
    found = await pages(zoom, http, AT - timedelta(days=40), AT + timedelta(days=1))
    assert (sum(len(page) for page in found), len(asked_for(zoom, "call_history"))) == (1, 2)


async def test_a_token_that_was_revoked_is_got_anew(http: httpx.AsyncClient) -> None:
    zoom = ZoomRest(history_rows(1), refused_tokens={"token-1"})
    assert len(await pages(zoom, http)) == 1
    assert zoom.signed_in == 2


async def test_fewer_requests_are_sent_when_zoom_asks_for_that_and_trouble_is_tried_again(
    http: httpx.AsyncClient,
) -> None:
    faults: list[Response[Any]] = [
        Response({"code": 429}, status_code=429, headers={"Retry-After": "1"}),
        Response({"code": 500}, status_code=503),
    ]
    zoom = ZoomRest(history_rows(1), faults=faults)
    assert len(await pages(zoom, http)) == 1
    assert len(asked_for(zoom, "call_history")) == 3


async def test_wrong_credentials_and_missing_rights_need_a_person(http: httpx.AsyncClient) -> None:
    with pytest.raises(NeedsFixing, match="client_secret"):
        await pages(ZoomRest(), http, client_secret="another")
    refusals: list[Response[Any]] = [Response({"code": 4711, "message": "no scopes"}, status_code=403)]
    with pytest.raises(NeedsFixing, match="403"):
        await pages(ZoomRest(faults=refusals), http)


async def test_a_page_that_leads_back_is_not_read_for_ever(http: httpx.AsyncClient) -> None:
    with pytest.raises(GivenUp, match="already"):
        await pages(ZoomRest(history_rows(3), loops=True), http)


async def test_a_recording_is_fetched_with_our_token(http: httpx.AsyncClient) -> None:
    zoom = ZoomRest(refused_tokens={"token-1"})
    async with served(zoom.app()) as base:
        asked = adapter(api_base=f"{base}/v2", login_base=base)
        found = await asked.recording(http, f"{base}/v2/phone/recording/download/recording-0001")
        assert (found.media_type, b"".join([chunk async for chunk in found.chunks])) == ("audio/mpeg", b"ID3 sound")
        with pytest.raises(GivenUp, match="404"):
            await asked.recording(http, f"{base}/v2/phone/recording/download/recording-0009")


@pytest.mark.parametrize(
    "url",
    [
        "https://zoom.us.example.com/r",
        "https://example.com/zoom.us",
        "https://notzoom.us/r",
        "https://zoom.us@example.com/r",
        "http://zoom.us/r",
        "file:///r",
        "https://[zoom.us/r",
        "",
    ],
)
async def test_our_token_goes_to_zooms_hosts_only(http: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(GivenUp, match="not Zoom's"):
        await adapter().recording(http, url)


async def test_zoom_out_of_reach_is_told_as_such(http: httpx.AsyncClient) -> None:
    with pytest.raises(RetryLater, match="sign in"):
        await adapter(login_base="http://127.0.0.1:9").recording(http, "https://zoom.us/v2/phone/recording/download/1")
