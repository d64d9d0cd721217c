"""What is special to Aircall: the token in the body, events that hold the whole call, and its REST API."""

import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from rest_lookalike import Asked, Lookalike, Said

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, PartyKind
from trunkline.phone_systems.aircall import AircallAdapter, AircallOptions
from trunkline.phone_systems.aircall.envelope import open_envelope
from trunkline.phone_systems.aircall.subscription import CALL_EVENTS, EVENTS
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.sandbox.phones.aircall import SPEAKER
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
S = int(AT.timestamp())
TOKEN = "0001not0a0real0token0001"
ADDRESS = "https://bridge.example.com/hooks/aircall"
DANA = {"id": 701, "name": "Dana Desk", "email": "dana@example.com"}
SAM = {"id": 702, "name": "Sam Second", "email": "sam@example.com"}
KEY = "Basic " + base64.b64encode(b"not-a-real-id:not-a-real-key").decode()


def adapter(**options: Any) -> AircallAdapter:
    key = {"api_id": "not-a-real-id", "api_token": "not-a-real-key"}
    return AircallAdapter.configure("main", {"auth_tokens": [TOKEN], **key, **options})


def call_of(**more: Any) -> dict[str, Any]:
    return {
        "id": 990_000_001,
        "direction": "inbound",
        "status": "initial",
        "missed_call_reason": None,
        "started_at": S,
        "answered_at": None,
        "ended_at": None,
        "duration": 0,
        "raw_digits": "+1 437-555-0142",
        "number": {"id": 77, "digits": "+1 437-555-0100"},
        "user": DANA,
        "contact": {"first_name": "JANE", "last_name": "EXAMPLE"},
        "comments": [],
        "tags": [],
        **more,
    }


def event_of(event: str, after_s: int = 10, **more: Any) -> dict[str, Any]:
    return {"resource": "call", "event": event, "timestamp": S + after_s, "data": call_of(**more)}


def parsed(event: str, **more: Any) -> list[CallEvent]:
    return read(event_of(event, **more))


def read(told: Mapping[str, Any], kind: str = "") -> list[CallEvent]:
    events = adapter().parse(RawMessage(json.dumps(told).encode(), AT, kind=kind))
    return [event for event in events if isinstance(event, CallEvent)]


def calls(*events: Mapping[str, Any]) -> list[Call]:
    return in_memory(adapter(), [(place, RawMessage(json.dumps(one).encode(), AT)) for place, one in enumerate(events)])


ENDED = {"status": "done", "answered_at": S + 5, "ended_at": S + 20, "duration": 20}

# What its words mean --------------------------------------------------------------------------------------------

KINDS = {
    "call.created": [EventKind.STARTED],
    "call.ivr_option_selected": [EventKind.ROUTED],
    "call.ringing_on_agent": [EventKind.RINGING],
    "call.agent_declined": [EventKind.RING_ENDED],
    "call.answered": [EventKind.ANSWERED],
    "call.hold": [EventKind.HELD],
    "call.unhold": [EventKind.RESUMED],
    "call.transferred": [EventKind.TRANSFERRED],
    "call.external_transferred": [EventKind.TRANSFERRED],
    "call.unsuccessful_transfer": [EventKind.UNKNOWN],
    "call.hungup": [EventKind.ENDED],
    "call.ended": [EventKind.ENDED, EventKind.RECORD],
    "call.voicemail_left": [EventKind.VOICEMAIL],
    "call.comm_assets_generated": [EventKind.RECORDING],
    "call.commented": [EventKind.ANNOTATED],
    "call.tagged": [EventKind.ANNOTATED],
    "call.untagged": [EventKind.UNKNOWN],
    "call.assigned": [EventKind.UNKNOWN],
    "call.archived": [EventKind.UNKNOWN],
}


@pytest.mark.parametrize(("event", "expected"), KINDS.items())
def test_an_event_of_a_call(event: str, expected: list[EventKind]) -> None:
    assert [told.kind for told in parsed(event)] == expected


@pytest.mark.parametrize(
    "event", ["contact.created", "user.opened.v2", "number.closed", "message.sent", "", "analytics.x"]
)
def test_other_events_say_nothing_about_calls(event: str) -> None:
    assert parsed(event) == []


