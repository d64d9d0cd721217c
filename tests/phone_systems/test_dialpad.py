"""What is special to Dialpad: states of legs, ids, JWTs, and its REST API."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
import stamina
from rest_lookalike import Asked, Lookalike, Said

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.dialpad import DialpadAdapter, DialpadOptions
from trunkline.phone_systems.dialpad.subscription import STATES
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.sandbox.phones.dialpad import SPEAKER
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)
SECRET = "not-a-real-secret-of-32-characters"
ADDRESS = "https://bridge.example.com/hooks/dialpad"
ROOT, DANA, SAM = 9_100_000_000_000_000_001, 9_100_000_000_000_000_002, 9_100_000_000_000_000_003
PERSON = {"id": 9_100_000_000_000_000_151, "type": "user", "name": "Dana Desk", "email": "dana@example.com"}
OFFICE = {"id": 1, "type": "office", "name": "Example Plumbing", "phone": "+14375550100"}


def adapter(**options: Any) -> DialpadAdapter:
    return DialpadAdapter.configure("main", {"secrets": [SECRET], "api_token": "not-a-real-key", **options})


def claims(**more: Any) -> dict[str, Any]:
    return {
        "call_id": DANA,
        "state": "ringing",
        "direction": "inbound",
        "external_number": "+14375550142",
        "internal_number": "+14375550151",
        "contact": {"name": "JANE EXAMPLE", "type": "local"},
        "target": PERSON,
        "entry_point_call_id": ROOT,
        "entry_point_target": OFFICE,
        "master_call_id": ROOT,
        "operator_call_id": None,
        "event_timestamp": MS,
        **more,
    }


def parsed(kind: str = "", **more: Any) -> list[CallEvent]:
    told = adapter().parse(RawMessage(json.dumps(claims(**more)).encode(), AT, kind=kind))
    return [event for event in told if isinstance(event, CallEvent)]


def kinds(**more: Any) -> list[EventKind]:
    return [event.kind for event in parsed(**more)]


def calls(*events: dict[str, Any]) -> list[Call]:
    return in_memory(adapter(), [(place, RawMessage(json.dumps(one).encode(), AT)) for place, one in enumerate(events)])


def delivery(token: str | bytes, at: datetime = AT) -> Delivery:
    return Delivery(token.encode() if isinstance(token, str) else token, at)


# What its words mean --------------------------------------------------------------------------------------------

PERSONS_STATES = {
    "calling": [EventKind.STARTED],
    "preanswer": [EventKind.STARTED],
    "queued": [EventKind.STARTED],
    "ringing": [EventKind.RINGING],
    "connected": [EventKind.ANSWERED],
    "hold": [EventKind.HELD],
    "parked": [EventKind.HELD],
    "missed": [EventKind.RING_ENDED],
    "voicemail": [EventKind.RING_ENDED, EventKind.VOICEMAIL],
    "voicemail_uploaded": [EventKind.VOICEMAIL],
    "recording": [EventKind.RECORDING],
    "hangup": [EventKind.LEFT],
    "blocked": [EventKind.LEFT],
    "barge": [EventKind.UNKNOWN],
    "monitor": [EventKind.UNKNOWN],
    "merged": [EventKind.UNKNOWN],
    "takeover": [EventKind.UNKNOWN],
    "csat": [EventKind.UNKNOWN],
    "": [EventKind.UNKNOWN],
}
GROUPS_STATES = {
    "calling": [EventKind.STARTED, EventKind.ROUTED],
    "preanswer": [EventKind.STARTED, EventKind.ROUTED],
    "queued": [EventKind.STARTED, EventKind.ROUTED],
    "ringing": [EventKind.STARTED, EventKind.ROUTED],
    "connected": [EventKind.STARTED, EventKind.ROUTED],
    "hold": [EventKind.UNKNOWN],
    "missed": [EventKind.UNKNOWN],
    "voicemail": [EventKind.VOICEMAIL],
    "voicemail_uploaded": [EventKind.VOICEMAIL],
    "recording": [EventKind.RECORDING],
    "hangup": [EventKind.LEFT, EventKind.ENDED],
    "blocked": [EventKind.ENDED],
}


@pytest.mark.parametrize(("state", "expected"), PERSONS_STATES.items())
def test_a_state_of_a_persons_leg(state: str, expected: list[EventKind]) -> None:
    assert kinds(state=state) == expected


@pytest.mark.parametrize(("state", "expected"), GROUPS_STATES.items())
def test_a_state_of_the_leg_of_a_group(state: str, expected: list[EventKind]) -> None:
    group = {"call_id": ROOT, "entry_point_call_id": None, "master_call_id": None, "target": OFFICE}
    assert kinds(state=state, **group) == expected


@pytest.mark.parametrize(
    ("target_type", "party"),
    [
        ("office", PartyKind.QUEUE),
        ("department", PartyKind.QUEUE),
        ("callcenter", PartyKind.QUEUE),
        ("coachinggroup", PartyKind.QUEUE),
        ("callrouter", PartyKind.MENU),
        ("hologram", PartyKind.QUEUE),
    ],
)
def test_no_group_ever_answers(target_type: str, party: PartyKind) -> None:
    (event,) = parsed(state="connected", target={**OFFICE, "type": target_type})
    assert (event.kind, event.party and event.party.kind) == (EventKind.ROUTED, party)


@pytest.mark.parametrize("target_type", ["user", "room"])
def test_a_user_and_a_room_answer(target_type: str) -> None:
    (event,) = parsed(state="connected", target={**PERSON, "type": target_type})
    assert event.kind is EventKind.ANSWERED
    assert event.party is not None
    assert (event.party.kind, event.party.provider_id) == (PartyKind.AGENT, "9100000000000000151")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"date_connected": MS}, EndReason.NORMAL),
        ({}, EndReason.CANCELLED),
        ({"operator_call_id": SAM}, EndReason.ELSEWHERE),
        ({"operator_call_id": DANA, "date_connected": MS}, EndReason.NORMAL),
        ({"direction": "outbound"}, EndReason.UNKNOWN),
        ({"date_connected": MS, "voicemail_link": "https://dialpad.example.com/v"}, EndReason.CANCELLED),
    ],
)
def test_why_a_leg_stopped(more: dict[str, Any], reason: EndReason) -> None:
    assert parsed(state="hangup", **more)[0].reason is reason


def test_the_only_phone_that_nobody_took_was_not_answered() -> None:
    assert parsed(state="missed", entry_point_call_id=None, master_call_id=None)[0].reason is EndReason.NO_ANSWER


@pytest.mark.parametrize(
    ("more", "direction"),
    [
        ({"direction": "inbound"}, Direction.INBOUND),
        ({"direction": "outbound"}, Direction.OUTBOUND),
        ({"direction": "outbound", "is_internal": True}, Direction.INTERNAL),
        ({"direction": "sideways"}, None),
    ],
)
def test_the_direction(more: dict[str, Any], direction: Direction | None) -> None:
    assert parsed(**more)[0].direction is direction


def test_a_missed_leg_that_is_over_needs_no_hangup() -> None:
    direct = {"entry_point_call_id": None, "master_call_id": None}
    (call,) = calls(
        claims(**direct), claims(state="missed", date_ended=MS + 20_000, event_timestamp=MS + 20_000, **direct)
    )
    assert (call.state, call.outcome) == (CallState.ENDED, Outcome.MISSED)


def test_a_blocked_call_is_over() -> None:
    (call,) = calls(claims(state="blocked", entry_point_call_id=None, master_call_id=None))
    assert (call.state, call.outcome) == (CallState.ENDED, Outcome.REJECTED)


# Ids and fields -------------------------------------------------------------------------------------------------


def test_ids_beyond_a_double_stay_what_they_are_and_all_of_them_are_keys() -> None:
    (event,) = parsed(operator_call_id=SAM)
    assert (event.call_key, event.aliases) == (str(ROOT), (str(DANA), str(SAM)))
    assert event.leg_key == str(DANA)


@pytest.mark.parametrize("nothing", [None, "", 0, "0", "null", "None", [], {}, True, 1.5])
def test_what_is_no_id_joins_nothing(nothing: object) -> None:
    (event, *_) = parsed(entry_point_call_id=nothing, master_call_id=nothing, operator_call_id=nothing)
    assert (event.call_key, event.aliases) == (str(DANA), ())


def test_a_leg_that_only_names_its_master_belongs_to_it() -> None:
    assert parsed(entry_point_call_id=None)[0].call_key == str(ROOT)


def test_ids_and_times_as_text_mean_the_same() -> None:
    texts = {key: str(value) for key, value in claims().items() if isinstance(value, int)}
    assert parsed(**texts) == parsed()


def test_the_number_dialled_is_that_of_the_entry_point() -> None:
    assert parsed()[0].did == "+14375550100"
    assert parsed(entry_point_target={})[0].did is None  # the leg's own number is the agent's
    direct: dict[str, Any] = {"entry_point_target": {}, "entry_point_call_id": None, "master_call_id": None}
    assert parsed(**direct)[0].did == "+14375550151"
    assert parsed(internal_number="blocked", direction="outbound", **direct)[0].did is None


@pytest.mark.parametrize("name", ["(437) 555-0142", "Anonymous", "", None, 7])
def test_a_number_is_no_name(name: object) -> None:
    assert parsed(contact={"name": name})[0].external_name is None


def test_a_word_is_taken_for_the_value_it_means() -> None:
    root = {"call_id": ROOT, "entry_point_call_id": None, "master_call_id": None, "target": OFFICE}
    assert EventKind.ENDED in kinds(state="hangup", is_transferred="FALSE", **root)
    assert EventKind.ENDED not in kinds(state="hangup", is_transferred="TRUE", **root)


def test_a_transfer_is_told_by_the_phone_that_starts_to_ring() -> None:
    assert kinds(is_transferred=True) == [EventKind.TRANSFERRED, EventKind.RINGING]
    again = parsed(is_transferred=True, event_timestamp=MS + 1)[0]
    assert again.event_id == parsed(is_transferred=True)[0].event_id


@pytest.mark.parametrize("late", [None, "soon", -1, 0, 10**17, 10**30, float("1e300"), {}, True])
def test_what_is_no_time_is_when_it_was_received(late: object) -> None:
    assert parsed(event_timestamp=late)[0].occurred_at == AT


def test_a_call_that_came_in_and_was_never_taken_over_stays_open_while_phones_ring_in_turn() -> None:
    root = {"call_id": ROOT, "entry_point_call_id": None, "master_call_id": None, "target": OFFICE}
    told = [claims(state="queued", **root), claims(), claims(state="missed", event_timestamp=MS + 15_000)]
    assert [call.state for call in calls(*told)] != [CallState.ENDED]


def test_every_kind_of_link_to_media_is_found_once() -> None:
    def link(name: str) -> str:
        return f"https://dialpad.example.com/{name}"

    told = parsed(
        state="hangup",
        recording_details=[
            {"recording_type": "callrecording", "url": link("a")},
            {"recording_type": "admincallrecording", "url": link("b")},
            {"recording_type": "voicemail", "url": link("v")},
            {"recording_type": "callrecording", "url": None},
        ],
        recording_url=[link("a"), link("c")],
        call_recording_share_links=[link("page")],
        voicemail_link=link("v"),
    )
    media = [(event.kind, event.media_url) for event in told if event.media_url]
    recordings = [(EventKind.RECORDING, link(name)) for name in "abc"]
    assert media == [(EventKind.VOICEMAIL, link("v")), *recordings]


def test_pages_to_share_a_recording_are_taken_where_there_is_nothing_else() -> None:
    told = parsed(state="hangup", call_recording_share_links=["https://dialpad.example.com/page"])
    assert [event.media_url for event in told if event.kind is EventKind.RECORDING] == [
        "https://dialpad.example.com/page"
    ]


@pytest.mark.parametrize(
    ("more", "texts"),
    [
        ({"state": "transcription", "transcription_text": "Hello."}, ["Hello."]),
        ({"state": "call_transcription", "call_transcription": {"speaker": "Dana", "text": "Hi."}}, ["Dana: Hi."]),
        ({"state": "recap_summary", "recap_summary": {"summary": "Wants a visit."}}, ["Wants a visit."]),
        ({"state": "recap_action_items", "recap_action_items": ["Call back.", {"text": "Send a quote."}]},
         ["Call back.", "Send a quote."]),
        ({"state": "recap_outcome", "recap_outcome": 5}, []),
    ],
)  # fmt: skip
def test_transcripts_and_summaries_are_content(more: dict[str, Any], texts: list[str]) -> None:
    assert [event.text for event in parsed(**more) if event.kind is EventKind.CONTENT] == texts


def test_labels_and_dispositions_are_notes_once_the_talk_is_over() -> None:
    notes: dict[str, Any] = {"labels": ["Water heater"], "dispositions": {"name": "Booked"}}
    told = [event.text for event in parsed(state="dispositions", **notes) if event.kind is EventKind.ANNOTATED]
    assert told == ["Water heater", "Booked"]
    assert EventKind.ANNOTATED not in kinds(state="connected", **notes)


def test_other_events_of_the_same_webhook_say_nothing() -> None:
    assert adapter().parse(RawMessage(b'{"sms_id":1,"text":"hello"}', AT)) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'"text"', b"\xff", b"{", b"[" * 5000, b'{"state":"ringing"}'])
def test_what_is_no_event_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        adapter().parse(RawMessage(body, AT))


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
def test_no_call_is_over_before_everybody_hung_up(scenario: str) -> None:
    """Told as it happens, so that nothing is logged as missed while a caller is still there."""
    said = SPEAKER.play(scenario, Dialled(AT))
    messages = [(place, RawMessage(one.body, AT)) for place, one in enumerate(said)]
    (whole,) = in_memory(adapter(), messages)
    assert whole.ended_at is not None
    for place, one in enumerate(said):
        (call,) = in_memory(adapter(), messages[: place + 1])
        is_over = one.after_s >= (whole.ended_at - AT).total_seconds()
        assert is_over or call.state is not CallState.ENDED, one


# History --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, (None, None, None)),
        ({"total_duration": 9000.5}, (None, None, 9.0005)),
        ({"date_started": MS, "date_ended": MS + 9000}, (None, None, 9.0)),
        ({"date_started": MS, "date_connected": MS + 4000, "date_ended": MS + 9000}, (4.0, 5.0, 9.0)),
        ({"date_started": MS, "date_connected": MS + 4000, "duration": "5000"}, (4.0, 5.0, None)),
        ({"date_started": MS, "date_connected": MS + 4000, "date_ended": MS + 9000, "target": OFFICE},
         (None, None, 9.0)),
        ({"date_started": MS, "date_connected": MS + 4000, "date_ended": MS + 9000,
          "voicemail_share_link": "https://dialpad.example.com/v"}, (None, None, 9.0)),
        ({"total_duration": 10**16}, (None, None, None)),
    ],
)  # fmt: skip
def test_a_record_states_seconds_of_what_it_knows(more: dict[str, Any], told: tuple[float | None, ...]) -> None:
    (record,) = [event for event in parsed("history", **more) if event.kind is EventKind.RECORD]
    assert (record.ring_s, record.talk_s, record.total_s) == told


def test_a_call_that_only_the_history_knows_shows_who_rang_and_who_gave_up() -> None:
    root = {"call_id": ROOT, "entry_point_call_id": None, "master_call_id": None, "target": OFFICE}
    times = {"date_started": MS, "date_ended": MS + 30_000}
    legs = [claims(**times, **root), claims(**times, date_rang=MS + 2000)]
    messages = [RawMessage(json.dumps(leg).encode(), AT, kind="history") for leg in legs]
    (rang,) = in_memory(adapter(), list(enumerate(messages)))
    (queued,) = in_memory(adapter(), [(0, messages[0])])
    assert (rang.outcome, queued.outcome) == (Outcome.MISSED, Outcome.ABANDONED)
    assert rang.ended_at == queued.ended_at == AT + timedelta(seconds=30)


# Proof ----------------------------------------------------------------------------------------------------------


def signed(secret: str = SECRET, algorithm: str = "HS256", **more: Any) -> str:
    return jwt.encode(claims(**more), secret, algorithm=algorithm)


def test_the_claims_are_kept_byte_by_byte_and_blanks_around_the_token_do_no_harm() -> None:
    exact = b'{ "state":"ringing",  "call_id": 9100000000000000001 }'
    token = jwt.api_jws.encode(exact, SECRET, algorithm="HS256")
    message = adapter().verify(delivery(f"\r\n{token}\n"))
    assert message.body == exact
    assert message.delivery_id == adapter().verify(delivery(token)).delivery_id


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none"])
def test_other_algorithms_are_refused_though_the_secret_is_right(algorithm: str) -> None:
    secret = SECRET * 2 if algorithm != "none" else ""
    with pytest.raises(Refused):
        adapter(secrets=[SECRET * 2]).verify(delivery(signed(secret, algorithm)))


def test_a_second_secret_is_accepted() -> None:
    assert adapter(secrets=["another-not-real-secret", SECRET]).verify(delivery(signed()))


@pytest.mark.parametrize("late_s", [-400, 400, 86_000])
def test_a_ring_is_refused_when_it_is_old(late_s: float) -> None:
    with pytest.raises(Refused, match="five minutes"):
        adapter().verify(delivery(signed(), AT + timedelta(seconds=late_s)))


@pytest.mark.parametrize(
    "state", ["recap_summary", "call_transcription", "voicemail_uploaded", "recording", "dispositions"]
)
def test_what_comes_long_after_the_call_may_bear_the_time_of_the_call(state: str) -> None:
    token = signed(state=state)
    assert adapter().verify(delivery(token, AT + timedelta(hours=20)))
    for late in (timedelta(hours=25), timedelta(seconds=-400)):
        with pytest.raises(Refused, match="24 hours"):
            adapter().verify(delivery(token, AT + late))


def test_an_event_without_a_time_is_believed() -> None:
    assert adapter().verify(delivery(signed(event_timestamp=None), AT + timedelta(days=3)))


@pytest.mark.parametrize("stamp", ["soon", [MS], {"a": 1}, True, -1, float("1e300"), 10**30])
def test_a_time_that_is_none_is_refused(stamp: object) -> None:
    with pytest.raises(Refused):
        adapter().verify(delivery(signed(event_timestamp=stamp)))


def test_signed_claims_that_are_no_object_are_kept_to_be_looked_at() -> None:
    message = adapter().verify(delivery(jwt.api_jws.encode(b"[1]", SECRET, algorithm="HS256")))
    with pytest.raises(Unreadable):
        adapter().parse(message)


# Settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"secrets": []}, "secrets"),
        ({"secrets": [""]}, "secrets"),
        ({"secrets": ["ssh-rsa not-a-real-key"]}, "secrets"),
        ({"target_type": "office"}, "target_id"),
        ({"target_id": 5}, "target_type"),
        ({"api_token": 5}, "api_token"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"^Phone system main: .*{problem}"):
        adapter(**options)


def test_options_show_no_secret() -> None:
    shown = repr(DialpadOptions([SECRET], "not-a-real-key"))
    assert SECRET not in shown
    assert "not-a-real-key" not in shown


# REST -----------------------------------------------------------------------------------------------------------


class Company:
    """What Dialpad knows of one company, and asks of who asks."""

    def __init__(self) -> None:
        self.webhooks: list[dict[str, Any]] = []
        self.orders: list[dict[str, Any]] = []
        self.records: list[dict[str, Any]] = []
        self.rung: list[Any] = []
        self.page_size = 2
        self.api = Lookalike(
            "Bearer not-a-real-key",
            [
                ("GET", "/webhooks", lambda asked: self._list(self.webhooks, asked)),
                ("POST", "/webhooks", self._make_webhook),
                ("PATCH", r"/webhooks/\d+", self._change_webhook),
                ("GET", "/subscriptions/call", lambda asked: self._list(self.orders, asked)),
                ("POST", "/subscriptions/call", self._make_order),
                ("PATCH", r"/subscriptions/call/\d+", self._change_order),
                ("GET", "/call", lambda asked: self._list(self.records, asked)),
                ("POST", "/call", self._ring),
                ("GET", "/blob/a.mp3", lambda _: Said(200, b"sound", {"content-type": "audio/mpeg; x=1"})),
            ],
        )

    def _list(self, items: list[dict[str, Any]], asked: Asked) -> Said:
        begin = int(asked.params.get("cursor", "0"))
        end = begin + self.page_size
        more = {"cursor": str(end)} if end < len(items) else {}
        return Said(200, {"items": items[begin:end], **more} if items else {})

    def _make_webhook(self, asked: Asked) -> Said:
        signature = {"algo": "HS256", "type": "jwt", "secret": asked.body["secret"]}
        self.webhooks.append(
            {"id": 100 + len(self.webhooks), "hook_url": asked.body["hook_url"], "signature": signature}
        )
        return Said(200, self.webhooks[-1])

    def _change_webhook(self, asked: Asked) -> Said:
        (hook,) = [one for one in self.webhooks if asked.path.endswith(f"/{one['id']}")]
        hook["signature"] = {"secret": asked.body["secret"]}
        return Said(200, hook)

    def _make_order(self, asked: Asked) -> Said:
        order = {key: value for key, value in asked.body.items() if key != "endpoint_id"}
        self.orders.append(
            {"id": str(200 + len(self.orders)), "webhook": {"id": str(asked.body["endpoint_id"])}, **order}
        )
        return Said(200, self.orders[-1])

    def _change_order(self, asked: Asked) -> Said:
        (order,) = [one for one in self.orders if asked.path.endswith(f"/{one['id']}")]
        order.update(asked.body)
        return Said(200, order)

    def _ring(self, asked: Asked) -> Said:
        self.rung.append(asked.body)
        return Said(200, {"call_id": str(DANA)})


@pytest.fixture
def quick() -> Iterator[None]:
    """Two attempts without waiting."""
    stamina.set_testing(True, attempts=2)
    yield
    stamina.set_testing(False)


@asynccontextmanager
async def dialpad(company: Company, **options: Any) -> AsyncIterator[tuple[DialpadAdapter, httpx.AsyncClient, str]]:
    async with served(company.api) as url, httpx.AsyncClient() as http:
        yield adapter(api_base=url, **options), http, url


async def test_deliveries_are_ordered_once() -> None:
    company = Company()
    company.webhooks = [{"id": n, "hook_url": f"https://other.example.com/{n}"} for n in range(3)]
    async with dialpad(company) as (made, http, _):
        first = await made.supervise(http, ADDRESS)
        again = await made.supervise(http, ADDRESS)
    assert (first.state, again.state, again.detail) == ("connected", "connected", None)
    assert first.detail
    assert company.webhooks[-1]["signature"]["secret"] == SECRET
    (order,) = company.orders
    assert (order["enabled"], order["call_states"]) == (True, list(STATES))
    assert "target_id" not in order


async def test_an_order_may_be_for_one_office() -> None:
    company = Company()
    async with dialpad(company, target_type="office", target_id=55) as (made, http, _):
        await made.supervise(http, ADDRESS)
    assert (company.orders[0]["target_type"], company.orders[0]["target_id"]) == ("office", 55)
    assert {"target_type": "office", "target_id": "55"} in [one.params for one in company.api.asked]


@pytest.mark.parametrize(
    "change",
    [{"enabled": False}, {"call_states": ["ringing", "barge"]}, {"group_calls_only": True}, {"call_states": None}],
)
async def test_an_order_that_is_off_or_incomplete_is_mended(change: dict[str, Any]) -> None:
    company = Company()
    async with dialpad(company) as (made, http, _):
        await made.supervise(http, ADDRESS)
        company.orders[0].update(change)
        assert (await made.supervise(http, ADDRESS)).detail
        assert (await made.supervise(http, ADDRESS)).detail is None
    (order,) = company.orders
    assert order["enabled"] is True
    assert not order["group_calls_only"]
    assert set(STATES) | set(change.get("call_states") or ()) == set(order["call_states"])


async def test_a_webhook_that_signs_with_another_secret_gets_our_first() -> None:
    company = Company()
    company.webhooks = [{"id": 7, "hook_url": ADDRESS, "signature": {"secret": "not-a-real-old-one"}}]
    async with dialpad(company, secrets=["not-a-real-new-one", SECRET]) as (made, http, _):
        await made.supervise(http, ADDRESS)
        assert company.webhooks[0]["signature"]["secret"] == "not-a-real-new-one"
        assert (await made.supervise(http, ADDRESS)).detail is None
        company.webhooks[0].pop("signature")
        await made.supervise(http, ADDRESS)
        assert company.webhooks[0]["signature"]["secret"] == "not-a-real-new-one"
    assert len(company.webhooks) == 1


async def test_an_order_whose_answer_was_lost_is_found_and_not_made_twice() -> None:
    company = Company()
    async with dialpad(company) as (made, http, _):
        company.api.faults = [Said(), Said(is_cut=True)]
        with pytest.raises(OutcomeUnknown):
            await made.supervise(http, ADDRESS)
        await made.supervise(http, ADDRESS)
    assert len(company.webhooks) == len(company.orders) == 1


async def test_a_history_comes_in_pages_to_its_end() -> None:
    company = Company()
    company.records = [json.loads(said.body) for said in SPEAKER.history("ring_group", Dialled(AT))]
    async with dialpad(company) as (made, http, _):
        pages = [page async for page in made.history(http, AT, AT + timedelta(hours=1))]
    assert [len(page) for page in pages] == [2, 2]
    messages = [message for page in pages for message in page]
    assert len({message.delivery_id for message in messages}) == 4
    (call,) = in_memory(made, list(enumerate(messages)))
    assert (call.outcome, call.answered_by and call.answered_by.name) == (Outcome.ANSWERED, "Sam Second")
    asked = company.api.asked[0].params
    assert (asked["started_after"], asked["started_before"]) == (str(MS - 1), str(MS + 3_600_000))


async def test_a_record_that_changed_is_another_delivery_and_one_that_did_not_is_the_same() -> None:
    company = Company()
    company.records = [{"call_id": str(DANA), "state": "hangup"}]
    ids = []
    async with dialpad(company) as (made, http, _):
        for change in ({}, {}, {"labels": ["Booked"]}):
            company.records[0].update(change)
            ids += [message.delivery_id async for page in made.history(http, AT, AT) for message in page]
    assert ids[0] == ids[1] != ids[2]
    assert str(ids[0]).startswith(f"history:{DANA}:")


async def test_an_empty_history_is_empty_and_one_that_goes_round_is_given_up() -> None:
    company = Company()
    async with dialpad(company) as (made, http, _):
        assert [page async for page in made.history(http, AT, AT)] == [[]]
        company.api.routes = [("GET", "/call", lambda _: Said(200, {"items": [], "cursor": "x"}))]
        with pytest.raises(GivenUp, match="again and again"):
            _ = [page async for page in made.history(http, AT, AT)]
        company.api.routes = [("GET", "/call", lambda _: Said(200, b"<html>"))]
        with pytest.raises(GivenUp, match="no list of calls"):
            _ = [page async for page in made.history(http, AT, AT)]


async def test_a_history_waits_as_long_as_it_is_told() -> None:
    company = Company()
    company.records = [{"call_id": "1"}]
    company.api.faults = [Said(429, {}, {"retry-after": "1"}), Said(503, {})]
    async with dialpad(company) as (made, http, _):
        pages = [page async for page in made.history(http, AT, AT)]
    assert [len(page) for page in pages] == [1]
    assert company.api.paths() == ["GET /call"] * 3


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("fault", "error"),
    [(Said(503, {}), RetryLater), (Said(429, {}), RetryLater), (Said(403, {}), NeedsFixing), (Said(400, {}), GivenUp)],
)
async def test_what_goes_wrong_is_classed(fault: Said, error: type[Exception]) -> None:
    company = Company()
    company.api.faults = [fault] * 4
    async with dialpad(company) as (made, http, _):
        with pytest.raises(error):
            _ = [page async for page in made.history(http, AT, AT)]


async def test_a_wrong_key_needs_a_person() -> None:
    company = Company()
    async with dialpad(company, api_token="not-the-key") as (made, http, _):
        with pytest.raises(NeedsFixing, match="credentials"):
            await made.supervise(http, ADDRESS)


async def test_a_call_is_set_up_and_known_again() -> None:
    company = Company()
    async with dialpad(company) as (made, http, _):
        plain = await made.originate(http, "151", "+14375550142")
        await made.originate(http, "151", "+14375550142", caller_id="+14375550100")
    assert plain.call_key == str(DANA)
    wanted = {"user_id": 151, "phone_number": "+14375550142"}
    assert company.rung == [wanted, {**wanted, "outbound_caller_id": "+14375550100"}]


async def test_a_call_whose_answer_was_lost_is_not_set_up_again() -> None:
    company = Company()
    company.api.faults = [Said(is_cut=True)]
    async with dialpad(company) as (made, http, _):
        with pytest.raises(OutcomeUnknown):
            await made.originate(http, "151", "+14375550142")
        with pytest.raises(NeedsFixing, match="number"):
            await made.originate(http, "dana@example.com", "+14375550142")
    assert len(company.rung) == 1


async def test_a_recording_is_fetched_with_the_key_from_dialpad_only() -> None:
    company, elsewhere = Company(), Lookalike("", [])
    async with dialpad(company) as (made, http, url), served(elsewhere) as other:
        recording = await made.recording(http, f"{url}/blob/a.mp3")
        assert recording.media_type == "audio/mpeg"
        assert b"".join([chunk async for chunk in recording.chunks]) == b"sound"
        for address in (
            f"{other}/blob/a.mp3",
            "http://dialpad.com/a",
            "https://dialpad.com.example.com/a",
            "x://[",
            "",
        ):
            with pytest.raises(GivenUp):
                await made.recording(http, address)
        with pytest.raises(GivenUp, match="no such recording"):
            await made.recording(http, f"{url}/blob/gone.mp3")
    assert elsewhere.asked == []


async def test_the_key_does_not_follow_where_a_recording_is_moved_to() -> None:
    company = Company()
    seen: list[str | None] = []

    async def storage(scope: Any, _: Any, send: Any) -> None:
        seen.append(dict(scope["headers"]).get(b"authorization"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"audio/wav")]})
        await send({"type": "http.response.body", "body": b"sound"})

    async with dialpad(company) as (made, http, url), served(storage) as other:
        moved = Said(302, b"", {"location": other.replace("127.0.0.1", "localhost")})
        company.api.routes = [("GET", "/blob/a.mp3", lambda _: moved)]
        recording = await made.recording(http, f"{url}/blob/a.mp3")
        assert b"".join([chunk async for chunk in recording.chunks]) == b"sound"
    assert seen == [None]