@pytest.mark.parametrize(
    ("word", "reason", "outcome"),
    [
        ("out_of_opening_hours", EndReason.NO_ANSWER, Outcome.MISSED),
        ("short_abandoned", EndReason.CANCELLED, Outcome.MISSED),
        ("abandoned_in_ivr", EndReason.CANCELLED, Outcome.ABANDONED),
        ("abandoned_in_classic", EndReason.CANCELLED, Outcome.MISSED),
        ("no_available_agent", EndReason.NO_ANSWER, Outcome.MISSED),
        ("agents_did_not_answer", EndReason.NO_ANSWER, Outcome.MISSED),
        ("a_word_of_tomorrow", EndReason.UNKNOWN, Outcome.UNKNOWN),
    ],
)
def test_why_a_call_was_missed(word: str, reason: EndReason, outcome: Outcome) -> None:
    ended = event_of("call.hungup", ended_at=S + 9, missed_call_reason=word, user=None)
    assert [told.reason for told in read(ended) if told.kind is EventKind.ENDED] == [reason]
    (call,) = calls(event_of("call.created", 0, user=None), ended)
    assert (call.state, call.outcome) == (CallState.ENDED, outcome)


@pytest.mark.parametrize(
    ("word", "direction"), [("inbound", Direction.INBOUND), ("outbound", Direction.OUTBOUND), ("x", None)]
)
def test_the_direction(word: str, direction: Direction | None) -> None:
    assert parsed("call.created", direction=word)[0].direction is direction


def test_numbers_are_written_with_blanks() -> None:
    (call,) = calls(event_of("call.created"))
    assert (call.external_number, call.did, call.external_name) == ("+14375550142", "+14375550100", "JANE EXAMPLE")
    assert parsed("call.created")[0].external_number == "+1 437-555-0142"  # as sent


@pytest.mark.parametrize("digits", ["anonymous", "Anonymous", "", None, "restricted"])
def test_a_withheld_number_is_none(digits: object) -> None:
    assert calls(event_of("call.created", raw_digits=digits))[0].external_number is None


def test_a_contact_may_be_a_company() -> None:
    (event,) = parsed("call.created", contact={"first_name": None, "company_name": "Example Foods"})
    assert event.external_name == "Example Foods"


def test_who_dials_is_the_agent_and_who_answers_is_the_outside() -> None:
    out = {"direction": "outbound"}
    told = [event_of("call.created", 0, **out), event_of("call.answered", 8, answered_at=S + 8, **out)]
    (call,) = calls(*told, event_of("call.hungup", 60, answered_at=S + 8, ended_at=S + 60, **out))
    assert (call.outcome, call.wait_s, call.talk_s) == (Outcome.ANSWERED, 8.0, 52.0)
    assert call.answered_by is not None
    assert call.answered_by.name == "Dana Desk"


def test_a_phone_that_declines_is_not_the_end_of_the_call() -> None:
    (call,) = calls(
        event_of("call.created", 0, user=None), event_of("call.ringing_on_agent"), event_of("call.agent_declined")
    )
    assert call.state is not CallState.ENDED
    assert [leg.reason for leg in call.legs if leg.rang_at] == [EndReason.REJECTED]


def test_duration_includes_the_ringing_so_the_talk_is_worked_out() -> None:
    (record,) = [told for told in parsed("call.ended", **ENDED) if told.kind is EventKind.RECORD]
    assert (record.ring_s, record.talk_s, record.total_s) == (5.0, 15.0, 20.0)


def test_the_last_event_alone_tells_the_call() -> None:
    (call,) = calls(event_of("call.ended", 50, **ENDED))
    assert (call.state, call.outcome, call.talk_s) == (CallState.ENDED, Outcome.ANSWERED, 15.0)
    assert call.answered_by is not None
    assert call.answered_by.email == "dana@example.com"


def test_the_receiver_of_a_transfer_answers_when_it_is_told_not_when_the_call_was_first_answered() -> None:
    handed_on = {"answered_at": S + 5, "transferred_by": DANA, "transferred_to": SAM}
    told = parsed("call.transferred", **handed_on)
    assert [(one.kind, one.leg_key) for one in told] == [
        (EventKind.TRANSFERRED, None),
        (EventKind.LEFT, "990000001.701"),
    ]
    assert told[0].party is not None
    assert told[0].party.name == "Sam Second"
    (answer,) = parsed("call.answered", **{**handed_on, "user": SAM})
    assert answer.occurred_at == AT + timedelta(seconds=10)


def test_a_call_may_be_handed_on_to_the_outside() -> None:
    (event,) = parsed("call.external_transferred", external_transferred_to="+1 437-555-0160")
    assert event.party is not None
    assert (event.party.kind, event.party.name) == (PartyKind.EXTERNAL, "+1 437-555-0160")


def test_a_link_that_lives_ten_minutes_is_kept_as_where_to_ask_for_a_new_one() -> None:
    media = {"recording": "https://files.example.com/a?signed=1", "voicemail_short_url": "https://short.example.com/v"}
    told = [(one.kind, one.media_url) for one in parsed("call.ended", **media) if one.media_url]
    call = "https://api.aircall.io/v1/calls/990000001"
    assert told == [(EventKind.RECORDING, f"{call}#recording"), (EventKind.VOICEMAIL, f"{call}#voicemail")]


def test_comments_and_tags_are_notes_each_once() -> None:
    notes: dict[str, Any] = {
        "comments": [{"id": 1, "content": "Call back.", "posted_at": S + 3}, {"id": 2, "content": " "}, "x"],
        "tags": [{"id": 1, "name": "Boiler", "created_at": "2026-03-02T15:00:04.000Z"}, {"name": "No id"}],
    }
    told = [one for one in parsed("call.tagged", **notes) if one.kind is EventKind.ANNOTATED]
    assert [(one.event_id, one.text) for one in told] == [
        ("comment:1", "Call back."),
        ("tag:1", "Boiler"),
        ("", "No id"),
    ]
    assert [one.occurred_at.second for one in told] == [3, 4, 10]
    (call,) = calls(
        event_of("call.commented", **notes), event_of("call.tagged", **notes), event_of("call.ended", **notes)
    )
    assert call.notes == ("Call back.", "Boiler", "No id")


@pytest.mark.parametrize(
    ("event", "content", "text"),
    [
        ("summary.created", "Wants a visit.", "Wants a visit."),
        ("summary.created", {"summary": "Wants a visit."}, "Wants a visit."),
        ("action_item.created", {"content": {"text": "Call back."}}, "Call back."),
        (
            "transcription.created",
            {"utterances": [{"text": "Hi.", "participant_type": "internal"}, {"text": "Hello."}, {"text": None}, 5]},
            "Agent: Hi.\nHello.",
        ),
        ("summary.created", "", None),
        ("summary.created", {"utterances": []}, None),
        ("transcription.created", None, None),
    ],
)
@pytest.mark.parametrize("about", [{"call_id": 990_000_001}, {"call": {"id": "990000001"}}])
def test_transcripts_and_summaries(event: str, content: object, text: str | None, about: dict[str, object]) -> None:
    told = read({"event": event, "timestamp": S, "data": {**about, "content": content}})
    assert [(one.kind, one.call_key, one.text) for one in told] == (
        [] if text is None else [(EventKind.CONTENT, "990000001", text)]
    )


def test_content_of_no_call_says_nothing() -> None:
    assert read({"event": "summary.created", "data": {"content": "Hello."}}) == []


@pytest.mark.parametrize("when", [None, "x", -1, 0, 10**12, 10**30, float("1e300"), True, [], "2026-03-02T15:00:00"])
def test_what_is_no_time_is_passed_over(when: object) -> None:
    told = read({"event": "call.created", "timestamp": when, "data": call_of(started_at=when)})
    assert told[0].occurred_at == AT


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"\xff", b"{", b"[" * 5000, b'{"event":"call.created"}', b'{"event":"call.x","data":{"id":[]}}'],
)
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


# Proof ----------------------------------------------------------------------------------------------------------


def verify(body: bytes, at: datetime = AT, **options: Any) -> RawMessage:
    return adapter(**options).verify(Delivery(body, at))


def with_token(token: object = TOKEN, **more: Any) -> bytes:
    return json.dumps({"event": "call.created", "timestamp": S, "token": token, **more}).encode()


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        (b'{"token":"%b"}', b'{"token":""}'),
        (
            b' {\r\n"a" : [1, {"token" : "x"}] , "token"\t:  "%b"\n} ',
            b' {\r\n"a" : [1, {"token" : "x"}] , "token"\t:  ""\n} ',
        ),
        (b'{"token":"%b","n":1.50e0,"big":9100000000000000001}', b'{"token":"","n":1.50e0,"big":9100000000000000001}'),
        ('{"é😀":"ü\\u00fc","token":"%b"}'.encode(), '{"é😀":"ü\\u00fc","token":""}'.encode()),
    ],
)
def test_the_token_is_cut_out_and_every_other_byte_stays(body: bytes, rest: bytes) -> None:
    assert verify(body.replace(b"%b", TOKEN.encode())).body == rest


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_whatever_stands_around_the_token_is_kept(others: dict[str, Any]) -> None:
    told = {**others, "token": TOKEN}
    envelope = open_envelope(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))
    assert envelope.token == TOKEN
    assert json.loads(envelope.rest)["token"] == ""


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_nothing_else(body: bytes) -> None:
    with pytest.raises(Refused):
        verify(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"token":1}', b'{"token":"\\ud800"}', b'{"a":1,"a":2,"token":"%b"}',
     b'{"token":"%b",}',
     b'{"token":"%b"}{}', b'{token:"%b"}', b'{"token" "%b"}', b'{"token":"%b","n":' + b"9" * 5000 + b"}",
     b'{1:2,"token":"%b"}',
     b'\xef\xbb\xbf{"token":"%b"}', b'{"token":"%b","a":"\xff"}'],
)  # fmt: skip
def test_what_is_no_envelope_is_refused_before_anything_is_compared(body: bytes) -> None:
    with pytest.raises(Refused, match="JSON object with one token") as caught:
        verify(body.replace(b"%b", TOKEN.encode()))
    assert caught.value.status == 400


def test_the_same_event_of_two_webhooks_is_one_delivery() -> None:
    both: dict[str, Any] = {"auth_tokens": ["another0token", TOKEN]}
    assert verify(with_token(), **both).delivery_id == verify(with_token("another0token"), **both).delivery_id


@pytest.mark.parametrize("hours", [0, 12, 23.9])
def test_what_aircall_tries_again_for_hours_is_taken(hours: float) -> None:
    assert verify(with_token(), AT + timedelta(hours=hours))


@pytest.mark.parametrize("late", [timedelta(hours=24.1), timedelta(days=9), timedelta(minutes=-6)])
def test_what_is_older_than_a_day_or_of_tomorrow_is_refused(late: timedelta) -> None:
    with pytest.raises(Refused, match="24 hours"):
        verify(with_token(), AT + late)


@pytest.mark.parametrize("stamp", ["soon", -1, [], 1e300, 10**30, True])
def test_a_time_that_is_none_is_refused(stamp: object) -> None:
    with pytest.raises(Refused):
        verify(with_token(timestamp=stamp))


def test_a_wrong_token_is_refused_before_its_time_is_looked_at() -> None:
    with pytest.raises(Refused, match="token is not one"):
        verify(with_token("another0token", timestamp="soon"))


def test_before_any_token_is_known_aircall_is_asked_to_try_again() -> None:
    with pytest.raises(Refused, match="not known yet") as caught:
        verify(with_token(), auth_tokens=[])
    assert caught.value.status == 503


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"auth_tokens": [""]}, "auth_tokens"),
        ({"auth_tokens": ["\u00e9"]}, "auth_tokens"),
        ({"api_id": None}, "api_id"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"^Phone system main: .*{problem}"):
        adapter(**options)


def test_nothing_shows_a_secret() -> None:
    shown = repr(AircallOptions("not-a-real-id", "not-a-real-key", [TOKEN])) + repr(open_envelope(with_token()))
    assert TOKEN not in shown
    assert "not-a-real-key" not in shown


# REST -----------------------------------------------------------------------------------------------------------


class Account:
    """What Aircall knows of one account, and asks of who asks."""

    def __init__(self) -> None:
        self.hooks: list[dict[str, Any]] = []
        self.records: list[dict[str, Any]] = []
        self.dialled: list[Any] = []
        self.shows_tokens = True
        self.sells_content = True
        self.api = Lookalike(
            KEY,
            [
                ("GET", "/webhooks", lambda asked: self._list("webhooks", self._shown(), asked)),
                ("GET", r"/webhooks/[\w-]+", lambda asked: Said(200, {"webhook": self._hook(asked)})),
                ("POST", "/webhooks", self._make),
                ("PUT", r"/webhooks/[\w-]+", self._change),
                ("GET", "/calls", self._history),
                ("GET", r"/calls/\d+", self._call),
                ("GET", "/numbers", lambda asked: self._list("numbers", self.numbers, asked)),
                ("POST", r"/users/\d+/calls", self._dial),
            ],
        )
        self.numbers = [{"id": 70 + place, "digits": f"+1 437-555-01{place:02}"} for place in range(60)]

    def _shown(self) -> list[dict[str, Any]]:
        hidden = () if self.shows_tokens else ("token",)
        return [{key: value for key, value in hook.items() if key not in hidden} for hook in self.hooks]

    def _hook(self, asked: Asked) -> dict[str, Any]:
        (hook,) = [one for one in self.hooks if asked.path.endswith(one["webhook_id"])]
        return hook

    def _make(self, asked: Asked) -> Said:
        if not self._takes(asked):
            return Said(400, {"error": "invalid events"})
        number = len(self.hooks)
        self.hooks.append({"webhook_id": f"hook-{number}", "active": True, "token": f"made{number}", **asked.body})
        return Said(201, {"webhook": self.hooks[-1]})

    def _change(self, asked: Asked) -> Said:
        if not self._takes(asked):
            return Said(400, {"error": "invalid events"})
        hook = self._hook(asked)
        hook.update(asked.body)
        return Said(200, {"webhook": hook})

    def _takes(self, asked: Asked) -> bool:
        return self.sells_content or all(event.startswith("call.") for event in asked.body["events"])

    def _list(self, name: str, items: list[dict[str, Any]], asked: Asked, *, most: int = 10_000) -> Said:
        page, size = int(asked.params["page"]), int(asked.params["per_page"])
        assert size <= 50
        shown = items[:most][(page - 1) * size : page * size]
        more = page * size < min(len(items), most)
        link = f"https://api.aircall.io/v1/{name}?page={page + 1}" if more else None
        return Said(200, {name: shown, "meta": {"total": len(items), "next_page_link": link}})

    def _history(self, asked: Asked) -> Said:
        begin, end = int(asked.params["from"]), int(asked.params["to"])
        assert asked.params["order"] == "asc"
        return self._list("calls", [one for one in self.records if begin <= one["started_at"] <= end], asked)

    def _call(self, asked: Asked) -> Said:
        found = [one for one in self.records if asked.path.endswith(f"/{one['id']}")]
        return Said(200, {"call": found[0]}) if found else Said(404, {})

    def _dial(self, asked: Asked) -> Said:
        self.dialled.append((asked.path, asked.body))
        return Said(204, b"")


@pytest.fixture
def quick() -> Iterator[None]:
    """Two attempts without waiting."""
    stamina.set_testing(True, attempts=2)
    yield
    stamina.set_testing(False)


@pytest.fixture
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's limit of requests a minute would make a long history a long test."""
    monkeypatch.setattr("trunkline.phone_systems.aircall.PACE", (10_000, 1))


@asynccontextmanager
async def aircall(account: Account, **options: Any) -> AsyncIterator[tuple[AircallAdapter, httpx.AsyncClient, str]]:
    async with served(account.api) as url, httpx.AsyncClient() as http:
        yield adapter(api_base=url, **options), http, url


@pytest.mark.usefixtures("unpaced")
async def test_deliveries_are_ordered_once_and_their_token_is_learnt() -> None:
    account = Account()
    account.hooks = [{"webhook_id": f"old-{n}", "url": f"https://other.example.com/{n}"} for n in range(60)]
    async with aircall(account, auth_tokens=[]) as (made, http, _):
        assert (await made.supervise(http, ADDRESS)).detail
        token = account.hooks[-1]["token"]
        assert made.verify(Delivery(with_token(token), AT))
        again = await made.supervise(http, ADDRESS)
        assert (again.state, again.detail) == ("connected", None)
        with pytest.raises(Refused):
            made.verify(Delivery(with_token("made0"), AT))
    assert len(account.hooks) == 61
    assert account.hooks[-1]["events"] == list(EVENTS)
    assert account.hooks[-1]["url"] == ADDRESS


@pytest.mark.parametrize("shows_tokens", [True, False])
@pytest.mark.parametrize(
    "change", [{"active": False}, {"events": ["call.created", "contact.created"]}, {"events": None}]
)
@pytest.mark.usefixtures("unpaced")
async def test_a_webhook_that_was_switched_off_or_is_incomplete_is_mended(
    change: dict[str, Any], shows_tokens: bool
) -> None:
    account = Account()
    account.shows_tokens = shows_tokens
    async with aircall(account, auth_tokens=[]) as (made, http, _):
        await made.supervise(http, ADDRESS)
        account.hooks[0].update(change)
        assert (await made.supervise(http, ADDRESS)).detail
        assert (await made.supervise(http, ADDRESS)).detail is None
        assert made.verify(Delivery(with_token("made0"), AT))
    (hook,) = account.hooks
    assert hook["active"] is True
    assert set(EVENTS) | set(change.get("events") or ()) == set(hook["events"])


@pytest.mark.usefixtures("unpaced")
async def test_an_account_without_transcripts_is_asked_for_calls_only() -> None:
    account = Account()
    account.sells_content = False
    async with aircall(account) as (made, http, _):
        await made.supervise(http, ADDRESS)
        assert (await made.supervise(http, ADDRESS)).detail is None
    assert [hook["events"] for hook in account.hooks] == [list(CALL_EVENTS)]


async def test_a_webhook_whose_answer_was_lost_is_found_and_not_made_twice() -> None:
    account = Account()
    account.api.faults = [Said(200, {"webhooks": []}), Said(is_cut=True)]
    async with aircall(account) as (made, http, _):
        with pytest.raises(OutcomeUnknown):
            await made.supervise(http, ADDRESS)
        await made.supervise(http, ADDRESS)
    assert len(account.hooks) == 1


async def test_a_webhook_without_a_token_is_no_success() -> None:
    account = Account()
    account.hooks = [{"webhook_id": "hook-0", "url": ADDRESS, "active": True, "events": list(EVENTS)}]
    async with aircall(account) as (made, http, _):
        with pytest.raises(GivenUp, match="token"):
            await made.supervise(http, ADDRESS)


def records(count: int, *, every_s: int = 1) -> list[dict[str, Any]]:
    return [
        call_of(id=n, started_at=S + n * every_s, answered_at=None, ended_at=S + n * every_s + 5) for n in range(count)
    ]


@pytest.mark.usefixtures("unpaced")
async def test_a_history_comes_in_pages_without_calls_in_progress_or_of_later() -> None:
    account = Account()
    account.records = [
        *records(120),
        call_of(id=998, started_at=S + 130),
        call_of(id=999, started_at=S + 200, ended_at=S + 201),
    ]
    async with aircall(account) as (made, http, _):
        pages = [page async for page in made.history(http, AT, AT + timedelta(seconds=200))]
    assert [len(page) for page in pages] == [50, 50, 20]
    (call,) = in_memory(made, [(0, pages[0][0])])
    assert (call.state, call.outcome) == (CallState.ENDED, Outcome.MISSED)


@pytest.mark.usefixtures("unpaced")
async def test_more_calls_than_aircall_lists_are_read_from_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.phone_systems.aircall.MOST_PAGES", 2)
    account = Account()
    account.records = records(250)
    async with aircall(account) as (made, http, _):
        pages = [page async for page in made.history(http, AT, AT + timedelta(hours=1))]
        ids = [message.delivery_id for page in pages for message in page]
        assert len(ids) == len(set(ids)) == 250
        account.records = records(250, every_s=0)
        with pytest.raises(GivenUp, match="one moment"):
            _ = [page async for page in made.history(http, AT, AT + timedelta(hours=1))]


@pytest.mark.usefixtures("unpaced")
async def test_a_link_signed_anew_is_no_change_of_a_record() -> None:
    account = Account()
    ids = []
    async with aircall(account) as (made, http, _):
        for change in (
            {"recording": "https://a.example.com/1"},
            {"recording": "https://a.example.com/2"},
            {"tags": [1]},
        ):
            account.records = [{**records(1)[0], "recording": "x", **change}]
            ids += [one.delivery_id async for page in made.history(http, AT, AT + timedelta(hours=1)) for one in page]
    assert ids[0] == ids[1] != ids[2]


async def test_a_history_waits_as_long_as_it_is_told() -> None:
    account = Account()
    account.records = records(1)
    account.api.faults = [Said(429, {}, {"retry-after": "1"}), Said(502, {})]
    async with aircall(account) as (made, http, _):
        pages = [page async for page in made.history(http, AT, AT + timedelta(hours=1))]
    assert [len(page) for page in pages] == [1]
    assert account.api.paths() == ["GET /calls"] * 3


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Said(503, {}), RetryLater),
        (Said(429, {}), RetryLater),
        (Said(403, {}), NeedsFixing),
        (Said(200, b"<"), GivenUp),
    ],
)
async def test_what_goes_wrong_is_classed(fault: Said, error: type[Exception]) -> None:
    account = Account()
    account.api.faults = [fault] * 4
    async with aircall(account) as (made, http, _):
        with pytest.raises(error):
            _ = [page async for page in made.history(http, AT, AT)]


async def test_a_wrong_key_needs_a_person() -> None:
    async with aircall(Account(), api_token="not-the-key") as (made, http, _):
        with pytest.raises(NeedsFixing, match="credentials"):
            await made.supervise(http, ADDRESS)


@pytest.mark.usefixtures("unpaced")
async def test_a_call_is_set_up_from_the_number_that_is_asked_for() -> None:
    account = Account()
    async with aircall(account, number_id=77) as (made, http, _):
        await made.originate(http, "701", "+14375550142")
        await made.originate(http, "701", "+14375550142", caller_id="+14375550155")
        with pytest.raises(NeedsFixing, match="none of the numbers"):
            await made.originate(http, "701", "+14375550142", caller_id="+14375550199")
        with pytest.raises(NeedsFixing, match="by a number"):
            await made.originate(http, "../701", "+14375550142")
    to = {"to": "+14375550142"}
    assert account.dialled == [
        ("/users/701/calls", {"number_id": 77, **to}),
        ("/users/701/calls", {"number_id": 125, **to}),
    ]


async def test_a_call_needs_a_number_to_be_made_from() -> None:
    async with aircall(Account()) as (made, http, _):
        with pytest.raises(NeedsFixing, match="number_id"):
            await made.originate(http, "701", "+14375550142")


async def test_a_call_whose_answer_was_lost_is_not_set_up_again() -> None:
    account = Account()
    account.api.faults = [Said(is_cut=True)]
    async with aircall(account, number_id=77) as (made, http, _):
        with pytest.raises(OutcomeUnknown):
            await made.originate(http, "701", "+14375550142")
    assert len(account.dialled) == 1


async def test_a_recording_is_asked_for_anew_and_its_host_gets_no_key() -> None:
    account = Account()
    seen: list[bytes | None] = []

    async def storage(scope: Any, _: Any, send: Any) -> None:
        seen.append(dict(scope["headers"]).get(b"authorization"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"audio/mpeg")]})
        await send({"type": "http.response.body", "body": b"sound"})

    async with aircall(account) as (made, http, url), served(storage) as files:
        account.records = [call_of(id=5, recording=f"{files}/a.mp3?signed=1", voicemail=None)]
        recording = await made.recording(http, f"{url}/calls/5#recording")
        assert recording.media_type == "audio/mpeg"
        assert b"".join([chunk async for chunk in recording.chunks]) == b"sound"
        for address in (
            f"{url}/calls/5#voicemail",
            f"{url}/calls/5#number",
            f"{url}/calls/6#recording",
            f"{files}/a.mp3",
        ):
            with pytest.raises(GivenUp):
                await made.recording(http, address)
    assert seen == [None]


def test_what_the_speaker_tells_of_a_call_is_where_its_recording_is_asked_for() -> None:
    made = adapter()
    told = [event for said in SPEAKER.play("answered", Dialled(AT)) for event in made.parse(RawMessage(said.body, AT))]
    links = {event.media_url for event in told if isinstance(event, CallEvent) and event.media_url}
    assert links == {"https://api.aircall.io/v1/calls/990000001#recording"}
